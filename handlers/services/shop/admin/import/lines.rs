//! What a file of products says, line by line, before any rule of products is asked. Each line is a form as the
//! product's own endpoints take it; cells of CSV are put into the same form.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Code, Error, FieldError, Result};
use crate::services::shop::admin::draft::Draft;

/// Lines of a file at most.
pub const MOST_LINES: usize = 5_000;

/// One line of a file: its number, and its form or why it has none.
pub struct Line {
    /// From 1: of the text, or the position in a JSON array.
    pub number: u64,
    pub form: Result<Map<String, Value>, FieldError>,
}

impl Line {
    /// A line that cannot be read as a form.
    pub fn unreadable(number: u64, message: impl Into<String>) -> Self {
        Self { number, form: Err(FieldError { field: String::new(), message: message.into() }) }
    }
}

/// The lines of a JSON array of objects.
///
/// # Errors
/// [`Code::MalformedRequest`] with the place where it is no JSON, [`Code::PayloadTooLarge`] beyond
/// [`MOST_LINES`].
pub fn of_array(body: &[u8]) -> Result<Vec<Line>> {
    let Items(items) = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::new(Code::MalformedRequest, format!("The body is no JSON array at line {line}, column {column}."))
    })?;
    checked(items.len())?;
    Ok((1..).zip(items).map(|(number, item)| Line { number, form: form(item.get()) }).collect())
}

/// The lines of JSON Lines: an object on each, empty ones left out.
///
/// # Errors
/// [`Code::PayloadTooLarge`] beyond [`MOST_LINES`].
pub fn of_json_lines(body: &[u8]) -> Result<Vec<Line>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        checked(lines.len() + 1)?;
        lines.push(match std::str::from_utf8(line) {
            Ok(text) => Line { number, form: form(text) },
            Err(_) => Line::unreadable(number, "the line is not UTF-8"),
        });
    }
    Ok(lines)
}

fn form(text: &str) -> Result<Map<String, Value>, FieldError> {
    let wrong = |message: String| FieldError { field: String::new(), message };
    match serde_json::from_str(text) {
        Ok(Value::Object(form)) => Ok(form),
        Ok(_) => Err(wrong("expected an object".into())),
        Err(error) => Err(wrong(format!("the line is no JSON at column {}", error.column()))),
    }
}

/// # Errors
/// [`Code::PayloadTooLarge`] for more lines than are taken.
pub fn checked(lines: usize) -> Result<()> {
    match lines > MOST_LINES {
        true => Err(Error::new(Code::PayloadTooLarge, format!("A file may have at most {MOST_LINES} lines."))),
        false => Ok(()),
    }
}

/// The items of an array as they are written, one more than is taken at most: an array of very many small ones
/// would take many times its own room.
#[derive(ToSchema)]
#[schema(as = ProductForms, value_type = Vec<Draft>)]
pub struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() <= MOST_LINES {
                        items.push(item);
                    }
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Reading).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[Line]) -> Vec<(u64, bool)> {
        lines.iter().map(|line| (line.number, line.form.is_ok())).collect()
    }

    #[test]
    fn lines_are_numbered_as_they_stand_in_the_file() {
        assert_eq!(told(&of_array(br#"[{"sku":"A"}, 5, {}]"#).unwrap()), [(1, true), (2, false), (3, true)]);
        let lines = b"\xef\xbb\xbf{\"sku\":\"A\"}\r\n\n{\"sku\":\n\xff\n{}";
        assert_eq!(told(&of_json_lines(lines).unwrap()), [(1, true), (3, false), (4, false), (5, true)]);
    }

    #[test]
    fn more_lines_than_are_taken_are_refused() {
        let array = format!("[{}1]", "1,".repeat(MOST_LINES));
        assert_eq!(of_array(array.as_bytes()).err().unwrap().code(), Code::PayloadTooLarge);
        let lines = "{}\n".repeat(MOST_LINES + 1);
        assert_eq!(of_json_lines(lines.as_bytes()).err().unwrap().code(), Code::PayloadTooLarge);
        assert_eq!(of_json_lines("{}\n".repeat(MOST_LINES).as_bytes()).unwrap().len(), MOST_LINES);
        let broken = of_array(b"[{},\n{]").err().unwrap();
        assert_eq!(broken.code(), Code::MalformedRequest);
        assert!(broken.detail().contains("line 2"), "{broken}");
    }
}
