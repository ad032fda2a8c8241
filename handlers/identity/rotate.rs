//! The next document of signing keys, made from the present one.

use chrono::{DateTime, Duration, Utc};

use super::key_set::{Entry, KeySetDocument};
use super::{KeySet, KeySetError, KeyState, SigningKeys};
use crate::error::{Error, Result};
use crate::ports::secrets::Secret;

/// How long a key is published before it signs: longer than a verifier keeps the key set of before
/// (`Cache-Control` of the JWKS: 5 minutes) and than instances take to read a changed secret (5 minutes).
pub const STANDBY_TIME: Duration = Duration::minutes(15);
/// How long keys are kept that sign no more; their last token has expired long before.
const KEPT: Duration = Duration::days(1);

/// What becomes of the key that signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// It goes on to verify what it signed.
    Retire,
    /// It has leaked: what it signed is refused at once.
    Revoke,
}

/// The next document, and what it says without its secrets: the states and names of its keys.
pub struct Rotated {
    pub document: Secret,
    pub keys: Vec<(KeyState, String)>,
}

/// Makes the next document: the standby key signs, the current one does as `how` says, and a fresh key
/// stands by. Where no key stands by yet, retiring only adds one: no key signs before it was published.
///
/// # Errors
/// When `present` is no set of keys, or its standby key was published less than [`STANDBY_TIME`] before
/// `now` and nothing forces the change.
pub fn rotate(present: &str, how: Rotate, now: DateTime<Utc>) -> Result<Rotated> {
    let is_good = |text: &str| KeySet::parse(&Secret::new(text), "", "").map(drop);
    let wrong = |error: KeySetError| Error::internal(error.to_string());
    is_good(present).map_err(wrong)?;
    let mut keys = KeySetDocument::parse(present).map_err(wrong)?.keys;
    let of = |keys: &[Entry], state| keys.iter().position(|entry| entry.state == state);
    let standby = of(&keys, KeyState::Standby);
    if let Some(since) = standby.and_then(|standby| keys[standby].since)
        && how == Rotate::Retire
        && since + STANDBY_TIME > now
    {
        let from = (since + STANDBY_TIME).to_rfc3339();
        return Err(Error::internal(format!("the standby key is not known to all verifiers before {from}")));
    }
    if standby.is_some() || how == Rotate::Revoke {
        if let Some(current) = of(&keys, KeyState::Current) {
            let becomes = if how == Rotate::Revoke { KeyState::Revoked } else { KeyState::Previous };
            (keys[current].state, keys[current].since) = (becomes, Some(now));
        }
        match standby {
            Some(standby) => (keys[standby].state, keys[standby].since) = (KeyState::Current, Some(now)),
            None => keys.push(fresh(KeyState::Current, now)?),
        }
    }
    for entry in &mut keys {
        entry.since.get_or_insert(now);
    }
    let is_over = |state| matches!(state, KeyState::Previous | KeyState::Revoked);
    keys.retain(|entry| !is_over(entry.state) || entry.since.is_none_or(|since| since + KEPT > now));
    if of(&keys, KeyState::Standby).is_none() {
        keys.push(fresh(KeyState::Standby, now)?);
    }
    told(KeySetDocument { keys })
}

fn fresh(state: KeyState, now: DateTime<Utc>) -> Result<Entry> {
    let key = super::fresh_signing_key()?.expose().to_owned();
    Ok(Entry { state, key, since: Some(now) })
}

fn told(document: KeySetDocument) -> Result<Rotated> {
    let name = |entry: &Entry| {
        let keys = SigningKeys::from_secret(&Secret::new(entry.key.clone()), "", "")?;
        Ok((entry.state, keys.kid().to_owned()))
    };
    let keys = document.keys.iter().map(name).collect::<Result<_>>()?;
    Ok(Rotated { document: Secret::new(serde_json::to_string_pretty(&document).map_err(Error::internal)?), keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(rotated: &Rotated) -> Vec<KeyState> {
        rotated.keys.iter().map(|(state, _)| *state).collect()
    }

    fn name(rotated: &Rotated, state: KeyState) -> String {
        rotated.keys.iter().find(|(found, _)| *found == state).unwrap().1.clone()
    }

    #[test]
    fn a_key_alone_becomes_a_document_and_the_walk_goes_on_from_there() {
        let mut now = Utc::now();
        let alone = crate::identity::fresh_signing_key().unwrap();
        let first = rotate(alone.expose(), Rotate::Retire, now).unwrap();
        assert_eq!(states(&first), [KeyState::Current, KeyState::Standby]);
        assert!(first.document.expose().contains(alone.expose()), "the key that signs goes on");

        assert!(rotate(first.document.expose(), Rotate::Retire, now + STANDBY_TIME - Duration::seconds(1)).is_err());
        now += STANDBY_TIME;
        let second = rotate(first.document.expose(), Rotate::Retire, now).unwrap();
        assert_eq!(states(&second), [KeyState::Previous, KeyState::Current, KeyState::Standby]);
        assert_eq!(name(&second, KeyState::Current), name(&first, KeyState::Standby));
        assert_eq!(name(&second, KeyState::Previous), name(&first, KeyState::Current));

        now += KEPT;
        let third = rotate(second.document.expose(), Rotate::Retire, now).unwrap();
        assert_eq!(states(&third), [KeyState::Previous, KeyState::Current, KeyState::Standby]);
        assert_eq!(name(&third, KeyState::Previous), name(&second, KeyState::Current));
    }

    #[test]
    fn a_leaked_key_is_revoked_at_once_with_or_without_another_standing_by() {
        let now = Utc::now();
        let alone = crate::identity::fresh_signing_key().unwrap();
        let first = rotate(alone.expose(), Rotate::Revoke, now).unwrap();
        assert_eq!(states(&first), [KeyState::Revoked, KeyState::Current, KeyState::Standby]);
        let second = rotate(first.document.expose(), Rotate::Revoke, now).unwrap();
        assert_eq!(name(&second, KeyState::Current), name(&first, KeyState::Standby));
        assert_eq!(states(&second).iter().filter(|state| **state == KeyState::Revoked).count(), 2);
        assert!(rotate("nonsense", Rotate::Revoke, now).is_err());
    }
}
