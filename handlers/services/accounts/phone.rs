use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::types::TenantId;

/// A phone number as accounts are found by, in E.164 (ITU-T E.164 §6.2.1): a plus, and at most 15 digits of
/// country code and number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

impl Phone {
    /// What is typed, with or without spaces, hyphens, dots and brackets. A number without a country code is
    /// one of India: ten digits, perhaps after a 0.
    ///
    /// # Errors
    /// A field error unless it is `+` with 8 to 15 digits; of India a mobile number, which begins with 6 to 9
    /// (National Numbering Plan, DoT 2003), since landlines take no messages.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = || Error::field("phone", "expected a mobile number such as +91 98765 43210");
        if text.chars().count() > 40 {
            return Err(refused());
        }
        let typed: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let (international, digits) = match typed.strip_prefix('+').or_else(|| typed.strip_prefix("00")) {
            Some(digits) => (true, digits),
            None => (false, typed.strip_prefix('0').unwrap_or(&typed)),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        let number = if international { digits.to_owned() } else { format!("91{digits}") };
        let fits = match number.strip_prefix("91") {
            Some(national) => national.len() == 10 && matches!(national.as_bytes()[0], b'6'..=b'9'),
            None => (8..=15).contains(&number.len()) && !number.starts_with('0'),
        };
        if fits { Ok(Self(format!("+{number}"))) } else { Err(refused()) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number for its owner's eyes: all but the country code's first and the last two digits hidden.
    pub fn hint(&self) -> String {
        let last = &self.0[self.0.len() - 2..];
        format!("{}…{last}", &self.0[..3])
    }

    /// The id of the claim on this number in the directory. Numbers are few enough to be tried one by one, so
    /// unlike that of an address this hash hides it from glances only.
    pub fn claim_id(&self, tenant: &TenantId) -> String {
        let hash = digest(&SHA256, format!("phone\n{tenant}\n{}", self.0).as_bytes());
        format!("phone_{}", URL_SAFE_NO_PAD.encode(hash.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_typed() {
        for text in
            ["+919876543210", "+91 98765 43210", "9876543210", "098765-43210", "0091 9876543210", " (+91) 98765.43210 "]
        {
            assert_eq!(Phone::parse(text).unwrap().as_str(), "+919876543210", "{text}");
        }
        assert_eq!(Phone::parse("+44 7700 900123").unwrap().as_str(), "+447700900123");
        assert_eq!(Phone::parse("+1 (202) 555-0143").unwrap().hint(), "+12…43");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = "9".repeat(50);
        for text in [
            "",
            "+",
            "12345",
            "+91 1234567890",
            "+91 98765 4321",
            "5876543210",
            "+0123456789",
            "+1234567890123456",
            "98765a3210",
            "९८७६५४३२१०",
            "a@b.example",
            &long,
        ] {
            assert!(Phone::parse(text).is_err(), "{text}");
        }
    }
}
