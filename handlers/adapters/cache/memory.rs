//! The cache, the limits and the invalidations of one process.
//!
//! Values are byte strings and counters are their decimal digits, as in Redis. Every write goes
//! through moka's per-key computation, so that writes of one key happen one after the other and
//! `set_if_absent` and `increment` are exact. The instant at which an entry ends is kept with it, so
//! that a counter keeps its end; moka shows no entry past its end, swept out or not.
//!
//! Eviction is least-recently-used rather than moka's TinyLFU, which turns new keys away while the
//! cache is full of popular ones: a new counter or claim must always be taken.

mod invalidations;
mod limits;

pub use invalidations::MemoryInvalidations;
pub use limits::MemoryLimits;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache as MokaCache;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;

use super::rules::{FILLED, LEASE, MAX_COUNT, check_key, check_value, lifetime, not_a_counter, read_filled};
use crate::ports::cache::{Cache, Lease, LookUp};
use crate::ports::{PortError, PortResult};

/// What moka and the allocator need for one entry besides key and value, measured roughly.
const ENTRY_OVERHEAD: usize = 256;

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ends_at: Instant,
}

impl Entry {
    fn new(value: Bytes, ttl: Duration) -> Self {
        Self { value, ends_at: Instant::now() + ttl }
    }
}

/// Tells moka when to sweep an entry out.
struct EntryExpiry;

impl Expiry<String, Entry> for EntryExpiry {
    fn expire_after_create(&self, _key: &String, entry: &Entry, created_at: Instant) -> Option<Duration> {
        Some(entry.ends_at.saturating_duration_since(created_at))
    }

    fn expire_after_update(
        &self,
        _key: &String,
        entry: &Entry,
        updated_at: Instant,
        _duration_until_expiry: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ends_at.saturating_duration_since(updated_at))
    }
}

/// A cache in this process's memory, bounded by bytes.
pub struct MemoryCache {
    entries: MokaCache<String, Entry>,
}

impl MemoryCache {
    /// A cache of at most `max_bytes` of keys, values and bookkeeping, which it may pass for a moment
    /// while it evicts.
    pub fn new(max_bytes: u64) -> Self {
        let entries = MokaCache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, entry: &Entry| {
                u32::try_from(key.len() + entry.value.len() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(EntryExpiry)
            .build();
        Self { entries }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> PortResult<Option<Bytes>> {
        check_key(key)?;
        Ok(self.entries.get(key).await.map(|entry| entry.value))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        check_key(key)?;
        check_value(&value)?;
        let ttl = lifetime(ttl)?;
        // A plain insert would not wait its turn behind the computations on the same key.
        self.entries.entry_by_ref(key).and_upsert_with(|_| async move { Entry::new(compact(value), ttl) }).await;
        Ok(())
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool> {
        check_key(key)?;
        check_value(&value)?;
        let ttl = lifetime(ttl)?;
        let result = self
            .entries
            .entry_by_ref(key)
            .and_compute_with(|present| async move {
                match present {
                    Some(_) => Op::Nop,
                    None => Op::Put(Entry::new(compact(value), ttl)),
                }
            })
            .await;
        Ok(matches!(result, CompResult::Inserted(_) | CompResult::ReplacedWith(_)))
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        check_key(key)?;
        self.entries.entry_by_ref(key).and_compute_with(|_| async { Op::Remove }).await;
        Ok(())
    }

    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64> {
        check_key(key)?;
        let ttl = lifetime(ttl)?;
        let mut count = 0;
        let counted = &mut count;
        self.entries
            .entry_by_ref(key)
            .and_try_compute_with(|present| async move {
                let entry = match present.map(moka::Entry::into_value) {
                    Some(entry) => {
                        *counted = parse_counter(&entry.value)?.saturating_add(by).min(MAX_COUNT);
                        Entry { value: Bytes::from(counted.to_string()), ends_at: entry.ends_at }
                    }
                    None => {
                        *counted = by.min(MAX_COUNT);
                        Entry::new(Bytes::from(counted.to_string()), ttl)
                    }
                };
                Ok::<_, PortError>(Op::Put(entry))
            })
            .await?;
        Ok(count)
    }

    async fn look_up(&self, key: &str, lease_ttl: Duration) -> PortResult<LookUp> {
        check_key(key)?;
        let ttl = lifetime(lease_ttl)?;
        let lease = Lease::new();
        let offered = lease_bytes(&lease);
        let found = self
            .entries
            .entry_by_ref(key)
            .and_compute_with(|present| async move {
                match present {
                    Some(_) => Op::Nop,
                    None => Op::Put(Entry::new(offered, ttl)),
                }
            })
            .await;
        match found {
            CompResult::Unchanged(entry) => read_filled(entry.into_value().value),
            _ => Ok(LookUp::Leased(lease)),
        }
    }

    async fn fill(&self, key: &str, lease: &Lease, value: Bytes, ttl: Duration) -> PortResult<bool> {
        check_key(key)?;
        check_value(&value)?;
        let ttl = lifetime(ttl)?;
        let expected = lease_bytes(lease);
        let result = self
            .entries
            .entry_by_ref(key)
            .and_compute_with(|present| async move {
                match present {
                    Some(entry) if entry.value().value == expected => Op::Put(Entry::new(filled_bytes(&value), ttl)),
                    _ => Op::Nop,
                }
            })
            .await;
        Ok(matches!(result, CompResult::Inserted(_) | CompResult::ReplacedWith(_)))
    }
}

/// The bytes of a key that somebody may fill.
fn lease_bytes(lease: &Lease) -> Bytes {
    Bytes::from([&[LEASE], lease.as_str().as_bytes()].concat())
}

/// The bytes of a key that was filled.
fn filled_bytes(value: &[u8]) -> Bytes {
    Bytes::from([&[FILLED], value].concat())
}

/// The same bytes in memory of their own: a slice would keep the whole buffer that it was cut from,
/// unseen by the weigher.
fn compact(value: Bytes) -> Bytes {
    Bytes::copy_from_slice(&value)
}

fn parse_counter(value: &[u8]) -> PortResult<u64> {
    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or_else(not_a_counter)
}
