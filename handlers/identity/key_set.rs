//! The signing keys as an operator keeps them in the secret store: one private key alone, or a document
//! that says of each key what state it is in.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::SigningKeys;
use crate::ports::secrets::Secret;

const MAX_KEYS: usize = 16;

/// What a key of the document is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Signs next: published before, so that every verifier knows it by then.
    Standby,
    /// Signs and verifies.
    Current,
    /// Signed before: verifies what it signed.
    Previous,
    /// Verifies nothing any more, also what is not expired.
    Revoked,
}

/// Why a secret is no set of keys. None of these quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("it is neither a key (PKCS #8 in base64) nor a key set document")]
    NoKeys,
    #[error("the key set document is malformed at line {line}, column {column}")]
    Malformed { line: usize, column: usize },
    #[error("key {0} of the document is no Ed25519 key (PKCS #8 in base64)")]
    NoKey(usize),
    #[error("keys {0} and {1} of the document are the same")]
    Twice(usize, usize),
    #[error("{0} keys of the document are current, and exactly one must be")]
    Currents(usize),
    #[error("the document holds {0} keys, and at most {MAX_KEYS} are allowed")]
    TooMany(usize),
}

/// The document: `{ "keys": [ { "state": …, "key": …, "since": … } ] }`. It has no `Debug`, so that it
/// cannot be logged by accident.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySetDocument {
    pub keys: Vec<Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub state: KeyState,
    /// In the form of [`super::fresh_signing_key`].
    pub key: String,
    /// When it came into this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

impl KeySetDocument {
    /// Reads what the secret store keeps; a key alone is one that is current.
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        let text = text.trim();
        if !text.starts_with('{') {
            let key = Entry { state: KeyState::Current, key: text.to_owned(), since: None };
            return Ok(Self { keys: vec![key] });
        }
        // The message of the parser may quote the secret, its place does not.
        let place = |error: serde_json::Error| KeySetError::Malformed { line: error.line(), column: error.column() };
        serde_json::from_str(text).map_err(place)
    }
}

/// Keys that are good to use.
pub struct KeySet {
    pub(super) current: SigningKeys,
    /// Standby and previous keys, with the time since when they sign no more.
    pub(super) verifying: Vec<(SigningKeys, Option<DateTime<Utc>>)>,
    /// By their names; `None` where nothing is said of other keys.
    pub(super) revoked: Option<BTreeSet<String>>,
}

impl From<SigningKeys> for KeySet {
    fn from(current: SigningKeys) -> Self {
        Self { current, verifying: Vec::new(), revoked: None }
    }
}

impl KeySet {
    /// Reads the secret.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(secret: &Secret, issuer: &str, audience: &str) -> Result<Self, KeySetError> {
        let is_document = secret.expose().trim_start().starts_with('{');
        let document = KeySetDocument::parse(secret.expose())?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(document.keys.len()));
        }
        let (mut names, mut current, mut verifying) = (Vec::new(), Vec::new(), Vec::new());
        let mut revoked = BTreeSet::new();
        for (position, entry) in document.keys.into_iter().enumerate() {
            let keys = SigningKeys::from_secret(&Secret::new(entry.key), issuer, audience);
            let wrong = if is_document { KeySetError::NoKey(position + 1) } else { KeySetError::NoKeys };
            let keys = keys.map_err(|_| wrong)?;
            let name = keys.kid().to_owned();
            if let Some(first) = names.iter().position(|known| *known == name) {
                return Err(KeySetError::Twice(first + 1, position + 1));
            }
            names.push(name.clone());
            match entry.state {
                KeyState::Current => current.push(keys),
                KeyState::Standby => verifying.push((keys, None)),
                KeyState::Previous => verifying.push((keys, entry.since)),
                KeyState::Revoked => drop(revoked.insert(name)),
            }
        }
        match (current.pop(), current.len()) {
            (Some(current), 0) => Ok(Self { current, verifying, revoked: is_document.then_some(revoked) }),
            (last, others) => Err(KeySetError::Currents(others + usize::from(last.is_some()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::identity::fresh_signing_key;

    fn key() -> String {
        fresh_signing_key().unwrap().expose().to_owned()
    }

    fn parse(document: &Value) -> Result<KeySet, KeySetError> {
        KeySet::parse(&Secret::new(document.to_string()), "https://issuer", "pravis")
    }

    #[test]
    fn each_key_is_put_to_its_use() {
        let set = parse(&json!({ "keys": [
            { "state": "previous", "key": key(), "since": "2026-01-15T06:30:00Z" },
            { "state": "current", "key": key() },
            { "state": "standby", "key": key() },
            { "state": "revoked", "key": key() },
        ] }))
        .unwrap();
        assert_eq!(set.verifying.iter().map(|(_, since)| since.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(set.revoked.unwrap().len(), 1);
        let alone = KeySet::parse(&Secret::new(key()), "https://issuer", "pravis").unwrap();
        assert!(alone.verifying.is_empty() && alone.revoked.is_none());
    }

    #[test]
    fn what_is_no_set_of_keys_is_refused_without_quoting_it() {
        let (one, other) = (key(), key());
        let entry = |state: &str, key: &str| json!({ "state": state, "key": key });
        let many: Vec<Value> = (0..17).map(|_| entry("standby", &one)).collect();
        for (document, expected) in [
            (json!({ "keys": [] }), KeySetError::Currents(0)),
            (json!({ "keys": [entry("standby", &one)] }), KeySetError::Currents(0)),
            (json!({ "keys": [entry("current", &one), entry("current", &other)] }), KeySetError::Currents(2)),
            (json!({ "keys": [entry("current", &one), entry("revoked", &one)] }), KeySetError::Twice(1, 2)),
            (json!({ "keys": [entry("current", &one), entry("standby", "c2VjcmV0")] }), KeySetError::NoKey(2)),
            (json!({ "keys": many }), KeySetError::TooMany(17)),
        ] {
            assert_eq!(parse(&document).err(), Some(expected));
        }
        for malformed in ["{", "{}", r#"{"keys":[{"state":"retired","key":"hush"}]}"#, r#"{"keys":[{"state":"hush"}]}"#]
        {
            let error = KeySet::parse(&Secret::new(malformed), "i", "a").err().unwrap();
            assert!(matches!(error, KeySetError::Malformed { .. }) && !error.to_string().contains("hush"), "{error}");
        }
        assert_eq!(KeySet::parse(&Secret::new("hush"), "i", "a").err(), Some(KeySetError::NoKeys));
    }
}
