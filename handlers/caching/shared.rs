//! The level that all processes share. It only saves reads: whatever goes wrong with it, the value is read
//! where it comes from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::CachePolicy;
use super::cached::{AnyCached, Value};
use super::envelope::Envelope;
use super::process::{Held, Times, settled};
use crate::error::{Error, Result};
use crate::ports::PortResult;
use crate::ports::cache::{Cache, Lease, LookUp};

/// How long who found nothing may fill it: longer than any load.
const LEASE_TTL: Duration = Duration::from_secs(60);
/// How long the number of a cache is kept, longer than any value under the one before.
const EPOCH_TTL: Duration = Duration::from_secs(30 * 86_400);
/// From so many bytes on a value is coded off the async threads.
const LARGE: usize = 32 << 10;
/// So far in milliseconds the clocks of two processes may differ.
const SKEW: i64 = 5000;

/// The shared cache as the caches use it.
pub(super) struct SharedLevel {
    cache: Arc<dyn Cache>,
    /// The number that each cache's keys bear, as far as it is known: it goes up when a cache is cleared.
    epochs: Mutex<Epochs>,
}

#[derive(Default)]
struct Epochs {
    known: HashMap<&'static str, u64>,
    /// How often they were forgotten: what was asked for before that is not noted after it.
    forgotten: u64,
}

/// What is under a key.
pub(super) enum SharedFound {
    Value {
        held: Held,
        loaded_at: i64,
        fresh_until: i64,
    },
    /// Nothing, and this process may fill it.
    Leased(SharedLease),
    /// Nothing, and somebody else fills it, or the cache does not answer.
    Alone,
}

/// What a value must be to be of use. Times are milliseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Fits {
    /// Whether the knowledge that there is nothing will do.
    pub absence: bool,
    pub now: i64,
    /// When the key last changed, as far as this process has heard.
    pub changed_at: i64,
}

impl Fits {
    /// Until when the value is fresh; `None` when it is of no use.
    fn fresh_until(self, envelope: &Envelope, held: &Held) -> Option<i64> {
        let fresh_until = settled(envelope.loaded_at, envelope.fresh_until, self.changed_at);
        let fits = (self.absence || held.is_some()) && envelope.loaded_at <= self.now + SKEW && self.now < fresh_until;
        fits.then_some(fresh_until)
    }
}

/// The right to fill a key.
pub(super) struct SharedLease {
    key: String,
    lease: Lease,
}

impl SharedLevel {
    pub(super) fn new(cache: Arc<dyn Cache>) -> Self {
        Self { cache, epochs: Mutex::default() }
    }

    /// Asks for a value.
    pub(super) async fn look_up(
        &self,
        policy: &'static CachePolicy,
        cached: &'static dyn AnyCached,
        entry: &str,
        fits: Fits,
    ) -> SharedFound {
        let Ok(key) = self.key(policy, entry).await else { return SharedFound::Alone };
        match self.cache.look_up(&key, LEASE_TTL).await {
            Ok(LookUp::Found(sealed)) => match open(cached, sealed).await {
                Ok((envelope, held)) => {
                    if let Some(fresh_until) = fits.fresh_until(&envelope, &held) {
                        return SharedFound::Value { held, loaded_at: envelope.loaded_at, fresh_until };
                    }
                }
                Err(error) => tracing::debug!(cache = policy.name, error = %error.chain(), "a value is not readable"),
            },
            Ok(LookUp::Leased(lease)) => return SharedFound::Leased(SharedLease { key, lease }),
            Ok(LookUp::Awaited) => return SharedFound::Alone,
            Err(error) => {
                tracing::debug!(cache = policy.name, %error, "the shared cache was not asked");
                return SharedFound::Alone;
            }
        }
        // What is there is of no use: it makes room for what will be read.
        let asked_again = async {
            self.cache.delete(&key).await?;
            self.cache.look_up(&key, LEASE_TTL).await
        };
        match asked_again.await {
            Ok(LookUp::Leased(lease)) => SharedFound::Leased(SharedLease { key, lease }),
            _ => SharedFound::Alone,
        }
    }

