use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;

use super::table::CachePolicy;
use crate::telemetry;

/// How an answer came out of a cache: what `X-Cache` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// From memory or from the shared cache.
    Hit,
    /// Read anew.
    Miss,
    /// From memory, past its freshness: it is being read anew, or cannot be.
    Stale,
    /// The cache was not asked.
    Bypass,
}

impl CacheStatus {
    pub const ALL: [CacheStatus; 4] = [Self::Hit, Self::Miss, Self::Stale, Self::Bypass];

    /// As in `X-Cache`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Stale => "STALE",
            Self::Bypass => "BYPASS",
        }
    }

    /// Of an answer that was made of this and another: the less cached of the two.
    pub fn and(self, other: Self) -> Self {
        let rank = |status| match status {
            Self::Bypass => 3,
            Self::Miss => 2,
            Self::Stale => 1,
            Self::Hit => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
        }
    }
}

/// What came of the requests to one cache of this process.
pub(super) struct Counts {
    counts: [AtomicU64; 4],
    labels: [[KeyValue; 2]; 4],
}

impl Counts {
    pub(super) fn new(policy: &CachePolicy) -> Self {
        let labels = CacheStatus::ALL.map(|status| {
            [KeyValue::new("pravis.cache.name", policy.name), KeyValue::new("pravis.cache.result", status.label())]
        });
        Self { counts: Default::default(), labels }
    }

    pub(super) fn add(&self, status: CacheStatus) {
        let index = status as usize;
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        telemetry::metrics().cache_request(&self.labels[index]);
    }

    pub(super) fn of(&self, status: CacheStatus) -> u64 {
        self.counts[status as usize].load(Ordering::Relaxed)
    }
}

/// One cache as this process sees it.
#[derive(Clone, Debug)]
pub struct CacheStats {
    pub policy: &'static CachePolicy,
    pub hits: u64,
    pub misses: u64,
    pub stale: u64,
    pub bypassed: u64,
    pub entries: u64,
    /// Bytes of keys, values and bookkeeping in this process, and how many there may be.
    pub bytes: u64,
    pub max_bytes: u64,
    /// Loads that are under way.
    pub loading: usize,
}

impl CacheStats {
    /// The part of the requests that were answered without waiting, 0 to 1; `None` before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        let all = self.hits + self.misses + self.stale;
        (all > 0).then(|| (self.hits + self.stale) as f64 / all as f64)
    }
}
