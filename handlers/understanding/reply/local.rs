//! Replies in Hindi and Telugu. What is done and what is asked back is decided once, in English; here it is only
//! worded anew, from the same facts. Values are named as the lexicon spells them first in that language.

mod hindi;
mod telugu;

use super::found::{Found, ProductFacts};
use super::speech::Speech;
use super::{Action, NAMED, Reply};
use crate::types::{Language, Paise};
use crate::understanding::Understood;
use crate::understanding::lexicon::LEXICON;

/// A reply in the language of the answer.
pub(super) fn spoken(reply: Reply, understood: &Understood, found: &Found) -> Reply {
    let told = Told { understood, found, reply: &reply };
    let (speech, suggest): (Speech, fn(&str) -> Option<&'static str>) = match understood.language {
        Language::English => return reply,
        Language::Hindi => (hindi::speech(&told), hindi::suggestion),
        Language::Telugu => (telugu::speech(&told), telugu::suggestion),
    };
    let suggestions =
        reply.suggestions.iter().map(|text| suggest(text).map_or_else(|| text.clone(), str::to_owned)).collect();
    Reply { text: speech.text(), ssml: speech.ssml(), suggestions, ..reply }
}

/// A question for confirmation in a language. What to say stays in English, which is understood in any.
pub(super) fn asked(reply: Reply, language: Language) -> Reply {
    let say = reply.suggestions.first().map_or("", String::as_str);
    let speech = match language {
        Language::English => return reply,
        Language::Hindi => hindi::confirm(say),
        Language::Telugu => telugu::confirm(say),
    };
    Reply { text: speech.text(), ssml: speech.ssml(), ..reply }
}

/// What a reply tells of.
struct Told<'a> {
    understood: &'a Understood,
    found: &'a Found,
    /// The same in English.
    reply: &'a Reply,
}

impl Told<'_> {
    fn action(&self) -> &Action {
        &self.reply.action
    }

    /// The names of the first products.
    fn names(&self) -> Vec<&str> {
        self.found.products.iter().take(NAMED).map(|product| product.name.as_str()).collect()
    }

    fn target(&self) -> &str {
        self.found.target.as_ref().map_or("", |product| product.name.as_str())
    }

    fn facts(&self) -> Option<&ProductFacts> {
        self.found.facts.as_ref()
    }
}

/// How a language (`hi`, `te`) calls a value; the value itself where the lexicon does not say.
fn word(kind: &str, value: &str, language: &str) -> String {
    let entry = LEXICON.of_kind(kind).find(|entry| entry.value == value);
    let spelling = entry.and_then(|entry| entry.spellings.get(language)?.first().copied());
    spelling.unwrap_or(value).to_owned()
}

fn words(kind: &str, values: &[String], language: &str) -> Vec<String> {
    values.iter().map(|value| word(kind, value, language)).collect()
}

/// An amount in digits, grouped as in India: `1,50,000`; voices read it out.
fn rupees(amount: Paise) -> String {
    let digits = (amount.0 / 100).to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    let mut grouped = String::with_capacity(digits.len() + 4);
    for (index, digit) in head.chars().enumerate() {
        if index > 0 && (head.len() - index).is_multiple_of(2) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let comma = if head.is_empty() { "" } else { "," };
    let paise = amount.0 % 100;
    if paise == 0 { format!("{grouped}{comma}{tail}") } else { format!("{grouped}{comma}{tail}.{paise:02}") }
}

#[cfg(test)]
mod tests;
