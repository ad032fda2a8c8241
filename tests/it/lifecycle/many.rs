//! A great many blobs, listed by a store that makes them up: 20,000, or `PRAVIS_TEST_BLOBS`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use pravis::containers::{BLOB_CONTAINERS, VOICE_UPLOADS};
use pravis::ports::blobs::{
    AccessTier, BlobContent, BlobItem, BlobName, BlobProperties, BlobStore, ByteStream, PutOptions, SignedUrl,
};
use pravis::ports::clock::Clock;
use pravis::ports::{Condition, Continuation, ETag, Page, PortResult};
use pravis::services::ops::lifecycle::Deed;

use super::house::{House, blobs, work_off};

/// Recordings of nobody, by number; the other containers are real.
struct ManyBlobs {
    inner: Arc<dyn BlobStore>,
    count: u64,
    written_at: DateTime<Utc>,
    deleted: AtomicU64,
    /// The largest page that was asked for.
    page: AtomicUsize,
    deleting: AtomicUsize,
    /// Most deletions at the same time.
    most_deleting: AtomicUsize,
}

#[async_trait]
impl BlobStore for ManyBlobs {
    async fn put(&self, name: &BlobName, content: ByteStream, options: PutOptions) -> PortResult<BlobProperties> {
        self.inner.put(name, content, options).await
    }

    async fn properties(&self, name: &BlobName) -> PortResult<Option<BlobProperties>> {
        self.inner.properties(name).await
    }

    async fn get(&self, name: &BlobName, range: Option<Range<u64>>) -> PortResult<Option<BlobContent>> {
        self.inner.get(name, range).await
    }

    async fn delete(&self, name: &BlobName, condition: Condition) -> PortResult<bool> {
        if name.container != VOICE_UPLOADS {
            return self.inner.delete(name, condition).await;
        }
        assert_eq!(condition, Condition::IfMatch(ETag(format!("version of {}", name.path))));
        let now = self.deleting.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_deleting.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.deleting.fetch_sub(1, Ordering::SeqCst);
        self.deleted.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }

    async fn list(
        &self,
        container: &'static str,
        prefix: &str,
        limit: usize,
        continuation: Option<Continuation>,
    ) -> PortResult<Page<BlobItem>> {
        if container != VOICE_UPLOADS {
            return self.inner.list(container, prefix, limit, continuation).await;
        }
        self.page.fetch_max(limit, Ordering::SeqCst);
        let from: u64 = continuation.map_or(0, |place| place.0.parse().unwrap());
        let end = (from + limit as u64).min(self.count);
        let items = (from..end).map(|number| {
            let path = format!("pravis/nobody{:07}/recording{number:08}", number / 4);
            let properties = BlobProperties {
                etag: ETag(format!("version of {path}")),
                size: 1000,
                content_type: "audio/webm".into(),
                modified_at: self.written_at,
                tier: AccessTier::Hot,
                metadata: BTreeMap::new(),
                tags: BTreeMap::new(),
            };
            BlobItem { path, properties }
        });
        Ok(Page { items: items.collect(), next: (end < self.count).then(|| Continuation(end.to_string())) })
    }

    async fn set_metadata(&self, name: &BlobName, metadata: BTreeMap<String, String>) -> PortResult<()> {
        self.inner.set_metadata(name, metadata).await
    }

    async fn set_tier(&self, name: &BlobName, tier: AccessTier) -> PortResult<()> {
        self.inner.set_tier(name, tier).await
    }

    async fn upload_url(&self, name: &BlobName, kind: &str, most: u64, life: Duration) -> PortResult<SignedUrl> {
        self.inner.upload_url(name, kind, most, life).await
    }

    async fn download_url(&self, name: &BlobName, valid_for: Duration) -> PortResult<SignedUrl> {
        self.inner.download_url(name, valid_for).await
    }
}

/// Memory of this process in KiB, now (`VmRSS` of proc(5)).
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_great_many_blobs_are_swept_a_page_at_a_time() {
    let asked = std::env::var("PRAVIS_TEST_BLOBS").ok().map(|count| count.parse::<u64>().unwrap());
    let count = asked.unwrap_or(20_000);
    let mut house = House::new().await;
    let many = Arc::new(ManyBlobs {
        inner: house.blobs.clone(),
        count,
        written_at: house.clock.now() - TimeDelta::days(2),
        deleted: AtomicU64::new(0),
        page: AtomicUsize::new(0),
        deleting: AtomicUsize::new(0),
        most_deleting: AtomicUsize::new(0),
    });
    house.sweeps.blobs = many.clone();
    // The number of blobs is learnt, and the next sweep is divided by it.
    let looked = house.look().await;
    assert_eq!(blobs(&looked, Deed::DeletedOrphaned), count);
    house.sweeps.pace.pages = 7;
    let before = memory_kib();
    let begun = std::time::Instant::now();
    let run = house.sweeps.begin_daily().await.unwrap();
    assert_eq!(run.slices.len() as u64, BLOB_CONTAINERS.len() as u64 - 1 + count.div_ceil(100_000).clamp(1, 16));
    work_off(&house.sweeps).await;
    let run = house.run(&run.id).await;
    let grown = memory_kib().saturating_sub(before);
    println!("{count} blobs in {:?}, {} slices, memory grown by {grown} KiB", begun.elapsed(), run.slices.len());
    assert_eq!(blobs(&run, Deed::DeletedOrphaned), count);
    assert_eq!(many.deleted.load(Ordering::SeqCst), count, "each once");
    assert!(many.page.load(Ordering::SeqCst) <= 1000 && many.most_deleting.load(Ordering::SeqCst) <= 16);
    // Other tests of the same process take memory too, unless this one runs alone, as the large one does.
    if asked.is_some() {
        assert!(grown < 64 * 1024, "{grown} KiB");
    }
}
