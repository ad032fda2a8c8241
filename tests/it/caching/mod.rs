//! The caches of one process and of several, under a clock that stands still.

mod levels;
mod model;
mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use pravis::adapters::cache::MemoryInvalidations;
use pravis::caching::{CachePolicy, Cached, Caches, ChangeKind, Levels, PerTenant, ScopeKind};
use pravis::ports::cache::{Cache, Invalidations};

use crate::support::clock::ManualClock;

pub const FRESH: Duration = Duration::from_secs(10);
pub const STALE: Duration = Duration::from_secs(5);

/// A row that changes end, with a shared level.
pub static NUMBERS: CachePolicy = CachePolicy {
    name: "numbers",
    scope: ScopeKind::Tenant,
    levels: Levels::ProcessAndShared,
    fresh: FRESH,
    jitter: 20,
    stale_while_revalidate: STALE,
    stale_if_error: Duration::ZERO,
    negative: Duration::ZERO,
    invalidated_by: &[ChangeKind::Catalogue],
    share: 50,
};

pub static NUMBER: Cached<PerTenant, u64> = Cached::shared_as_json(&NUMBERS, |_| 8);

/// The caches of a process that shares a cache with others, or has none to share.
pub fn caches(policies: &[&'static CachePolicy], shared: Option<Arc<dyn Cache>>, clock: &Arc<ManualClock>) -> Caches {
    of(policies, shared, Arc::new(MemoryInvalidations::new()), clock)
}

pub fn of(
    policies: &[&'static CachePolicy],
    shared: Option<Arc<dyn Cache>>,
    news: Arc<dyn Invalidations>,
    clock: &Arc<ManualClock>,
) -> Caches {
    Caches::of(policies, 1 << 20, shared, news, clock.clone())
}
