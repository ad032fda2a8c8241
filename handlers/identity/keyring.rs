//! The keys that sign and verify access tokens, and how they follow the secret they are kept in.
//!
//! When the secret changes, the key that is current by it signs at once, and the former one verifies for as
//! long as a token of its may live, unless it is revoked. A secret that is no set of keys leaves the last
//! good ones. Other instances may be ahead: a token of a key that is not known here has the
//! secret read anew, for all who bring such tokens together and only so often.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ring::{Ring, verified_for};
use super::{AccessToken, KeySet, KeySetError, Principal, SigningKeys, TokenError};
use crate::error::{Code, Error, Result};
use crate::ports::PortResult;
use crate::ports::clock::Clock;
use crate::ports::secrets::{Secret, Secrets};

/// Between two readings that tokens of unknown keys ask for.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(2);
/// How long such a token waits for the reading.
const UNKNOWN_KEY_PATIENCE: Duration = Duration::from_secs(4);
/// Tokens of unknown keys that wait at once; the others are not valid.
const UNKNOWN_KEYS_WAITING: usize = 256;
/// How often the secret is looked at without any sign of a change.
const PERIOD: Duration = Duration::from_secs(60);
/// After a failure; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Attempts to learn of the former key after a start; the store may not let it be read at all.
const MAX_RECALLS: u32 = 10;
/// What those are told who come before the keys.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Where signing keys come from and how they are used.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The name of the secret, which [`KeySet::parse`] reads.
    pub secret: String,
    pub issuer: String,
    pub audience: String,
    /// How long other instances may go on to sign with a key after it was replaced.
    pub overlap: chrono::Duration,
}

/// The keys of the moment.
pub struct KeyRing {
    keys: Arc<Keys>,
    /// Follows the secret until this value is dropped.
    _follower: JoinSet<()>,
}

struct Keys {
    ring: RwLock<Arc<Ring>>,
    /// Whether the keys are those of a secret that can change.
    follows: bool,
    readings: watch::Sender<Readings>,
    unknown_key: Notify,
    waiting: Semaphore,
}

/// Counts of how often the store was asked anew; what it was last known to hold does not count.
#[derive(Clone, Copy, Default)]
struct Readings {
    begun: u64,
    ended: u64,
    last_failed: bool,
}

impl KeyRing {
    /// Keys that stay.
    pub fn fixed(keys: impl Into<KeySet>) -> Self {
        let ring = Ring::empty().rotated(keys.into(), chrono::Duration::zero(), DateTime::UNIX_EPOCH);
        Self { keys: Arc::new(Keys::new(ring, false)), _follower: JoinSet::new() }
    }

    /// Keys that are read in the background and follow their secret; see [`KeyRing::ready`]. To be called
    /// within a Tokio runtime.
    pub fn follow(secrets: Arc<dyn Secrets>, rotation: Rotation, clock: Arc<dyn Clock>) -> Self {
        let keys = Arc::new(Keys::new(Ring::empty(), true));
        let follower =
            Follower { keys: keys.clone(), secrets, rotation, clock, seen: None, refusal: None, recalls: MAX_RECALLS };
        let mut tasks = JoinSet::new();
        tasks.spawn(follower.run());
        Self { keys, _follower: tasks }
    }

    /// Whether tokens can be signed and verified.
    pub fn ready(&self) -> bool {
        self.current().is_some()
    }

    /// The keys that sign, if they are there yet.
    pub fn current(&self) -> Option<Arc<SigningKeys>> {
        self.keys.ring().current.clone()
    }

    /// Signs a token for `principal`, good for 15 minutes from `now`.
    ///
    /// # Errors
    /// `Unavailable` until the keys are there.
    pub fn sign(&self, principal: &Principal, now: DateTime<Utc>) -> Result<AccessToken> {
        self.current().ok_or_else(not_ready)?.sign(principal, now)
    }

    /// Who a token speaks for at `now`, by the keys that are known.
    ///
    /// # Errors
    /// Why it is not accepted; `UnknownKey` when another instance may know better.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        self.keys.ring().verify(token, now)
    }

    /// The same, after the secret was read again where that can help.
    ///
    /// # Errors
    /// Why the token is not accepted; `NotReady` when that cannot be told now.
    pub async fn authenticate(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        match self.verify(token, now) {
            Err(TokenError::UnknownKey) if self.keys.follows => self.keys.read_again().await?,
            Err(TokenError::UnknownKey) => return Err(TokenError::Invalid),
            outcome => return outcome,
        }
        self.verify(token, now).map_err(|error| match error {
            TokenError::UnknownKey => TokenError::Invalid,
            other => other,
        })
    }

    /// The public keys that verify tokens at `now`, as a JWK set (RFC 7517 §5).
    ///
    /// # Errors
    /// `Unavailable` until the keys are there.
    pub fn jwks(&self, now: DateTime<Utc>) -> Result<Value> {
        let ring = self.keys.ring();
        ring.current.as_ref().ok_or_else(not_ready)?;
        Ok(ring.jwks(now))
    }
}

