//! The shared cache and limits with those of this process behind them, so that requests go on while the
//! shared ones are away: claims, counters and limits then hold per instance.
//!
//! What is set or deleted meanwhile cannot reach the shared cache. Its keys are noted, and what the shared
//! cache has under them, which is out of date, is deleted before anything else is done with them, and in
//! any case as soon as it is back.

mod health;
mod owed;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use self::owed::Owed;
use crate::ports::cache::{Cache, Lease, LookUp};
use crate::ports::limits::{Decision, Quota, RateLimits};
use crate::ports::{PortError, PortErrorKind, PortResult};

pub use health::{Health, Status};

/// A shared cache, or this process's own where that fails.
pub struct FallbackCache {
    shared: Arc<dyn Cache>,
    local: Arc<dyn Cache>,
    owed: Arc<Owed>,
    health: Arc<Health>,
}

impl FallbackCache {
    /// `local` is used by nobody else; `health` may be shared with other adapters of the same service.
    pub fn new(shared: Arc<dyn Cache>, local: Arc<dyn Cache>, health: Arc<Health>) -> Self {
        Self { shared, local, owed: Arc::default(), health }
    }

    /// Asks the shared cache for something, so that its return is noticed without other calls.
    pub async fn check(&self) -> Status {
        let _ = self.get("health").await;
        self.health.status()
    }

    /// The outcome of a call to the shared cache; `None` when this process has to do without it.
    async fn try_shared<T>(
        &self,
        key: &str,
        call: impl Future<Output = PortResult<T>> + Send,
    ) -> PortResult<Option<T>> {
        let outcome = async {
            self.owed.pay(key, &*self.shared, &*self.local).await?;
            call.await
        };
        let reached = self.health.judge(outcome.await)?;
        if reached.is_some() {
            self.owed.pay_all(&self.shared, &self.local);
        }
        Ok(reached)
    }
}

#[async_trait]
impl Cache for FallbackCache {
    async fn get(&self, key: &str) -> PortResult<Option<Bytes>> {
        match self.try_shared(key, self.shared.get(key)).await? {
            Some(value) => Ok(value),
            None => self.local.get(key).await,
        }
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        if self.try_shared(key, self.shared.set(key, value.clone(), ttl)).await?.is_some() {
            // A claim of a time without the shared cache may be here.
            return self.local.delete(key).await;
        }
        self.local.set(key, value, ttl).await?;
        self.owed.note(key);
        Ok(())
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool> {
        match self.try_shared(key, self.shared.set_if_absent(key, value.clone(), ttl)).await? {
            Some(claimed) => Ok(claimed),
            None => self.local.set_if_absent(key, value, ttl).await,
        }
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        // Counters and claims of a time without the shared cache may be here as well.
        let here = self.local.delete(key).await;
        if self.try_shared(key, self.shared.delete(key)).await?.is_none() {
            self.owed.note(key);
        }
        here
    }

    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64> {
        match self.try_shared(key, self.shared.increment(key, by, ttl)).await? {
            Some(count) => Ok(count),
            None => self.local.increment(key, by, ttl).await,
        }
    }

    async fn look_up(&self, key: &str, lease_ttl: Duration) -> PortResult<LookUp> {
        match self.try_shared(key, self.shared.look_up(key, lease_ttl)).await? {
            Some(found) => Ok(found),
            None => self.local.look_up(key, lease_ttl).await,
        }
    }

    /// A lease of the one is unknown to the other.
    async fn fill(&self, key: &str, lease: &Lease, value: Bytes, ttl: Duration) -> PortResult<bool> {
        match self.try_shared(key, self.shared.fill(key, lease, value.clone(), ttl)).await? {
            Some(filled) => Ok(filled),
            None => self.local.fill(key, lease, value, ttl).await,
        }
    }

    async fn health(&self) -> PortResult<()> {
        match self.check().await {
            Status::Well => Ok(()),
            Status::Degraded { problem, .. } => Err(PortError::unavailable(problem)),
        }
    }
}

/// Shared limits, or this process's own where those fail.
pub struct FallbackLimits {
    shared: Arc<dyn RateLimits>,
    local: Arc<dyn RateLimits>,
    health: Arc<Health>,
}

impl FallbackLimits {
    /// As [`FallbackCache::new`].
    pub fn new(shared: Arc<dyn RateLimits>, local: Arc<dyn RateLimits>, health: Arc<Health>) -> Self {
        Self { shared, local, health }
    }
}

#[async_trait]
impl RateLimits for FallbackLimits {
    async fn take(&self, key: &str, quota: Quota, cost: u32) -> PortResult<Decision> {
        match self.health.judge(self.shared.take(key, quota, cost).await)? {
            Some(decision) => Ok(decision),
            None => self.local.take(key, quota, cost).await,
        }
    }
}

/// Whether the service failed, and not the call was wrong.
fn service_failed(error: &PortError) -> bool {
    !matches!(error.kind(), PortErrorKind::InvalidRequest | PortErrorKind::TooLarge)
}
