//! The words of a review: what may be sent, and what makes somebody look at it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::Rating;
use crate::error::{Error, FieldError, Result};

const MAX_NAME_CHARS: usize = 100;
const MAX_TITLE_CHARS: usize = 120;
const MAX_CONTENT_CHARS: usize = 4000;
/// What is shown where there is no name to show.
const NAMELESS: &str = "Customer";

/// Endings of names on the web that are meant in a text; it need not be all.
const DOMAINS: [&str; 16] = [
    "com", "in", "net", "org", "info", "biz", "shop", "store", "online", "site", "xyz", "co", "io", "me", "app", "link",
];
/// Digits of a phone number at least, without a country's.
const PHONE_DIGITS: usize = 10;

/// Why somebody has to look at a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReviewFlag {
    /// It names an address on the web.
    Link,
    /// It names an email address.
    Email,
    /// It holds a number that may be a telephone's.
    Phone,
}

/// What the storefront sends. Its `productId` and `email` are passed over: the address and the token say both.
#[derive(Deserialize, ToSchema)]
pub(super) struct ReviewRequest {
    /// The name to be shown; the account's first name where there is none, or where it is an address.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Stars.
    #[schema(value_type = u8, minimum = 1, maximum = 5)]
    rating: Rating,
    #[schema(max_length = 120)]
    title: Option<String>,
    #[schema(min_length = 1, max_length = 4000)]
    content: String,
}

/// The same, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    name: Option<String>,
    pub rating: Rating,
    pub title: String,
    pub content: String,
}

impl Words {
    /// # Errors
    /// The fields that are too long, empty, or hold characters of control.
    pub fn of(asked: ReviewRequest) -> Result<Self> {
        let ReviewRequest { name, rating, title, content } = asked;
        let title = title.unwrap_or_default().trim().to_owned();
        let content = content.replace("\r\n", "\n").trim().to_owned();
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let mut problems = Vec::new();
        let mut check = |field: &str, text: &str, least: usize, most: usize, lines: bool| {
            let message = if !(least..=most).contains(&text.chars().count()) {
                format!("expected {least} to {most} characters")
            } else if text.chars().any(|c| !(is_plain(c) || lines && matches!(c, '\n' | '\t'))) {
                "expected text without characters of control".to_owned()
            } else {
                return;
            };
            problems.push(FieldError { field: field.to_owned(), message });
        };
        check("name", name.as_deref().unwrap_or_default(), 0, MAX_NAME_CHARS, false);
        check("title", &title, 0, MAX_TITLE_CHARS, false);
        check("content", &content, 1, MAX_CONTENT_CHARS, true);
        if problems.is_empty() { Ok(Self { name, rating, title, content }) } else { Err(Error::fields(problems)) }
    }

    /// The name that is shown: the one that was given, or the account's first name; never an address.
    pub fn author(&self, first_name: &str) -> String {
        let names = [self.name.as_deref().unwrap_or_default(), first_name.trim()];
        let shown = names.into_iter().find(|name| !name.is_empty() && !name.contains('@'));
        shown.unwrap_or(NAMELESS).to_owned()
    }

    /// What in them somebody has to look at, each once.
    pub fn flags(&self, author: &str) -> Vec<ReviewFlag> {
        let text = format!("{author}\n{}\n{}", self.title, self.content).to_lowercase();
        let found = [
            (ReviewFlag::Link, has_link(&text)),
            (ReviewFlag::Email, has_email(&text)),
            (ReviewFlag::Phone, has_phone(&text)),
        ];
        found.into_iter().filter(|(_, found)| *found).map(|(flag, _)| flag).collect()
    }
}

/// Neither a character of control nor one that turns the direction of what follows (UAX #9 §2), behind which a
/// text can look like another. The joiners of Indian scripts are plain.
pub(super) fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '<' | '>' | '"' | '!' | '?'))
}

fn has_link(text: &str) -> bool {
    let is_link = |token: &str| {
        let host = token.split(['/', ':', '#']).next().unwrap_or_default().trim_matches('.');
        let Some((name, end)) = host.rsplit_once('.') else { return false };
        DOMAINS.contains(&end) && !host.contains('@') && name.chars().any(char::is_alphabetic)
    };
    text.contains("://") || text.contains("www.") || tokens(text).any(is_link)
}

