use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use email_address::EmailAddress;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::identity::Role;
use crate::types::{TenantId, TierId, UserId};

/// What a customer can consent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Keeping recordings and transcripts.
    VoiceStorage,
    /// Using recordings and transcripts to improve recognition.
    Training,
    /// Recording what is looked at and bought.
    Analytics,
}

/// The present state of a consent. Every change of it is kept in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    pub granted: bool,
    /// The version of the text that was agreed to, 1 to 10 characters.
    pub version: String,
    pub at: DateTime<Utc>,
}

/// A customer as stored: partition `(tenant, user)`, kind `user`, its id is the user's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub kind: String,
    pub id: UserId,
    pub email: Email,
    /// PHC string.
    pub password_hash: String,
    pub first_name: String,
    pub last_name: String,
    pub role: Role,
    pub tier: TierId,
    pub active: bool,
    /// Goes up when role, tier or state change: access tokens of a lesser one are void.
    #[serde(default)]
    pub version: u64,
    pub created_at: DateTime<Utc>,
    #[serde(default)]
    pub consents: BTreeMap<Purpose, Consent>,
}

impl User {
    pub const KIND: &'static str = "user";

    /// Whether the customer agrees to a purpose. What was never asked is not agreed to.
    pub fn consents_to(&self, purpose: Purpose) -> bool {
        self.consents.get(&purpose).is_some_and(|consent| consent.granted)
    }
}

/// An email address as accounts are found by: checked, trimmed, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// # Errors
    /// A field error unless it is an address of at most 254 characters (RFC 5321 §4.5.3.1.3).
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim().to_lowercase();
        if text.len() <= 254 && EmailAddress::is_valid(&text) {
            Ok(Self(text))
        } else {
            Err(Error::field("email", "expected an email address"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the claim on this address in the directory: a hash, so that the directory names
    /// nobody.
    pub fn claim_id(&self, tenant: &TenantId) -> String {
        let hash = digest(&SHA256, format!("email\n{tenant}\n{}", self.0).as_bytes());
        format!("email_{}", URL_SAFE_NO_PAD.encode(hash.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_claim_however_the_address_is_typed() {
        let tenant = TenantId::pravis();
        let claim = |text: &str| Email::parse(text).unwrap().claim_id(&tenant);
        assert_eq!(claim(" Lakshmi@Example.IN "), claim("lakshmi@example.in"));
        assert_ne!(
            claim("lakshmi@example.in"),
            Email::parse("lakshmi@example.in").unwrap().claim_id(&"other".parse().unwrap())
        );
        for bad in ["", "lakshmi", "@example.in", "a b@example.in", &format!("{}@example.in", "x".repeat(250))] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }
}
