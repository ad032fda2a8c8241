//! To whom and where an order goes.

use serde::{Deserialize, Serialize};

/// A name and an address in India, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    pub name: String,
    /// As it was typed: digits with a plus sign in front, spaces and hyphens.
    pub phone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub address_line1: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_line2: Option<String>,
    pub city: String,
    pub state: String,
    /// A PIN code: six digits, the first not 0 (India Post).
    pub postal_code: String,
    /// ISO 3166-1: `IN`.
    pub country: String,
}

/// What is wrong with a field, and what is allowed.
pub type Wrong = (&'static str, String);

/// The same as somebody sent it.
#[derive(Clone, Debug, Default)]
pub struct Sent<'a> {
    pub name: &'a str,
    pub phone: &'a str,
    pub email: &'a str,
    pub address_line1: &'a str,
    pub address_line2: &'a str,
    pub city: &'a str,
    pub state: &'a str,
    pub postal_code: &'a str,
    pub country: &'a str,
}

impl Contact {
    /// # Errors
    /// Every field that breaks its rule.
    pub fn check(sent: &Sent<'_>) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut text = |field, text: &str, least: usize, most: usize| {
            let text = text.trim();
            let chars = text.chars().count();
            if !(least..=most).contains(&chars) || text.chars().any(char::is_control) {
                wrong.push((field, format!("expected {least} to {most} characters, none of control")));
            }
            text.to_owned()
        };
        let contact = Self {
            name: text("name", sent.name, 1, 100),
            phone: text("phone", sent.phone, 8, 20),
            email: Some(text("email", sent.email, 0, 254)).filter(|email| !email.is_empty()),
            address_line1: text("addressLine1", sent.address_line1, 1, 200),
            address_line2: Some(text("addressLine2", sent.address_line2, 0, 200)).filter(|line| !line.is_empty()),
            city: text("city", sent.city, 1, 100),
            state: text("state", sent.state, 1, 100),
            postal_code: sent.postal_code.chars().filter(|c| !c.is_whitespace()).take(20).collect(),
            country: "IN".into(),
        };
        let digits = contact.phone.bytes().filter(u8::is_ascii_digit).count();
        let dialled = contact.phone.trim_start_matches('+').bytes().all(|c| c.is_ascii_digit() || b" -()".contains(&c));
        if !(8..=15).contains(&digits) || !dialled {
            wrong.push(("phone", "expected a phone number of 8 to 15 digits".into()));
        }
        if contact.email.as_ref().is_some_and(|email| !email.trim_matches('@').contains('@')) {
            wrong.push(("email", "expected an email address".into()));
        }
        let pin = contact.postal_code.as_bytes();
        if pin.len() != 6 || !pin.iter().all(u8::is_ascii_digit) || pin[0] == b'0' {
            wrong.push(("postalCode", "expected a PIN code of six digits".into()));
        }
        let country = sent.country.trim();
        if !["", "in", "ind", "india"].contains(&country.to_lowercase().as_str()) {
            wrong.push(("country", "expected IN: the boutique ships within India".into()));
        }
        // What is too short is no phone number either; one word for each field is enough.
        let mut told: Vec<Wrong> = Vec::new();
        for (field, message) in wrong {
            if told.iter().all(|(known, _)| *known != field) {
                told.push((field, message));
            }
        }
        if told.is_empty() { Ok(contact) } else { Err(told) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Sent<'static> {
        Sent {
            name: " Lakshmi Rao ",
            phone: "+91 98480-12345",
            address_line1: "12, Temple Street",
            city: "Hyderabad",
            state: "Telangana",
            postal_code: "500 001",
            ..Sent::default()
        }
    }

    #[test]
    fn an_address_in_india_is_taken() {
        let contact = Contact::check(&Sent { country: "India", ..sent() }).unwrap();
        assert_eq!((contact.name.as_str(), contact.postal_code.as_str()), ("Lakshmi Rao", "500001"));
        assert_eq!((contact.email, contact.country.as_str()), (None, "IN"));
    }

    #[test]
    fn each_bad_field_is_named() {
        let long = "x".repeat(201);
        for (sent, field) in [
            (Sent { name: " ", ..sent() }, "name"),
            (Sent { name: "a\u{0}b", ..sent() }, "name"),
            (Sent { phone: "call me at noon", ..sent() }, "phone"),
            (Sent { phone: "12", ..sent() }, "phone"),
            (Sent { email: "nobody", ..sent() }, "email"),
            (Sent { address_line1: &long, ..sent() }, "addressLine1"),
            (Sent { postal_code: "012345", ..sent() }, "postalCode"),
            (Sent { postal_code: "SW1A 1AA", ..sent() }, "postalCode"),
            (Sent { country: "Nepal", ..sent() }, "country"),
        ] {
            let wrong = Contact::check(&sent).unwrap_err();
            assert_eq!(wrong.iter().map(|(field, _)| *field).collect::<Vec<_>>(), [field]);
        }
        assert_eq!(Contact::check(&Sent::default()).unwrap_err().len(), 6);
    }
}
