//! API keys: what a program of a partner calls with. Its text is shown once; stored is what it may do and
//! a hash.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, DurationRound, Utc};
use serde::{Deserialize, Serialize};

use super::{Credential, Permission, Principal, Role};
use crate::error::{Error, Result};
use crate::ports::documents::{NewDocument, Ttl};
use crate::types::{ApiKeyId, TenantId, TierId, UserId};

const SECRET_BYTES: usize = 32;
/// What every key begins with, so that scanners of leaked secrets can tell it.
const MARK: &str = "pravis_";
/// How long a key is kept that is good no more.
const KEPT: Duration = Duration::days(90);

/// A key as a program holds it: `pravis_<id>_<secret>`, the ULID of the key and 256 random bits in
/// base64url. It has no `Debug`, so that it cannot be logged by accident.
#[derive(Clone)]
pub struct ApiKeyText {
    pub id: ApiKeyId,
    secret: [u8; SECRET_BYTES],
}

impl ApiKeyText {
    /// A new key.
    ///
    /// # Errors
    /// An internal error when the machine has no randomness.
    pub fn generate() -> Result<Self> {
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret).map_err(Error::internal)?;
        Ok(Self { id: ApiKeyId::generate(), secret })
    }

    /// Whether a bearer token is meant to be a key; an access token never begins so.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(MARK)
    }

    /// The key that a program sends; `None` for a text that can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let (ulid, secret) = text.strip_prefix(MARK)?.split_once('_')?;
        let id = format!("{}{ulid}", ApiKeyId::PREFIX).parse().ok()?;
        Some(Self { id, secret: URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()? })
    }

    /// The text for the program.
    pub fn text(&self) -> String {
        let ulid = &self.id.as_str()[ApiKeyId::PREFIX.len()..];
        format!("{MARK}{ulid}_{}", URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// What is stored of it. A slow hash guards secrets that people choose, of which few enough are likely;
    /// of 256 random bits none can be found by trying.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = [0; SECRET_BYTES];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.secret).as_ref());
        Fingerprint(hash)
    }
}

/// The SHA-256 of a key's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; SECRET_BYTES]);

impl Fingerprint {
    /// The id of the claim that leads from the key to its record.
    pub fn claim_id(&self) -> String {
        format!("apiKey_{}", String::from(*self))
    }

    /// Compares in a time that does not depend on where they differ.
    fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        URL_SAFE_NO_PAD.encode(fingerprint.0)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "expected base64url")?;
        bytes.try_into().map(Self).map_err(|_| "expected 32 bytes")
    }
}

/// Whose a key is, by its fingerprint in the directory.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyClaim {
    pub tenant_id: TenantId,
    pub key_id: ApiKeyId,
}

/// A key as stored: in the partition of its tenant's keys, its id is the key's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    pub kind: String,
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<Permission>,
    pub tier: TierId,
    pub created_at: DateTime<Utc>,
    pub created_by: UserId,
    pub expires_at: Option<DateTime<Utc>>,
    /// To the hour.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked: Option<Revoked>,
    pub fingerprint: Fingerprint,
}

/// When and by whom a key was revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revoked {
    pub at: DateTime<Utc>,
    pub by: UserId,
}

impl ApiKey {
    pub const KIND: &'static str = "apiKey";

    /// Whether it is good at `now`.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.revoked.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether it is the record of the key with this fingerprint.
    pub fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.fingerprint.is(fingerprint)
    }

    /// Notes a use at `now`; `false` when its hour is noted already.
    pub fn used(&mut self, now: DateTime<Utc>) -> bool {
        let hour = now.duration_trunc(Duration::hours(1)).unwrap_or(now);
        let news = self.last_used_at.is_none_or(|last| last < hour);
        if news {
            self.last_used_at = Some(hour);
        }
        news
    }

    /// Who calls with it.
    pub fn principal(&self, tenant: &TenantId) -> Result<Principal> {
        Ok(Principal {
            user: UserId::twin_of(self.id.as_str()).map_err(Error::internal)?,
            tenant: tenant.clone(),
            role: Role::Service,
            tier: self.tier.clone(),
            version: 0,
            credential: Credential::ApiKey { id: self.id.clone(), scopes: self.scopes.clone() },
        })
    }

    /// The document, which goes some time after the key is good no more.
    pub fn document(&self, now: DateTime<Utc>) -> Result<NewDocument> {
        let document = NewDocument::new(self.id.as_str(), self)?;
        let end = self.revoked.as_ref().map(|revoked| revoked.at).or(self.expires_at);
        let Some(end) = end else { return Ok(document) };
        let seconds = (end + KEPT - now).num_seconds().clamp(1, i64::from(i32::MAX));
        Ok(document.with_ttl(Ttl::Seconds(u32::try_from(seconds).map_err(Error::internal)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text_and_from_no_other() {
        for _ in 0..100 {
            let key = ApiKeyText::generate().unwrap();
            let text = key.text();
            let again = ApiKeyText::parse(&text).unwrap();
            assert!(ApiKeyText::is_meant(&text) && again.id == key.id && again.fingerprint() == key.fingerprint());
        }
        let text = ApiKeyText::generate().unwrap().text();
        for bad in ["", "pravis_", "pravis__", "pravis_x_y", &text[1..], &text[..text.len() - 1], &format!("{text}A")] {
            assert!(ApiKeyText::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_use_is_noted_once_an_hour() {
        let text = ApiKeyText::generate().unwrap();
        let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let mut key = ApiKey {
            kind: ApiKey::KIND.into(),
            id: text.id.clone(),
            name: "partner".into(),
            scopes: vec![],
            tier: TierId::FREE,
            created_at: noon,
            created_by: UserId::generate(),
            expires_at: Some(noon + Duration::days(1)),
            last_used_at: None,
            revoked: None,
            fingerprint: text.fingerprint(),
        };
        assert!(key.used(noon + Duration::minutes(10)));
        assert!(!key.used(noon + Duration::minutes(59)));
        assert!(key.used(noon + Duration::minutes(60)));
        assert_eq!(key.last_used_at, Some(noon + Duration::hours(1)));
        assert!(key.is_of(&text.fingerprint()));
        assert!(!key.is_of(&ApiKeyText { secret: [0; 32], ..text }.fingerprint()));
        assert!(key.is_good(noon) && !key.is_good(noon + Duration::days(1)));
        let kept = key.document(noon).unwrap().ttl;
        assert_eq!(kept, Ttl::Seconds(91 * 86_400));
    }
}
