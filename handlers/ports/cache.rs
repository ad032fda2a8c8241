//! Bytes that may be forgotten, counters, and the news that something changed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::PortResult;

/// Bytes by key for a limited time. Anything may be gone at any time; nothing stays past its
/// lifetime. Keys are at most 512 bytes.
#[async_trait]
pub trait Cache: Send + Sync {
    async fn get(&self, key: &str) -> PortResult<Option<Bytes>>;

    /// Keeps `value` under `key` for at most `ttl`, replacing what is there.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()>;

    /// Keeps `value` only when nothing (that has not expired) is under `key`; tells whether it did.
    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool>;

    async fn delete(&self, key: &str) -> PortResult<()>;

    /// Adds `by` to a counter and gives its new value. The counter begins at 0 and ends `ttl` after
    /// its first increment; later increments do not prolong it. Atomic among all callers.
    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64>;
}

/// Publish and subscribe among all instances, at most once: who is away misses what was said.
#[async_trait]
pub trait Invalidations: Send + Sync {
    /// Tells every subscriber, this process included.
    async fn publish(&self, message: Bytes) -> PortResult<()>;

    /// What is published from now on. Ends when the connection is lost for good.
    async fn subscribe(&self) -> PortResult<BoxStream<'static, Bytes>>;
}
