use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result};
use crate::ports::secrets::Secret;

/// What a password must be: 8 to 128 characters (NIST SP 800-63B §5.1.1.2 asks for at least 8 and
/// for no rules of composition; the upper bound keeps hashing cheap to refuse).
pub struct PasswordRule;

impl PasswordRule {
    pub const MIN_CHARS: usize = 8;
    pub const MAX_CHARS: usize = 128;

    /// Whether the text may become a password.
    pub fn allows(password: &str) -> bool {
        (Self::MIN_CHARS..=Self::MAX_CHARS).contains(&password.chars().count())
    }

    /// What is hashed of a text that somebody gives as their password: longer ones than there can be are cut,
    /// and match none.
    pub fn cut(given: &str) -> Secret {
        Secret::new(given.chars().take(Self::MAX_CHARS + 1).collect::<String>())
    }
}

/// Who asks for a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Anybody.
    Open,
    /// Who has proved something already: a known device, a session, a mailed token. These never stand behind
    /// strangers.
    Trusted,
}

/// Those who wait in each lane; more are sent away.
const OPEN_QUEUE: usize = 64;
const TRUSTED_QUEUE: usize = 16;
/// How long one waits at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// What those are told who are sent away.
const RETRY_AFTER: Duration = Duration::from_secs(3);

static HASHES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("pravis")
        .u64_counter("pravis.password.hashes")
        .with_description("Password hashes, by lane and whether they were computed or turned away.")
        .build()
});

/// Argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane), off the async threads and only a
/// few at a time, so that a rush of logins neither stalls requests nor eats the memory.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    open: Pool,
    trusted: Pool,
    computed: Arc<AtomicU64>,
}

/// A few that compute and a few more that wait.
#[derive(Clone)]
struct Pool {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Pool {
    fn new(slots: usize, queue: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(slots)), queue: Arc::new(Semaphore::new(queue)) }
    }

    /// A place to compute in; `None` when too many wait, or it takes too long.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let _place = self.queue.try_acquire().ok()?;
        tokio::time::timeout(PATIENCE, self.slots.clone().acquire_owned()).await.ok()?.ok()
    }
}

impl PasswordHasher {
    const MEMORY_KIB: u32 = 19 * 1024;
    const PASSES: u32 = 2;
    const LANES: u32 = 1;
    /// Verified when the account is unknown, so that both answers take the same time. It is the hash of
    /// nothing: its bytes were drawn at random.
    const DECOY: &'static str =
        "$argon2id$v=19$m=19456,t=2,p=1$4Y7x0mZ1Qk2vT5rB8nLw3g$kD0vXc9sJq3R6tYb1ZpWf8HnM2uLaE5oG7iTxV4CyQs";

    /// `concurrency` hashes of strangers run at once, at least 1, and one besides of those in
    /// [`Lane::Trusted`]; each takes 19 MiB.
    pub fn new(concurrency: usize) -> Self {
        let params = Params::new(Self::MEMORY_KIB, Self::PASSES, Self::LANES, None)
            .expect("OWASP's parameters are within Argon2's ranges");
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            open: Pool::new(concurrency.max(1), OPEN_QUEUE),
            trusted: Pool::new(1, TRUSTED_QUEUE),
            computed: Arc::default(),
        }
    }

    /// The PHC string of a password, with a fresh random salt.
    ///
    /// # Errors
    /// `Unavailable` while too many hashes are asked for.
    pub async fn hash(&self, lane: Lane, password: Secret) -> Result<String> {
        self.run(lane, move |argon2| {
            argon2.hash_password(password.expose().as_bytes()).map(|hash| hash.to_string()).map_err(Error::internal)
        })
        .await
    }

    /// Whether the password is the one that was hashed. `stored: None` takes the same time and is
    /// never true.
    ///
    /// # Errors
    /// As [`PasswordHasher::hash`].
    pub async fn verify(&self, lane: Lane, password: Secret, stored: Option<String>) -> Result<bool> {
        let known = stored.is_some();
        let phc = stored.unwrap_or_else(|| Self::DECOY.to_owned());
        let matches = self
            .run(lane, move |argon2| {
                let hash = PasswordHash::new(&phc).map_err(Error::internal)?;
                Ok(argon2.verify_password(password.expose().as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(known && matches)
    }

    /// How many hashes were computed so far.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = match (lane, self.open.slots.clone().try_acquire_owned()) {
            (Lane::Trusted, Ok(slot)) => Some(slot),
            (Lane::Trusted, Err(_)) => self.trusted.slot().await,
            (Lane::Open, Ok(slot)) => Some(slot),
            (Lane::Open, Err(_)) => self.open.slot().await,
        };
        book(lane, slot.is_some());
        let slot = slot.ok_or_else(|| {
            Error::new(Code::Unavailable, "Too many people sign in at this moment; please try again.")
                .with_retry_after(RETRY_AFTER)
        })?;
        self.computed.fetch_add(1, Ordering::Relaxed);
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work(&argon2)
        })
        .await
        .map_err(Error::internal)?
    }
}