    /// Keeps what was read under a lease, unless the lease has ended. That it could not is only logged.
    pub(super) async fn fill(
        &self,
        lease: SharedLease,
        cached: &'static dyn AnyCached,
        held: Held,
        times: Times,
        now: i64,
    ) {
        let Ok(ttl @ 1..) = u64::try_from(times.fresh_until - now) else { return self.give_back(lease).await };
        let sealed = match seal(cached, held, times).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "a value does not go into the shared cache");
                return self.give_back(lease).await;
            }
        };
        let filled = self.cache.fill(&lease.key, &lease.lease, sealed, Duration::from_millis(ttl)).await;
        match filled {
            Ok(true) => {}
            Ok(false) => tracing::debug!(key = lease.key, "it changed while it was read, so it is not kept"),
            Err(error) => {
                tracing::debug!(%error, "the shared cache was not filled");
                self.give_back(lease).await;
            }
        }
    }

    /// Lets another fill the key: nothing was read.
    pub(super) async fn give_back(&self, lease: SharedLease) {
        // Somebody else's value may be there by now; it is read again then.
        if let Err(error) = self.cache.delete(&lease.key).await {
            tracing::debug!(%error, "a lease stays until it ends by itself");
        }
    }

    /// Deletes a value, and with it the right of those who are reading it to fill it.
    ///
    /// The number of the cache is asked for each time. Who has the key under a later one got its lease after
    /// that, and so after the change.
    pub(super) async fn delete(&self, policy: &'static CachePolicy, entry: &str) -> PortResult<()> {
        let epoch = self.ask_epoch(policy).await?;
        self.cache.delete(&value_key(policy, epoch, entry)).await
    }

    /// Leaves all values of a cache behind; gives the number under which it goes on.
    pub(super) async fn clear(&self, policy: &'static CachePolicy) -> PortResult<u64> {
        let epoch = self.cache.increment(&epoch_key(policy), 1, EPOCH_TTL).await?;
        self.note_epoch(policy, epoch);
        Ok(epoch)
    }

    /// Notes the number of a cache that another process cleared.
    pub(super) fn note_epoch(&self, policy: &'static CachePolicy, epoch: u64) {
        note(&mut self.epochs().known, policy, epoch);
    }

    /// The numbers may have changed unheard: they are asked for again. So they are after each change, which
    /// may be heard of before the clearing that came before it.
    pub(super) fn doubt(&self) {
        let mut epochs = self.epochs();
        epochs.known.clear();
        epochs.forgotten += 1;
    }

    async fn key(&self, policy: &'static CachePolicy, entry: &str) -> PortResult<String> {
        let known = self.epochs().known.get(policy.name).copied();
        let epoch = match known {
            Some(epoch) => epoch,
            None => self.ask_epoch(policy).await?,
        };
        Ok(value_key(policy, epoch, entry))
    }

    async fn ask_epoch(&self, policy: &'static CachePolicy) -> PortResult<u64> {
        let forgotten = self.epochs().forgotten;
        let counter = self.cache.get(&epoch_key(policy)).await?;
        let epoch = counter.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok()).unwrap_or(0);
        let mut epochs = self.epochs();
        if epochs.forgotten == forgotten {
            note(&mut epochs.known, policy, epoch);
        }
        Ok(epoch)
    }

    fn epochs(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(known: &mut HashMap<&'static str, u64>, policy: &'static CachePolicy, epoch: u64) {
    let noted = known.entry(policy.name).or_default();
    *noted = epoch.max(*noted);
}

fn value_key(policy: &CachePolicy, epoch: u64, entry: &str) -> String {
    format!("caches:{}:{epoch}:{entry}", policy.name)
}

fn epoch_key(policy: &CachePolicy) -> String {
    format!("caches:{}:epoch", policy.name)
}

async fn open(cached: &'static dyn AnyCached, sealed: bytes::Bytes) -> Result<(Envelope, Held)> {
    work(sealed.len(), move || {
        let mut envelope = Envelope::open(&sealed)?;
        let held: Option<Value> = envelope.value.take().map(|bytes| cached.decode(&bytes)).transpose()?;
        Ok((envelope, held))
    })
    .await
}

/// `None` for what never leaves the process.
async fn seal(cached: &'static dyn AnyCached, held: Held, times: Times) -> Result<Option<bytes::Bytes>> {
    let size = held.as_ref().map_or(0, |value| cached.weigh(value));
    work(size, move || {
        let value = match held {
            Some(value) => match cached.encode(&value) {
                Some(bytes) => Some(bytes?),
                None => return Ok(None),
            },
            None => None,
        };
        let envelope = Envelope { loaded_at: times.loaded_at, fresh_until: times.fresh_until, value };
        envelope.seal().map(Some)
    })
    .await
}

/// Off the async threads where it is much: `size` is about that of the value in bytes.
async fn work<T: Send + 'static>(size: usize, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if size < LARGE { work() } else { tokio::task::spawn_blocking(work).await.map_err(Error::internal)? }
}