fn has_email(text: &str) -> bool {
    let is_address = |(local, domain): (&str, &str)| !local.is_empty() && !domain.trim_matches('.').is_empty();
    tokens(text).filter_map(|token| token.split_once('@')).any(is_address)
}

/// Whether so many digits, of any script, stand together that it may be a telephone's number.
fn has_phone(text: &str) -> bool {
    let mut digits = 0;
    for c in text.chars() {
        match c {
            c if c.is_numeric() => digits += 1,
            ' ' | '-' | '.' | '(' | ')' | '+' => {}
            _ => digits = 0,
        }
        if digits >= PHONE_DIGITS {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(title: &str, content: &str) -> Words {
        let asked = json!({ "rating": 5, "title": title, "content": content, "email": "a@b.example", "productId": 7 });
        Words::of(serde_json::from_value(asked).unwrap()).unwrap()
    }

    #[test]
    fn what_leads_away_from_the_shop_is_flagged() {
        for (text, expected) in [
            ("The zari is lovely, worth Rs. 15,999.", vec![]),
            ("Bought 2 on 15.1.2026; size 38-40, 5.5 m long", vec![]),
            ("Soft.Really soft... and light", vec![]),
            ("రంగు చాలా బాగుంది. धन्यवाद।", vec![]),
            ("follow me @lakshmi", vec![]),
            ("see https://cheap.example/sarees", vec![ReviewFlag::Link]),
            ("cheaper at WWW.Sarees", vec![ReviewFlag::Link]),
            ("cheaper at (my-sarees.co.in).", vec![ReviewFlag::Link]),
            ("ask lakshmi.rao@example.in.", vec![ReviewFlag::Email]),
            ("call +91 98480-22338", vec![ReviewFlag::Phone]),
            ("call ९८४८० २२३३८", vec![ReviewFlag::Phone]),
            ("my-sarees.com, 9848022338, a@b.example", vec![ReviewFlag::Link, ReviewFlag::Email, ReviewFlag::Phone]),
        ] {
            assert_eq!(words("", text).flags("Lakshmi"), expected, "{text}");
            assert_eq!(words(text, "lovely").flags("Lakshmi"), expected, "{text} as a title");
        }
        assert_eq!(words("", "lovely").flags("9848022338"), [ReviewFlag::Phone], "a name is shown too");
    }

    #[test]
    fn a_name_that_is_shown_is_never_an_address() {
        let author = |name: serde_json::Value, first_name: &str| {
            let asked = json!({ "rating": 1, "name": name, "content": "x" });
            Words::of(serde_json::from_value(asked).unwrap()).unwrap().author(first_name)
        };
        assert_eq!(author(json!(" Lakshmi R. "), "Asha"), "Lakshmi R.");
        assert_eq!(author(json!("lakshmi@example.in"), "Lakshmi"), "Lakshmi");
        assert_eq!(author(json!(null), "Lakshmi"), "Lakshmi");
        assert_eq!(author(json!("  "), ""), "Customer");
        assert_eq!(author(json!("a@b.example"), "a@b.example"), "Customer");
    }

    #[test]
    fn bounds_are_told_field_by_field() {
        let refused = |asked: serde_json::Value| {
            let error = Words::of(serde_json::from_value(asked).unwrap()).unwrap_err();
            error.field_errors().iter().map(|error| error.field.clone()).collect::<Vec<_>>()
        };
        let long = |chars: usize| "x".repeat(chars);
        assert_eq!(refused(json!({ "rating": 1, "content": " \n" })), ["content"]);
        let all = json!({ "rating": 1, "name": long(101), "title": long(121), "content": long(4001) });
        assert_eq!(refused(all), ["name", "title", "content"]);
        for bad in ["a\u{0}b", "a\u{1b}[31m", "a\u{202e}b", "a\u{2066}b", "a\u{85}b"] {
            let all = json!({ "rating": 1, "name": bad, "title": bad, "content": bad });
            assert_eq!(refused(all), ["name", "title", "content"], "{bad:?}");
        }
        assert_eq!(refused(json!({ "rating": 1, "title": "a\nb", "content": "x" })), ["title"]);
        let kept = words("शुभ\u{200d}", "one\r\n\ttwo\n");
        assert_eq!((kept.title.as_str(), kept.content.as_str()), ("शुभ\u{200d}", "one\n\ttwo"));
    }
}
