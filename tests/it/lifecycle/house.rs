//! Embedded stores with customers and blobs in them, and sweeps over them, under clocks that stand still.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use pravis::adapters::blobs::DirectoryBlobs;
use pravis::adapters::documents::SqliteDocuments;
use pravis::containers::{
    CATALOGUE, CUSTOMERS, DOCUMENT_CONTAINERS, LIFECYCLE_JOBS, VOICE_RESULTS, VOICE_UPLOADS, customer,
};
use pravis::error::Result;
use pravis::lifecycle::{Retention, fingerprint};
use pravis::ports::blobs::{
    AccessTier, BlobContent, BlobItem, BlobName, BlobProperties, BlobStore, ByteStream, PutOptions, SignedUrl, whole,
};
use pravis::ports::clock::Clock;
use pravis::ports::documents::{DocumentStore, NewDocument, PartitionKey};
use pravis::ports::{Condition, Continuation, Page, PortResult};
use pravis::services::ops::lifecycle::{Count, Deed, Pace, Progress, Run, SweepTicket, Sweeps, Tiers};
use pravis::types::{SampleId, TenantId, UserId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clock::ManualClock;

/// Days by tier that a test can change.
pub struct ChangingTiers(pub Mutex<Retention>);

#[async_trait]
impl Tiers for ChangingTiers {
    async fn retention(&self, _tenant: &TenantId) -> Result<Retention> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// The stores with sweeps over them.
pub struct House {
    pub documents: Arc<SqliteDocuments>,
    pub blobs: Arc<DirectoryBlobs>,
    pub clock: Arc<ManualClock>,
    pub tiers: Arc<ChangingTiers>,
    pub sweeps: Sweeps,
    _place: Option<TempDir>,
}

/// A kept recording of a customer.
#[derive(Clone, Debug)]
pub struct Kept {
    pub user: UserId,
    pub sample: SampleId,
}

impl Kept {
    pub fn path(&self) -> String {
        format!("pravis/{}/{}", self.user, self.sample)
    }

    pub fn upload(&self) -> BlobName {
        BlobName::new(VOICE_UPLOADS, self.path())
    }

    pub fn rendition(&self) -> BlobName {
        BlobName::new(VOICE_RESULTS, format!("{}.opus", self.path()))
    }
}

impl House {
    /// Empty stores; a sweep has looked at them, so that the next acts.
    pub async fn new() -> Self {
        let house = Self::untouched();
        house.sweep().await;
        house.days(1);
        house
    }

    /// Stores that no sweep has seen.
    pub fn untouched() -> Self {
        let place = tempfile::tempdir().unwrap();
        let house = Self::at(place.path(), Arc::new(ManualClock::new()));
        Self { _place: Some(place), ..house }
    }

    /// The stores of a data directory.
    pub fn at(data: &Path, clock: Arc<ManualClock>) -> Self {
        let documents = SqliteDocuments::open(&data.join("documents.db"), &DOCUMENT_CONTAINERS, clock.clone());
        // Signs nothing, so any key does.
        let blobs = DirectoryBlobs::open(&data.join("blobs"), &[7; 32], "http://127.0.0.1:1", clock.clone());
        let (documents, blobs) = (Arc::new(documents.unwrap()), Arc::new(blobs.unwrap()));
        let tiers = Arc::new(ChangingTiers(Mutex::new(Retention::default())));
        let sweeps = Sweeps {
            documents: documents.clone(),
            blobs: blobs.clone(),
            clock: clock.clone(),
            tiers: tiers.clone(),
            rules: fingerprint(),
            pace: Pace::default(),
        };
        Self { documents, blobs, clock, tiers, sweeps, _place: None }
    }

    pub fn days(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
    }

    /// A customer of a tier, who lets voice be kept or not.
    pub async fn customer(&self, tier: &str, stores_voice: bool) -> UserId {
        let user = UserId::generate();
        self.write_customer(&user, tier, stores_voice).await;
        user
    }

    pub async fn write_customer(&self, user: &UserId, tier: &str, stores_voice: bool) {
        let now = self.clock.now();
        let body = json!({
            "kind": "user", "id": user, "email": format!("{user}@example.in").to_lowercase(), "passwordHash": "none",
            "firstName": "Lakshmi", "lastName": "Rao", "role": "customer", "tier": tier, "active": true, "createdAt": now,
            "consents": { "voiceStorage": { "granted": stores_voice, "version": "1.0", "at": now } },
        });
        self.write(user, user.as_str(), &body).await;
    }

    pub async fn write(&self, user: &UserId, id: &str, body: &Value) {
        let partition = customer(&TenantId::pravis(), user.as_str());
        self.documents.upsert(&CUSTOMERS, &partition, NewDocument::new(id, body).unwrap()).await.unwrap();
    }

    /// A completed sample of now whose recording and rendition are kept.
    pub async fn keep(&self, user: &UserId) -> Kept {
        let kept = Kept { user: user.clone(), sample: SampleId::generate() };
        self.put(&kept.upload(), "the recording").await;
        self.put(&kept.rendition(), "the rendition").await;
        self.write_sample(&kept, "completed", true).await;
        kept
    }

    pub async fn write_sample(&self, kept: &Kept, status: &str, is_kept: bool) {
        let now = self.clock.now();
        let body = json!({
            "kind": "sample", "id": kept.sample, "status": status, "contentType": "audio/webm", "createdAt": now,
            "uploadUntil": now, "finishedAt": now, "expiresAt": now + TimeDelta::days(730), "kept": is_kept,
            "recognition": { "engine": "test", "transcript": "red sarees", "language": "en-IN", "confidence": 1.0, "problem": null },
        });
        self.write(&kept.user, kept.sample.as_str(), &body).await;
    }

    pub async fn put(&self, name: &BlobName, content: &str) {
        self.blobs.put(name, whole(content.to_owned()), PutOptions::default()).await.unwrap();
    }

    /// Writes a product of the boutique that shows these files.
    pub async fn show(&self, product: &str, files: &[&str]) {
        let sources: Vec<Value> = files.iter().map(|path| json!({ "path": path })).collect();
        self.write_product(product, &json!({ "pictures": [{ "sources": sources }] })).await;
    }

    pub async fn write_product(&self, product: &str, body: &Value) {
        let document = NewDocument::new(product, body).unwrap();
        self.documents.upsert(&CATALOGUE, &PartitionKey::of(["pravis", "product"]), document).await.unwrap();
    }

    pub async fn tier(&self, name: &BlobName) -> Option<AccessTier> {
        self.blobs.properties(name).await.unwrap().map(|found| found.tier)
    }

    pub async fn is_there(&self, name: &BlobName) -> bool {
        self.tier(name).await.is_some()
    }

    /// A document of a customer.
    pub async fn document(&self, user: &UserId, id: &str) -> Option<Value> {
        let partition = customer(&TenantId::pravis(), user.as_str());
        let found = self.documents.read(&CUSTOMERS, &partition, id).await.unwrap();
        found.map(|document| document.read().unwrap())
    }

    pub async fn sample(&self, kept: &Kept) -> Option<Value> {
        self.document(&kept.user, kept.sample.as_str()).await
    }

    pub async fn paths(&self, container: &'static str) -> Vec<String> {
        let page = self.blobs.list(container, "", 5000, None).await.unwrap();
        page.items.into_iter().map(|item| item.path).collect()
    }

    /// The sweep of this day, from its beginning to its end.
    pub async fn sweep(&self) -> Run {
        let run = self.sweeps.begin_daily().await.unwrap();
        work_off(&self.sweeps).await;
        self.run(&run.id).await
    }

    /// A sweep that only looks.
    pub async fn look(&self) -> Run {
        let run = self.sweeps.begin_extra(true).await.unwrap();
        work_off(&self.sweeps).await;
        self.run(&run.id).await
    }

    pub async fn run(&self, id: &str) -> Run {
        self.sweeps.run(id).await.unwrap().expect("the run is known").0
    }
}

/// How many blobs a run treated in a way.
pub fn blobs(run: &Run, deed: Deed) -> u64 {
    run.tally.get(&deed).copied().unwrap_or_default().blobs
}

/// All that a run did but keep.
pub fn deeds(run: &Run) -> BTreeMap<Deed, Count> {
    run.tally.iter().filter(|(deed, _)| **deed != Deed::Kept).map(|(deed, count)| (*deed, *count)).collect()
}

/// The tickets that lie there.
pub async fn tickets(sweeps: &Sweeps) -> Vec<SweepTicket> {
    let page = sweeps.blobs.list(LIFECYCLE_JOBS, "", 5000, None).await.unwrap();
    let mut tickets = Vec::new();
    for item in page.items {
        let Some(found) = sweeps.blobs.get(&BlobName::new(LIFECYCLE_JOBS, item.path), None).await.unwrap() else {
            continue;
        };
        let content: Vec<_> = found.stream.collect().await;
        let content: Vec<u8> = content.into_iter().flat_map(|piece| piece.unwrap()).collect();
        tickets.push(serde_json::from_slice(&content).unwrap());
    }
    tickets
}

/// Works tickets until there are none.
pub async fn work_off(sweeps: &Sweeps) {
    for _ in 0..10_000 {
        let tickets = tickets(sweeps).await;
        if tickets.is_empty() {
            return;
        }
        for ticket in tickets {
            let progress = sweeps.work(&ticket).await.unwrap();
            assert_ne!(progress, Progress::Elsewhere, "nobody else is at {ticket:?}");
        }
    }
    panic!("the sweep never ends");
}

/// What happens before a call reaches the store; an `Err` is the call's.
pub type Hook = Box<dyn Fn(&'static str, &str) -> BoxFuture<'static, PortResult<()>> + Send + Sync>;

/// A blob store to which something happens.
pub struct Hooked {
    pub inner: Arc<dyn BlobStore>,
    pub before: Hook,
    pub after: Hook,
}

/// Nothing happens.
pub fn nothing() -> Hook {
    Box::new(|_, _| Box::pin(async { Ok(()) }))
}

#[async_trait]
impl BlobStore for Hooked {
    async fn put(&self, name: &BlobName, content: ByteStream, options: PutOptions) -> PortResult<BlobProperties> {
        (self.before)("put", &name.path).await?;
        self.inner.put(name, content, options).await
    }

    async fn properties(&self, name: &BlobName) -> PortResult<Option<BlobProperties>> {
        self.inner.properties(name).await
    }

    async fn get(&self, name: &BlobName, range: Option<Range<u64>>) -> PortResult<Option<BlobContent>> {
        self.inner.get(name, range).await
    }

    async fn delete(&self, name: &BlobName, condition: Condition) -> PortResult<bool> {
        (self.before)("delete", &name.path).await?;
        self.inner.delete(name, condition).await
    }

    async fn list(
        &self,
        container: &'static str,
        prefix: &str,
        limit: usize,
        continuation: Option<Continuation>,
    ) -> PortResult<Page<BlobItem>> {
        (self.before)("list", container).await?;
        let page = self.inner.list(container, prefix, limit, continuation).await?;
        (self.after)("list", container).await?;
        Ok(page)
    }

    async fn set_metadata(&self, name: &BlobName, metadata: BTreeMap<String, String>) -> PortResult<()> {
        self.inner.set_metadata(name, metadata).await
    }

    async fn set_tier(&self, name: &BlobName, tier: AccessTier) -> PortResult<()> {
        (self.before)("set_tier", &name.path).await?;
        self.inner.set_tier(name, tier).await
    }

    async fn upload_url(&self, name: &BlobName, kind: &str, most: u64, life: Duration) -> PortResult<SignedUrl> {
        self.inner.upload_url(name, kind, most, life).await
    }

    async fn download_url(&self, name: &BlobName, valid_for: Duration) -> PortResult<SignedUrl> {
        self.inner.download_url(name, valid_for).await
    }
}
