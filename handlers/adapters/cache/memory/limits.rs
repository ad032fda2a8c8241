use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::future::Cache as MokaCache;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;

use crate::ports::PortResult;
use crate::ports::limits::{Decision, Quota, Rate, RateLimits, check_key};

/// What moka and the allocator need for one bucket besides its key, measured roughly.
const BUCKET_OVERHEAD: usize = 256;

/// The rate limits of one process, bounded by bytes: when there are too many buckets, those that were
/// not used for longest are full again.
pub struct MemoryLimits {
    /// Theoretical arrival times, in microseconds after `since`.
    buckets: MokaCache<String, u64>,
    since: Instant,
}

/// A bucket that is full again is forgotten.
struct WhenFull {
    since: Instant,
}

impl WhenFull {
    fn after(&self, tat: u64, now: Instant) -> Option<Duration> {
        Some((self.since + Duration::from_micros(tat)).saturating_duration_since(now))
    }
}

impl Expiry<String, u64> for WhenFull {
    fn expire_after_create(&self, _key: &String, tat: &u64, created_at: Instant) -> Option<Duration> {
        self.after(*tat, created_at)
    }

    fn expire_after_update(&self, _: &String, tat: &u64, updated_at: Instant, _: Option<Duration>) -> Option<Duration> {
        self.after(*tat, updated_at)
    }
}

impl MemoryLimits {
    /// Limits in at most `max_bytes` of keys and bookkeeping.
    pub fn new(max_bytes: u64) -> Self {
        let since = Instant::now();
        let buckets = MokaCache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, _| u32::try_from(key.len() + BUCKET_OVERHEAD).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(WhenFull { since })
            .build();
        Self { buckets, since }
    }
}

#[async_trait]
impl RateLimits for MemoryLimits {
    async fn take(&self, key: &str, quota: Quota, cost: u32) -> PortResult<Decision> {
        check_key(key)?;
        let rate = Rate::of(quota)?;
        let mut decision = rate.decision(false, 0, cost);
        let decided = &mut decision;
        let since = self.since;
        self.buckets
            .entry_by_ref(key)
            .and_compute_with(|present| async move {
                // Read here, one after the other for each bucket, so that its time never goes back.
                let now = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                let kept;
                (kept, *decided) = rate.take(present.map(moka::Entry::into_value), now, cost);
                kept.map_or(Op::Nop, Op::Put)
            })
            .await;
        Ok(decision)
    }
}
