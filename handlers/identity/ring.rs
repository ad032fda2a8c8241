//! The keys of one moment, and the tokens that they were seen to have signed.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use serde_json::{Value, json};

use super::keys::named_key;
use super::{KeySet, Principal, SigningKeys, TokenError};

/// Former keys that are kept although the secret names them no more, however often it changes.
const MAX_FORMER: usize = 8;
/// Tokens that need not be verified again, some 600 bytes each.
const MAX_VERIFIED: u64 = 20_000;

/// The keys of one moment. A ring never changes: another takes its place, and nothing that this one has
/// verified is believed any more.
pub(super) struct Ring {
    pub current: Option<Arc<SigningKeys>>,
    verifying: Vec<Verifying>,
    /// By their names.
    revoked: BTreeSet<String>,
    /// By the hash of the token. Checking a signature costs some fifty microseconds.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

/// A key that verifies and does not sign.
#[derive(Clone)]
struct Verifying {
    keys: Arc<SigningKeys>,
    until: Option<DateTime<Utc>>,
    /// Whether the secret says so; else it did before.
    listed: bool,
}

impl Verifying {
    fn lasts(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// A token that was verified: it is good at the times between.
struct Verified {
    principal: Principal,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Ring {
    pub fn empty() -> Self {
        Self::of(None, Vec::new(), BTreeSet::new())
    }

    fn of(current: Option<Arc<SigningKeys>>, verifying: Vec<Verifying>, revoked: BTreeSet<String>) -> Self {
        // Its own times bound what a token is believed; this bounds how long it takes room.
        let life = (SigningKeys::LIFETIME + SigningKeys::LEEWAY * 2).to_std().unwrap_or_default();
        let verified = Cache::builder().max_capacity(MAX_VERIFIED).time_to_live(life).build();
        Self { current, verifying, revoked, verified }
    }

    /// The ring once `set` is what the secret holds, from `now` on. A key that signed and is named no more
    /// goes on to verify while its tokens live; one that is revoked does not.
    pub fn rotated(&self, set: KeySet, overlap: chrono::Duration, now: DateTime<Utc>) -> Self {
        let KeySet { current, verifying, revoked } = set;
        let says_all = revoked.is_some();
        let revoked = revoked.unwrap_or_else(|| self.revoked.clone());
        let listed = verifying.into_iter().map(|(keys, since)| Verifying {
            keys: Arc::new(keys),
            until: since.map(|since| since + verified_for(overlap)),
            listed: true,
        });
        let mut verifying: Vec<Verifying> = listed.filter(|key| key.lasts(now)).collect();
        let retired_until = now + verified_for(overlap);
        let retired = self.current.iter().cloned().map(|keys| (keys, retired_until));
        let before = self.verifying.iter().filter(|key| key.lasts(now) && !(key.listed && says_all));
        let before =
            before.map(|key| (key.keys.clone(), key.until.map_or(retired_until, |until| until.min(retired_until))));
        let mut former = 0;
        for (keys, until) in retired.chain(before) {
            let kid = keys.kid();
            let named = current.kid() == kid || verifying.iter().any(|key| key.keys.kid() == kid);
            if !named && !revoked.contains(kid) && former < MAX_FORMER {
                former += 1;
                verifying.push(Verifying { keys, until: Some(until), listed: false });
            }
        }
        Self::of(Some(Arc::new(current)), verifying, revoked)
    }

    /// The ring with one more key that verifies, unless it is known or revoked.
    pub fn with_former(&self, keys: SigningKeys, until: DateTime<Utc>) -> Self {
        let mut verifying = self.verifying.clone();
        let known = self.current.iter().chain(verifying.iter().map(|key| &key.keys));
        let known = known.into_iter().any(|known| known.kid() == keys.kid()) || self.revoked.contains(keys.kid());
        if !known && verifying.iter().filter(|key| !key.listed).count() < MAX_FORMER {
            verifying.push(Verifying { keys: Arc::new(keys), until: Some(until), listed: false });
        }
        Self::of(self.current.clone(), verifying, self.revoked.clone())
    }

    /// Who a token speaks for at `now`.
    ///
    /// # Errors
    /// Why it is not accepted; `UnknownKey` when another instance may know better.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        let current = self.current.as_ref().ok_or(TokenError::NotReady)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if let Some(verified) = self.verified.get(&hash)
            && (verified.from..verified.until).contains(&now)
        {
            return Ok(verified.principal.clone());
        }
        let kid = named_key(token).ok_or(TokenError::Invalid)?;
        if self.revoked.contains(&kid) {
            return Err(TokenError::Invalid);
        }
        let (keys, key_until) = if current.kid() == kid {
            (current, None)
        } else {
            let verifying = self.verifying.iter().find(|key| key.keys.kid() == kid && key.lasts(now));
            verifying.map(|key| (&key.keys, key.until)).ok_or(TokenError::UnknownKey)?
        };
        let opened = keys.open(token, now)?;
        let until = key_until.map_or(opened.until, |until| until.min(opened.until));
        let verified = Verified { principal: opened.principal.clone(), from: opened.from, until };
        self.verified.insert(hash, Arc::new(verified));
        Ok(opened.principal)
    }

    /// The public keys that verify tokens at `now`, as a JWK set (RFC 7517 §5), the one that signs first.
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let verifying = self.verifying.iter().filter(|key| key.lasts(now)).map(|key| key.keys.jwk());
        json!({ "keys": self.current.iter().map(|keys| keys.jwk()).chain(verifying).collect::<Vec<_>>() })
    }
}

/// How long a key verifies after it was replaced.
pub(super) fn verified_for(overlap: chrono::Duration) -> chrono::Duration {
    SigningKeys::LIFETIME + SigningKeys::LEEWAY + overlap
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Credential, Role, fresh_signing_key};
    use crate::ports::secrets::Secret;
    use crate::types::{SessionId, TenantId, TierId, UserId};