fn book(lane: Lane, computed: bool) {
    let lane = if lane == Lane::Trusted { "trusted" } else { "open" };
    let outcome = if computed { "computed" } else { "turnedAway" };
    HASHES.add(1, &[KeyValue::new("lane", lane), KeyValue::new("outcome", outcome)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_verifies() {
        let hasher = PasswordHasher::new(2);
        let stored = hasher.hash(Lane::Open, Secret::new("kanjivaram-9")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let verify = |password: &str, stored| hasher.verify(Lane::Open, Secret::new(password), stored);
        assert!(verify("kanjivaram-9", Some(stored.clone())).await.unwrap());
        assert!(!verify("kanjivaram-8", Some(stored)).await.unwrap());
        assert!(!verify("kanjivaram-9", None).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_account_costs_the_hash_that_a_known_one_costs() {
        let hasher = PasswordHasher::new(1);
        let stored = hasher.hash(Lane::Open, Secret::new("kanjivaram-9")).await.unwrap();
        let (decoy, real) = (PasswordHash::new(PasswordHasher::DECOY).unwrap(), PasswordHash::new(&stored).unwrap());
        assert_eq!((decoy.algorithm, decoy.version, &decoy.params), (real.algorithm, real.version, &real.params));
        let lengths = |hash: &PasswordHash| (hash.salt.unwrap().len(), hash.hash.unwrap().len());
        assert_eq!(lengths(&decoy), lengths(&real));
        for stored in [None, Some(stored)] {
            let before = hasher.computed();
            hasher.verify(Lane::Open, Secret::new("wrong-password"), stored).await.unwrap();
            assert_eq!(hasher.computed(), before + 1);
        }
    }

    #[tokio::test]
    async fn who_is_trusted_does_not_stand_behind_a_crowd_and_the_crowd_is_bounded() {
        let hasher = PasswordHasher::new(1);
        let busy = hasher.open.slots.clone().acquire_owned().await.unwrap();
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..OPEN_QUEUE {
            let hasher = hasher.clone();
            crowd.spawn(async move { hasher.verify(Lane::Open, Secret::new("guess-guess"), None).await });
        }
        while hasher.open.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = hasher.verify(Lane::Open, Secret::new("guess-guess"), None).await.unwrap_err();
        assert_eq!((refused.code(), refused.retry_after()), (Code::Unavailable, Some(RETRY_AFTER)));
        assert!(!hasher.verify(Lane::Trusted, Secret::new("guess-guess"), None).await.unwrap());
        assert_eq!(hasher.computed(), 1, "the crowd still waits");
        drop(busy);
        assert!(crowd.join_all().await.into_iter().all(|outcome| outcome.is_ok()));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(!PasswordRule::allows("కంచి"));
        assert!(PasswordRule::allows("కాంచీపురం పట్టు"));
        assert!(!PasswordRule::allows(&"x".repeat(129)));
    }
}
