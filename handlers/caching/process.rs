//! The level in this process's memory: the values of one cache, and the loads that are under way.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, Shared};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::cached::Value;
use super::status::{CacheStats, Counts};
use super::{CachePolicy, CacheStatus};
use crate::error::Error;

/// What moka and the allocator need for one entry besides key and value, measured roughly.
const ENTRY_OVERHEAD: usize = 300;
/// For so long after a change, in milliseconds, a read may still see what was before it, because it came to
/// a replica that lags behind (session consistency binds a session, not all processes). What is read in this
/// time is read again as much later.
const SETTLING: i64 = 1000;
/// How long in milliseconds what changes may end is fresh at most while no news are heard.
const DEAF: i64 = 10_000;
/// How long in milliseconds a value is shown, after it could not be read, until that is tried again.
const RETRY: i64 = 5000;

/// A value, or the knowledge that there is none.
pub(super) type Held = Option<Value>;

/// What comes of a load, for all who wait for it.
pub(super) type Outcome = Result<Loaded, Arc<Error>>;
pub(super) type Waiting = Shared<BoxFuture<'static, Outcome>>;

#[derive(Clone)]
pub(super) struct Loaded {
    pub held: Held,
    /// A hit when the shared cache had it.
    pub status: CacheStatus,
}

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// When the load began: as old is what it read.
    pub loaded_at: i64,
    pub fresh_until: i64,
    pub stale_until: i64,
    pub error_until: i64,
}

#[derive(Clone)]
struct Entry {
    /// `None` when all that is known is that something changed.
    held: Option<Held>,
    weight: usize,
    times: Times,
    /// When it last changed, as far as this process has heard.
    changed_at: i64,
    /// Whether it was read before that change.
    ended: bool,
    /// Whether it is shown because it cannot be read.
    old: bool,
    epoch: u64,
}

/// What is in memory for a key.
pub(super) enum Found {
    /// To be shown as it is.
    Usable(Held, CacheStatus),
    /// To be shown, and to be read anew.
    Stale(Held),
    /// To be read; `fallback` is what may be shown when that fails.
    Nothing { fallback: Option<Held> },
}

/// A load that is under way, and may fill its key as long as it is listed.
pub(super) struct Flight {
    number: u64,
    pub waiting: Waiting,
}

/// One cache in this process.
pub(super) struct ProcessLevel {
    pub policy: &'static CachePolicy,
    pub counts: Counts,
    max_bytes: u64,
    entries: Cache<String, Entry>,
    /// The loads by key. Whatever is decided about an entry and its load together is done under this lock.
    flights: Mutex<HashMap<String, Flight>>,
    next_flight: AtomicU64,
    /// Goes up when nothing that is in memory may be trusted any more.
    epoch: AtomicU64,
    /// Goes up when everything is to be forgotten.
    clearings: AtomicU64,
}