    fn keys() -> (Secret, SigningKeys) {
        let secret = fresh_signing_key().unwrap();
        let keys = again(&secret);
        (secret, keys)
    }

    fn again(secret: &Secret) -> SigningKeys {
        SigningKeys::from_secret(secret, "https://issuer", "pravis").unwrap()
    }

    fn document(keys: &[(&str, &Secret)]) -> KeySet {
        let keys = keys.iter().map(|(state, key)| json!({ "state": state, "key": key.expose() }));
        let text = json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
        KeySet::parse(&Secret::new(text), "https://issuer", "pravis").unwrap()
    }

    fn kids(ring: &Ring) -> Vec<String> {
        let current = ring.current.iter().map(|keys| keys.kid().to_owned());
        current.chain(ring.verifying.iter().map(|key| key.keys.kid().to_owned())).collect()
    }

    fn principal() -> Principal {
        Principal {
            user: UserId::generate(),
            tenant: TenantId::pravis(),
            role: Role::Customer,
            tier: TierId::FREE,
            version: 0,
            credential: Credential::Session(SessionId::generate()),
        }
    }

    #[test]
    fn a_key_that_comes_back_is_not_there_twice() {
        let ((secret, first), (_, second)) = (keys(), keys());
        let (now, overlap) = (Utc::now(), chrono::Duration::minutes(10));
        let names = [first.kid().to_owned(), second.kid().to_owned()];
        let ring = Ring::empty().rotated(first.into(), overlap, now).rotated(second.into(), overlap, now);
        assert_eq!(kids(&ring), [names[1].clone(), names[0].clone()]);
        let ring = ring.rotated(again(&secret).into(), overlap, now);
        assert_eq!(kids(&ring), names);
        assert_eq!(kids(&ring.with_former(again(&secret), now)), names);
    }

    #[test]
    fn former_keys_go_with_time_and_never_grow_without_bound() {
        let (mut now, overlap) = (Utc::now(), chrono::Duration::minutes(10));
        let mut ring = Ring::empty();
        for _ in 0..20 {
            ring = ring.rotated(keys().1.into(), overlap, now);
        }
        assert_eq!(ring.verifying.len(), MAX_FORMER);
        now += verified_for(overlap);
        assert_eq!(ring.rotated(keys().1.into(), overlap, now).verifying.len(), 1);
    }

    #[test]
    fn the_walk_of_a_key_from_standby_to_revoked() {
        let ((one, first), (two, second)) = (keys(), keys());
        let (now, overlap) = (Utc::now(), chrono::Duration::minutes(10));
        let signed = |keys: &SigningKeys| keys.sign(&principal(), now).unwrap().token;
        let (old, new) = (signed(&first), signed(&second));
        let standby = Ring::empty().rotated(document(&[("current", &one), ("standby", &two)]), overlap, now);
        // An instance that is ahead may sign with it already.
        assert!(standby.verify(&old, now).is_ok() && standby.verify(&new, now).is_ok());
        assert_eq!(kids(&standby), [first.kid(), second.kid()]);
        let moved = standby.rotated(document(&[("previous", &one), ("current", &two)]), overlap, now);
        assert_eq!(moved.current.as_ref().unwrap().kid(), second.kid());
        assert!(moved.verify(&old, now).is_ok() && moved.verify(&new, now).is_ok());
        let revoked = moved.rotated(document(&[("revoked", &one), ("current", &two)]), overlap, now);
        assert_eq!(revoked.verify(&old, now), Err(TokenError::Invalid), "within its life");
        assert!(revoked.verify(&new, now).is_ok());
        assert_eq!(kids(&revoked), [second.kid()]);
        assert_eq!(kids(&revoked.with_former(first, now + overlap)), [second.kid()], "no way back");
    }

    #[test]
    fn a_key_that_a_document_leaves_out_verifies_while_its_tokens_live() {
        let ((one, first), (two, second), (three, _)) = (keys(), keys(), keys());
        let (now, overlap) = (Utc::now(), chrono::Duration::minutes(10));
        let token = first.sign(&principal(), now).unwrap().token;
        let ring = Ring::empty().rotated(document(&[("current", &one), ("standby", &three)]), overlap, now);
        let ring = ring.rotated(document(&[("current", &two)]), overlap, now);
        assert!(ring.verify(&token, now).is_ok());
        assert_eq!(kids(&ring), [second.kid(), first.kid()], "one that only stood by is gone");
    }

    #[test]
    fn a_verified_token_is_believed_for_its_life_only() {
        let (_, signing) = keys();
        let (now, principal) = (Utc::now(), principal());
        let token = signing.sign(&principal, now).unwrap().token;
        let ring = Ring::empty().rotated(signing.into(), chrono::Duration::zero(), now);
        for _ in 0..2 {
            assert_eq!(ring.verify(&token, now), Ok(principal.clone()));
        }
        ring.verified.run_pending_tasks();
        assert_eq!(ring.verified.entry_count(), 1);
        assert_eq!(ring.verify(&token, now + chrono::Duration::minutes(16)), Err(TokenError::Expired));
        assert_eq!(ring.verify(&token, now - chrono::Duration::minutes(2)), Err(TokenError::Invalid));
        for bad in [&token[..token.len() - 2], "", "a.b.c"] {
            assert!(ring.verify(bad, now).is_err());
        }
        ring.verified.run_pending_tasks();
        assert_eq!(ring.verified.entry_count(), 1, "what is not good takes no room");
    }
}