/// What a caller is told while the keys are not there.
pub fn not_ready() -> Error {
    Error::new(Code::Unavailable, "Sign-in is not available at this moment; please try again.")
        .with_retry_after(RETRY_AFTER)
}

impl Keys {
    fn new(ring: Ring, follows: bool) -> Self {
        Self {
            ring: RwLock::new(Arc::new(ring)),
            follows,
            readings: watch::Sender::new(Readings::default()),
            unknown_key: Notify::new(),
            waiting: Semaphore::new(UNKNOWN_KEYS_WAITING),
        }
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    /// Waits for a reading of the secret that begins after this call.
    async fn read_again(&self) -> Result<(), TokenError> {
        let _place = self.waiting.try_acquire().map_err(|_| TokenError::Invalid)?;
        let mut readings = self.readings.subscribe();
        let next = readings.borrow().begun + 1;
        self.unknown_key.notify_one();
        let ended = readings.wait_for(|readings| readings.ended >= next);
        match tokio::time::timeout(UNKNOWN_KEY_PATIENCE, ended).await {
            Ok(Ok(readings)) if !readings.last_failed => Ok(()),
            _ => Err(TokenError::NotReady),
        }
    }
}

/// Keeps the keys those of the secret.
struct Follower {
    keys: Arc<Keys>,
    secrets: Arc<dyn Secrets>,
    rotation: Rotation,
    clock: Arc<dyn Clock>,
    /// What was last read, be it a key or not.
    seen: Option<Secret>,
    /// What is wrong with it.
    refusal: Option<KeySetError>,
    /// Attempts left to learn of the key that was replaced before the start.
    recalls: u32,
}

impl Follower {
    async fn run(mut self) {
        let mut changes = self.secrets.changes();
        let (mut anew, mut earliest, mut pause) = (false, Instant::now(), FIRST_PAUSE);
        loop {
            changes.mark_unchanged();
            let good = if anew { self.read_anew().await } else { self.read(false).await };
            let delay = if good { PERIOD } else { pause };
            pause = if good { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            anew = tokio::select! {
                () = changed(&mut changes) => false,
                () = self.keys.unknown_key.notified() => true,
                () = tokio::time::sleep(delay) => false,
            };
            if anew {
                tokio::time::sleep_until(earliest).await;
                earliest = Instant::now() + UNKNOWN_KEY_PAUSE;
            }
        }
    }

    /// Reads the secret for those who wait in [`Keys::read_again`].
    async fn read_anew(&mut self) -> bool {
        self.keys.readings.send_modify(|readings| readings.begun += 1);
        let good = self.read(true).await;
        self.keys.readings.send_modify(|readings| {
            readings.ended = readings.begun;
            readings.last_failed = !good;
        });
        good
    }

    /// Reads the secret once; tells whether the keys are all that it gives.
    async fn read(&mut self, anew: bool) -> bool {
        let name = self.rotation.secret.clone();
        let read = if anew { self.secrets.fresh(&name).await } else { self.secrets.get(&name).await };
        match self.take(read) {
            Ok(()) => self.recall(&name).await,
            Err(problem) => {
                tracing::error!(secret = name, problem, "signing keys not read; the last good ones stay");
                false
            }
        }
    }

    /// Takes up what was read.
    fn take(&mut self, read: PortResult<Option<Secret>>) -> Result<(), String> {
        let secret = read.map_err(|error| error.to_string())?.ok_or("there is no such secret")?;
        let ring = self.keys.ring();
        if self.seen.as_ref() == Some(&secret) {
            return self.refusal.map_or(Ok(()), |refusal| Err(refusal.to_string()));
        }
        let keys = self.parse(&secret);
        self.seen = Some(secret);
        self.refusal = keys.as_ref().err().copied();
        let keys = keys.map_err(|error| error.to_string())?;
        tracing::info!(kid = keys.current.kid(), others = keys.verifying.len(), "signing keys taken up");
        self.keys.replace(ring.rotated(keys, self.rotation.overlap, self.clock.now()));
        Ok(())
    }

    /// After a start: takes up the key whose tokens are still about. Tells whether there is nothing more to
    /// learn.
    async fn recall(&mut self, name: &str) -> bool {
        if self.recalls == 0 {
            return true;
        }
        self.recalls -= 1;
        let former = match self.secrets.replaced(name).await {
            Ok(former) => former,
            Err(error) => {
                tracing::warn!(%error, attempts_left = self.recalls, "the former signing key cannot be read");
                return self.recalls == 0;
            }
        };
        self.recalls = 0;
        if let Some(former) = former
            && let until = former.at + verified_for(self.rotation.overlap)
            && until > self.clock.now()
            && let Ok(keys) = self.parse(&former.value)
        {
            self.keys.replace(self.keys.ring().with_former(keys.current, until));
        }
        true
    }

    fn parse(&self, secret: &Secret) -> Result<KeySet, KeySetError> {
        KeySet::parse(secret, &self.rotation.issuer, &self.rotation.audience)
    }
}

/// A store whose secrets never change has nothing to tell.
async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