impl ProcessLevel {
    /// The cache of `policy` with its share of `budget` bytes.
    pub(super) fn new(policy: &'static CachePolicy, budget: u64) -> Self {
        let max_bytes = budget * u64::from(policy.share) / 100;
        // Least recently used first: moka's own policy turns new keys away while popular ones fill it.
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, entry: &Entry| {
                u32::try_from(key.len() * 2 + entry.weight + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(policy.fresh + policy.stale_while_revalidate.max(policy.stale_if_error))
            .build();
        Self {
            policy,
            counts: Counts::new(policy),
            max_bytes,
            entries,
            flights: Mutex::default(),
            next_flight: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            clearings: AtomicU64::new(0),
        }
    }

    /// What is in memory; `absence` says whether the knowledge that there is nothing will do.
    pub(super) fn find(&self, key: &str, now: i64, absence: bool) -> Found {
        let nothing = Found::Nothing { fallback: None };
        let Some(entry) = self.entries.get(key) else { return nothing };
        let Some(held) = entry.held.filter(|held| absence || held.is_some()) else { return nothing };
        let times = entry.times;
        // The clock may have been put back.
        if now < times.loaded_at {
            return nothing;
        }
        let trusted = !entry.ended && entry.epoch == self.epoch.load(Ordering::Acquire);
        if trusted && now < times.fresh_until {
            return Found::Usable(held, if entry.old { CacheStatus::Stale } else { CacheStatus::Hit });
        }
        if trusted && now < times.stale_until {
            return Found::Stale(held);
        }
        Found::Nothing { fallback: (now < times.error_until).then_some(held) }
    }

    pub(super) fn flights(&self) -> Flights<'_> {
        Flights { level: self, flights: self.flights.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// When the key last changed, as far as this process has heard and remembers.
    pub(super) fn changed_at(&self, key: &str) -> i64 {
        self.entries.get(key).map_or(i64::MIN, |entry| entry.changed_at)
    }

    /// How long a value may be used whose load began at `loaded_at`; `hearing` says whether its change would
    /// be heard of.
    pub(super) fn times(&self, key: &str, loaded_at: i64, absent: bool, hearing: bool) -> Times {
        let policy = self.policy;
        let longest = if absent { policy.negative } else { policy.fresh };
        let mut fresh = millis(longest);
        fresh -= fresh * i64::from(policy.jitter) / 100 * i64::from(spread(key, loaded_at)) / 256;
        let mut revalidating = millis(policy.stale_while_revalidate);
        if is_settling(loaded_at, self.changed_at(key)) {
            (fresh, revalidating) = (fresh.min(SETTLING), 0);
        }
        if !policy.invalidated_by.is_empty() && !hearing {
            (fresh, revalidating) = (fresh.min(DEAF), 0);
        }
        self.times_from(loaded_at, loaded_at + fresh, revalidating)
    }

    /// The same for a value that the shared cache had.
    pub(super) fn times_of_shared(&self, loaded_at: i64, fresh_until: i64) -> Times {
        self.times_from(loaded_at, fresh_until.min(loaded_at + millis(self.policy.fresh)), 0)
    }

    fn times_from(&self, loaded_at: i64, fresh_until: i64, revalidating: i64) -> Times {
        let stale_until = fresh_until + revalidating;
        let error_until = fresh_until + millis(self.policy.stale_if_error);
        Times { loaded_at, fresh_until, stale_until, error_until: error_until.max(stale_until) }
    }

    /// Trusts nothing any more that was read before: a change may have been missed.
    pub(super) fn doubt(&self) {
        let mut flights = self.flights();
        flights.flights.clear();
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.clearings.fetch_add(1, Ordering::Release);
        self.doubt();
        self.entries.invalidate_all();
    }

    /// How often everything was to be forgotten.
    pub(super) fn clearings(&self) -> u64 {
        self.clearings.load(Ordering::Acquire)
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.entries.run_pending_tasks();
        CacheStats {
            policy: self.policy,
            hits: self.counts.of(CacheStatus::Hit),
            misses: self.counts.of(CacheStatus::Miss),
            stale: self.counts.of(CacheStatus::Stale),
            bypassed: self.counts.of(CacheStatus::Bypass),
            entries: self.entries.entry_count(),
            bytes: self.bytes(),
            max_bytes: self.max_bytes,
            loading: self.flights().flights.len(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }
}

/// The loads of a cache, while nobody else decides about them. Never held across an await.
pub(super) struct Flights<'a> {
    level: &'a ProcessLevel,
    flights: MutexGuard<'a, HashMap<String, Flight>>,
}

impl Flights<'_> {
    pub(super) fn get(&self, key: &str) -> Option<&Flight> {
        self.flights.get(key)
    }

    /// Lists a load; gives its number.
    pub(super) fn begin(&mut self, key: &str, waiting: Waiting) -> u64 {
        let number = self.level.next_flight.fetch_add(1, Ordering::Relaxed);
        self.flights.insert(key.to_owned(), Flight { number, waiting });
        number
    }

    /// Strikes a load off the list; tells whether it was on it, and so may fill its key.
    pub(super) fn end(&mut self, key: &str, number: u64) -> bool {
        let listed = self.flights.get(key).is_some_and(|flight| flight.number == number);
        if listed {
            self.flights.remove(key);
        }
        listed
    }

    /// Keeps what a listed load gave; `weight` are its bytes.
    pub(super) fn keep(&mut self, key: &str, held: Held, weight: usize, times: Times) {
        let level = self.level;
        if !self.has_room(key, weight) {
            return level.entries.invalidate(key);
        }
        let changed_at = level.changed_at(key);
        let epoch = level.epoch.load(Ordering::Acquire);
        let entry = Entry { held: Some(held), weight, times, changed_at, ended: false, old: false, epoch };
        level.entries.insert(key.to_owned(), entry);
    }

    /// Keeps what a load gave that was struck off the list meanwhile, only to be shown when it cannot be read:
    /// else whoever reads first while changes come in would be left with nothing.
    pub(super) fn keep_ended(&mut self, key: &str, held: Held, weight: usize, times: Times) {
        let level = self.level;
        if level.policy.stale_if_error.is_zero() || !self.has_room(key, weight) {
            return;
        }
        let before = level.entries.get(key);
        if before.as_ref().is_some_and(|entry| entry.held.is_some() && entry.times.loaded_at >= times.loaded_at) {
            return;
        }
        let changed_at = before.map_or(i64::MIN, |entry| entry.changed_at);
        let entry = Entry { held: Some(held), weight, times, changed_at, ended: true, old: false, epoch: 0 };
        level.entries.insert(key.to_owned(), entry);
    }

    fn has_room(&self, key: &str, weight: usize) -> bool {
        let (cache, max_bytes) = (self.level.policy.name, self.level.max_bytes);
        let fits = (weight + key.len() * 2 + ENTRY_OVERHEAD) as u64 <= max_bytes;
        if !fits {
            tracing::warn!(cache, weight, "a value is larger than its cache; raise PRAVIS_CACHE_MIB");
        }
        fits
    }

    /// Shows for a while what is in memory, because a listed load failed.
    pub(super) fn keep_old(&mut self, key: &str, now: i64) {
        let level = self.level;
        let Some(entry) = level.entries.get(key).filter(|entry| now < entry.times.error_until) else { return };
        if entry.held.is_none() {
            return;
        }
        let shown_until = (now + RETRY).min(entry.times.error_until);
        let times = Times { fresh_until: shown_until, stale_until: shown_until, ..entry.times };
        let epoch = level.epoch.load(Ordering::Acquire);
        level.entries.insert(key.to_owned(), Entry { times, ended: false, old: true, epoch, ..entry });
    }

    /// Ends a value: whoever reads it from now on reads anew, and what is being read fills nothing. It stays
    /// for the time that it may be shown because it cannot be read.
    pub(super) fn end_value(&mut self, key: &str, now: i64) {
        let level = self.level;
        self.flights.remove(key);
        let before = level.entries.get(key).filter(|entry| now < entry.times.error_until);
        let kept = before.filter(|_| !level.policy.stale_if_error.is_zero());
        let times = Times { loaded_at: now, fresh_until: now, stale_until: now, error_until: now };
        let nothing = Entry { held: None, weight: 0, times, changed_at: now, ended: true, old: false, epoch: 0 };
        let entry = match kept {
            Some(entry) => Entry { changed_at: now, ended: true, ..entry },
            None => nothing,
        };
        level.entries.insert(key.to_owned(), entry);
    }
}

/// Whether what was read at `loaded_at` may be from before the change at `changed_at`.
fn is_settling(loaded_at: i64, changed_at: i64) -> bool {
    loaded_at < changed_at.saturating_add(SETTLING)
}

/// Until when a value is fresh that another process read, for one that heard of a change at `changed_at`.
pub(super) fn settled(loaded_at: i64, fresh_until: i64, changed_at: i64) -> i64 {
    if is_settling(loaded_at, changed_at) { fresh_until.min(loaded_at + SETTLING) } else { fresh_until }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// 0 to 255, differently for each key and time.
fn spread(key: &str, loaded_at: i64) -> u8 {
    let mut hasher = DefaultHasher::new();
    (key, loaded_at).hash(&mut hasher);
    hasher.finish() as u8
}
