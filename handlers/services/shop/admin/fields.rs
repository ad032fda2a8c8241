//! Reading what staff fills in: each field by its rule, and all that is wrong with any of them told at once.

use serde_json::{Map, Value};

use crate::error::FieldError;
use crate::types::LocalisedText;

/// The languages of a text as its fields are named, English first.
const LANGUAGES: [&str; 3] = ["en-IN", "hi-IN", "te-IN"];

/// What is wrong with the fields of a body.
#[derive(Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    /// Tells what is wrong with a field, and stands for its value.
    pub fn refuse<T>(&mut self, field: impl Into<String>, message: impl Into<String>) -> Option<T> {
        self.0.push(FieldError { field: field.into(), message: message.into() });
        None
    }
}

/// The fields of a body. What is stored may be repeated as it is: it is kept and not judged again, so that a
/// rule that is new or a field that is not writable stands in nobody's way.
pub struct Fields {
    given: Map<String, Value>,
    stored: Map<String, Value>,
    problems: Problems,
}

impl Fields {
    /// The fields `given`, beside those that are `stored` in the same form.
    pub fn new(given: Map<String, Value>, stored: Map<String, Value>) -> Self {
        Self { given, stored, problems: Problems::default() }
    }

    /// Reads a field by its rule, which is given null where the field is absent. `kept` is what is stored.
    pub fn read<T>(
        &mut self,
        field: &str,
        kept: Option<&T>,
        rule: impl FnOnce(&mut Problems, &str, Value) -> Option<T>,
    ) -> Option<T>
    where
        T: Clone,
    {
        let value = self.given.remove(field).unwrap_or(Value::Null);
        if let Some(kept) = kept
            && self.stored.get(field) == Some(&value)
        {
            return Some(kept.clone());
        }
        rule(&mut self.problems, field, value)
    }

    /// The same for a field that another value stands for where it is absent or null.
    pub fn read_or<T>(
        &mut self,
        field: &str,
        kept: Option<&T>,
        other: Option<&T>,
        rule: impl FnOnce(&mut Problems, &str, Value) -> Option<T>,
    ) -> Option<T>
    where
        T: Clone,
    {
        if self.given.get(field).is_none_or(Value::is_null) {
            self.given.remove(field);
            return other.cloned();
        }
        self.read(field, kept, rule)
    }

    /// Tells what is wrong with a field beside its own rule, and stands for its value.
    pub fn refuse<T>(&mut self, field: &str, message: &str) -> Option<T> {
        self.problems.refuse(field, message)
    }

    /// Refuses what is left: fields that are not written here, unless they say what is stored, and unknown ones.
    /// Gives all that is wrong.
    pub fn finish(mut self, why_not: impl Fn(&str) -> Option<&'static str>) -> Vec<FieldError> {
        for (field, value) in self.given {
            if self.stored.get(&field) == Some(&value) {
                continue;
            }
            let message = why_not(&field).unwrap_or("there is no such field");
            let field: String = field.chars().take(60).collect();
            self.problems.refuse::<()>(field, message);
        }
        self.problems.0
    }
}

/// A text of `least` to `most` characters, none of control, without spaces at its ends.
pub fn text(least: usize, most: usize) -> impl Fn(&mut Problems, &str, Value) -> Option<String> {
    move |problems, field, value| {
        let expected = || match least {
            0 => format!("expected a text of at most {most} characters, none of control"),
            _ => format!("expected a text of {least} to {most} characters, none of control"),
        };
        let told = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Null if least == 0 => String::new(),
            _ => return problems.refuse(field, expected()),
        };
        match (least..=most).contains(&told.chars().count()) && !told.chars().any(char::is_control) {
            true => Some(told),
            false => problems.refuse(field, expected()),
        }
    }
}

/// Words to filter by, in lower case with single spaces: 1 to 40 characters without comma and semicolon, which
/// part words in lists.
pub fn word(problems: &mut Problems, field: &str, value: Value) -> Option<String> {
    let expected = "expected words of 1 to 40 characters in all, without comma, semicolon and characters of control";
    let Value::String(text) = value else { return problems.refuse(field, expected) };
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let sane = |c: char| !c.is_control() && c != ',' && c != ';';
    match (1..=40).contains(&plain.chars().count()) && plain.chars().all(sane) {
        true => Some(plain),
        false => problems.refuse(field, expected),
    }
}

/// A list of `least` to `most` items, each once, by the rule of an item; null is an empty list.
pub fn list<T: PartialEq>(
    least: usize,
    most: usize,
    item: impl Fn(&mut Problems, &str, Value) -> Option<T>,
) -> impl Fn(&mut Problems, &str, Value) -> Option<Vec<T>> {
    move |problems, field, value| {
        let items = match value {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            _ => return problems.refuse(field, "expected a list"),
        };
        if !(least..=most).contains(&items.len()) {
            return problems.refuse(field, format!("expected a list of {least} to {most}"));
        }
        let count = items.len();
        let mut read = Vec::with_capacity(count);
        let mut whole = true;
        for (n, value) in items.into_iter().enumerate() {
            match item(problems, &format!("{field}[{n}]"), value) {
                Some(item) if read.contains(&item) => {}
                Some(item) => read.push(item),
                None => whole = false,
            }
        }
        whole.then_some(read)
    }
}

/// A text that is needed in English, of `least` to `most` characters in each language.
pub fn localised(least: usize, most: usize) -> impl Fn(&mut Problems, &str, Value) -> Option<LocalisedText> {
    move |problems, field, value| {
        let mut given = match value {
            Value::Object(given) => given,
            Value::Null if least == 0 => Map::new(),
            _ => return problems.refuse(field, "expected an object with en-IN, and hi-IN and te-IN where there are"),
        };
        let [english, hindi, telugu] = LANGUAGES.map(|language| {
            let least = if language == LANGUAGES[0] { least } else { 0 };
            text(least, most)(problems, &format!("{field}.{language}"), given.remove(language).unwrap_or(Value::Null))
        });
        for other in given.keys().take(5) {
            let other: String = other.chars().take(60).collect();
            problems.refuse::<()>(format!("{field}.{other}"), "expected en-IN, hi-IN or te-IN");
        }
        match given.is_empty() {
            true => Some(LocalisedText { english: english?, hindi: hindi?, telugu: telugu? }),
            false => None,
        }
    }
}

/// True or false; null is false.
pub fn truth(problems: &mut Problems, field: &str, value: Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(truth),
        Value::Null => Some(false),
        _ => problems.refuse(field, "expected true or false"),
    }
}

/// A whole number from `least` to `most`.
pub fn whole(least: u64, most: u64) -> impl Fn(&mut Problems, &str, Value) -> Option<u64> {
    move |problems, field, value| match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Some(number),
        _ => problems.refuse(field, format!("expected a whole number from {least} to {most}")),
    }
}

/// A name in addresses: 1 to 40 lower-case letters, digits and hyphens, none of them at an end.
pub fn slug(problems: &mut Problems, field: &str, value: Value) -> Option<String> {
    match value {
        Value::String(text) if is_slug(&text) => Some(text),
        _ => problems.refuse(field, "expected 1 to 40 lower-case letters, digits and hyphens between them"),
    }
}

/// Whether a text is what [`slug`] takes.
pub fn is_slug(text: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(sane) && !text.starts_with('-') && !text.ends_with('-')
}
