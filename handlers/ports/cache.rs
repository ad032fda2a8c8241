//! Bytes that may be forgotten, counters, and the news that something changed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use ulid::Ulid;

use super::PortResult;

/// Bytes by key for a limited time. Anything may be gone at any time; nothing stays past its
/// lifetime, which is at least a millisecond and cut to a year. Keys are at most 512 bytes
/// (`InvalidRequest`), values 4 MiB (`TooLarge`).
#[async_trait]
pub trait Cache: Send + Sync {
    async fn get(&self, key: &str) -> PortResult<Option<Bytes>>;

    /// Keeps `value` under `key` for at most `ttl`, replacing what is there.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()>;

    /// Keeps `value` only when nothing (that has not expired) is under `key`; tells whether it did.
    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool>;

    async fn delete(&self, key: &str) -> PortResult<()>;

    /// Adds `by` to a counter and gives its new value. The counter begins at 0, ends `ttl` after its
    /// first increment, which later increments do not prolong, and stays at 2⁶³ − 1 once it is there.
    /// Atomic among all callers. `InvalidRequest` for a key that holds something else.
    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64>;

    /// What [`Cache::fill`] kept under `key`. Where there is nothing, the caller gets a lease that lasts
    /// `lease_ttl`: the right to fill the key with what it is about to read elsewhere, which ends when the
    /// key is deleted. So what was read before a change can never be kept after it (the leases of "Scaling
    /// Memcache at Facebook", Nishtala et al., NSDI 2013, §3.2.1).
    ///
    /// A key is used either with these two or with the others; [`Cache::delete`] serves both.
    async fn look_up(&self, key: &str, lease_ttl: Duration) -> PortResult<LookUp>;

    /// Keeps `value` under `key` for at most `ttl`, if `lease` is still what is there; tells whether it
    /// did. Deleted, evicted, expired or lost, a lease is never valid again.
    async fn fill(&self, key: &str, lease: &Lease, value: Bytes, ttl: Duration) -> PortResult<bool>;

    /// Whether the cache that all instances share answers. An error says why this process does without.
    async fn health(&self) -> PortResult<()> {
        self.get("health").await.map(drop)
    }
}

/// What is under a key that is filled by whoever finds it empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    Found(Bytes),
    /// Nothing, and the caller may fill it.
    Leased(Lease),
    /// Nothing, but another has the lease.
    Awaited,
}

/// The right to fill one key, unique for all time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease(String);

impl Lease {
    /// A lease that nobody had before.
    pub fn new() -> Self {
        Self(Ulid::generate().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Message(Bytes),
    /// Messages may have been missed between the one before and now: whatever is derived from them is
    /// to be forgotten.
    Gap,
}

/// Publish and subscribe among all instances, at most once: who is away misses what was said, and
/// hears that it may have.
#[async_trait]
pub trait Invalidations: Send + Sync {
    /// Tells every subscriber, this process included. A message is at most 8 KiB (`TooLarge`).
    ///
    /// # Errors
    /// When it fails, some subscribers may not have heard the message; those of this process hear a gap.
    async fn publish(&self, message: Bytes) -> PortResult<()>;

    /// What is published from now on, for as long as the adapter lives. A subscriber that is slow, or
    /// cut off from the others, hears a [`Heard::Gap`] when it is cut off and once it hears again; one
    /// that subscribes while cut off hears it first.
    async fn subscribe(&self) -> PortResult<BoxStream<'static, Heard>>;

    /// Whether subscribers hear at this moment what other instances publish.
    fn is_hearing(&self) -> bool {
        true
    }
}
