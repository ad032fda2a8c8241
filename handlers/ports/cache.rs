//! Bytes that may be forgotten, counters, and the news that something changed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

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

    /// Whether the cache that all instances share answers. An error says why this process does without.
    async fn health(&self) -> PortResult<()> {
        self.get("health").await.map(drop)
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
}
