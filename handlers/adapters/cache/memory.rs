//! The cache and the invalidations of one process.
//!
//! Values are byte strings and counters are their decimal digits, as in Redis. Every write goes
//! through moka's per-key computation, so that writes of one key happen one after the other and
//! `set_if_absent` and `increment` are exact. The instant at which an entry ends is kept with it, so
//! that a counter keeps its end; moka shows no entry past its end, swept out or not.
//!
//! Eviction is least-recently-used rather than moka's TinyLFU, which turns new keys away while the
//! cache is full of popular ones: a new counter or claim must always be taken.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use moka::Expiry;
use moka::future::Cache as MokaCache;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::ports::cache::{Cache, Invalidations};
use crate::ports::{PortError, PortResult};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;

/// Longer lifetimes are cut to this, which no cached thing outlives anyway.
const MAX_TTL: Duration = Duration::from_secs(366 * 24 * 3600);

/// What moka and the allocator need for one entry besides key and value, measured roughly.
const ENTRY_OVERHEAD: usize = 256;

/// How many messages a subscriber may lag behind.
const INVALIDATION_BACKLOG: usize = 4096;

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ends_at: Instant,
}

impl Entry {
    fn new(value: Bytes, ttl: Duration) -> Self {
        Self { value, ends_at: Instant::now() + ttl.min(MAX_TTL) }
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
        check_ttl(ttl)?;
        // A plain insert would not wait its turn behind the computations on the same key.
        self.entries.entry_by_ref(key).and_upsert_with(|_| async move { Entry::new(compact(value), ttl) }).await;
        Ok(())
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool> {
        check_key(key)?;
        check_ttl(ttl)?;
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

    /// `InvalidRequest` for a key that holds something else than a counter.
    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64> {
        check_key(key)?;
        check_ttl(ttl)?;
        let mut count = 0;
        let counted = &mut count;
        self.entries
            .entry_by_ref(key)
            .and_try_compute_with(|present| async move {
                let entry = match present.map(moka::Entry::into_value) {
                    Some(entry) => {
                        *counted = parse_counter(&entry.value)?.saturating_add(by);
                        Entry { value: Bytes::from(counted.to_string()), ends_at: entry.ends_at }
                    }
                    None => {
                        *counted = by;
                        Entry::new(Bytes::from(by.to_string()), ttl)
                    }
                };
                Ok::<_, PortError>(Op::Put(entry))
            })
            .await?;
        Ok(count)
    }
}

/// Publish and subscribe within this process.
///
/// A subscriber that lags more than 4096 messages behind sees its stream end, as when a connection
/// is lost: whatever it derives from the messages it must then forget, and subscribe anew.
pub struct MemoryInvalidations {
    messages: broadcast::Sender<Bytes>,
}

impl MemoryInvalidations {
    pub fn new() -> Self {
        Self { messages: broadcast::Sender::new(INVALIDATION_BACKLOG) }
    }
}

impl Default for MemoryInvalidations {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Invalidations for MemoryInvalidations {
    async fn publish(&self, message: Bytes) -> PortResult<()> {
        // Fails only when there is no subscriber, which is nobody's loss.
        let _ = self.messages.send(compact(message));
        Ok(())
    }

    async fn subscribe(&self) -> PortResult<BoxStream<'static, Bytes>> {
        let receiver = self.messages.subscribe();
        Ok(Box::pin(stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(message) => Some((message, receiver)),
                Err(RecvError::Lagged(_) | RecvError::Closed) => None,
            }
        })))
    }
}

/// The same bytes in memory of their own: a slice would keep the whole buffer that it was cut from,
/// unseen by the weigher.
fn compact(value: Bytes) -> Bytes {
    Bytes::copy_from_slice(&value)
}

fn parse_counter(value: &[u8]) -> PortResult<u64> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| PortError::invalid("the key holds something else than a counter"))
}

fn check_key(key: &str) -> PortResult<()> {
    if key.len() <= MAX_KEY_BYTES {
        Ok(())
    } else {
        Err(PortError::invalid(format!("a cache key is at most {MAX_KEY_BYTES} bytes")))
    }
}

/// Refuses a lifetime below Redis' unit of one millisecond.
fn check_ttl(ttl: Duration) -> PortResult<()> {
    if ttl >= Duration::from_millis(1) {
        Ok(())
    } else {
        Err(PortError::invalid("the lifetime of a cache entry is at least one millisecond"))
    }
}
