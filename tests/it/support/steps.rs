//! Stores that stop at a chosen call: to let something happen in between, or as if the process had died
//! there. Whatever a job does between two calls, nobody else can see.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pravis::caching::Caches;
use pravis::identity::{KeyRing, LiveSessions, PasswordHasher, SigningKeys};
use pravis::ports::blobs::{
    AccessTier, BlobContent, BlobItem, BlobName, BlobProperties, BlobStore, ByteStream, PutOptions, SignedUrl,
};
use pravis::ports::documents::{
    BatchError, Container, Document, DocumentStore, NewDocument, Operation, PartitionKey, Query, Scope,
};
use pravis::ports::reporting::{Comparison, ReportingDb, Row, Select, Table};
use pravis::ports::{Condition, Continuation, Page, PortError, PortResult};
use pravis::state::{App, AppState};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::app::TestApp;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// It waits.
    Pause(usize),
    /// It and all after it fail.
    Fail(usize),
}

/// Counts the calls of all stores of one run.
pub struct Steps {
    at: At,
    count: AtomicUsize,
    reached: watch::Sender<bool>,
    go_on: Semaphore,
}

impl Steps {
    /// Waits before call `number`, from 0, until [`Steps::resume`].
    pub fn pause_at(number: usize) -> Arc<Self> {
        Self::new(At::Pause(number))
    }

    /// Fails call `number` and all after it.
    pub fn fail_from(number: usize) -> Arc<Self> {
        Self::new(At::Fail(number))
    }

    fn new(at: At) -> Arc<Self> {
        Arc::new(Self { at, count: AtomicUsize::new(0), reached: watch::Sender::new(false), go_on: Semaphore::new(0) })
    }

    /// Ends when the chosen call is there.
    pub async fn reached(&self) {
        self.reached.subscribe().wait_for(|reached| *reached).await.unwrap();
    }

    /// Whether the chosen call ever came.
    pub fn was_reached(&self) -> bool {
        *self.reached.borrow()
    }

    pub fn resume(&self) {
        self.go_on.add_permits(1);
    }

    async fn step(&self) -> PortResult<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        match self.at {
            At::Pause(chosen) if number == chosen => {
                self.reached.send_replace(true);
                self.go_on.acquire().await.unwrap().forget();
                Ok(())
            }
            At::Fail(chosen) if number >= chosen => {
                self.reached.send_replace(true);
                Err(PortError::unavailable("the process is dead"))
            }
            At::Pause(_) | At::Fail(_) => Ok(()),
        }
    }
}

struct Stepped<T: ?Sized> {
    inner: Arc<T>,
    steps: Arc<Steps>,
}

/// The application of a test over the same stores, which stop as `steps` says.
pub async fn stepped(app: &TestApp, steps: &Arc<Steps>) -> AppState {
    let state = &app.state;
    let documents: Arc<dyn DocumentStore> = Arc::new(Stepped { inner: state.documents.clone(), steps: steps.clone() });
    let key = state.secrets.get("jwt-signing-key").await.unwrap().unwrap();
    let keys = SigningKeys::from_secret(&key, &state.settings.token_issuer, &state.settings.token_audience).unwrap();
    AppState::new(App {
        settings: state.settings.clone(),
        clock: state.clock.clone(),
        sessions: Arc::new(LiveSessions::new(documents.clone(), state.clock.clone())),
        audit: state.audit.clone(),
        api_keys: state.api_keys.clone(),
        tenants: state.tenants.clone(),
        tiers: state.tiers.clone(),
        dedicated_feeds: state.dedicated_feeds.clone(),
        documents,
        blobs: Arc::new(Stepped { inner: state.blobs.clone(), steps: steps.clone() }),
        cache: state.cache.clone(),
        limits: state.limits.clone(),
        invalidations: state.invalidations.clone(),
        reporting: Arc::new(Stepped { inner: state.reporting.clone(), steps: steps.clone() }),
        events: state.events.clone(),
        secrets: state.secrets.clone(),
        speech: state.speech.clone(),
        payments: state.payments.clone(),
        chat: state.chat.clone(),
        keys: KeyRing::fixed(keys),
        passwords: PasswordHasher::new(1),
        caches: Caches::new(1 << 20, None, state.invalidations.clone(), state.clock.clone()),
        openapi: std::sync::LazyLock::new(Box::new(bytes::Bytes::new)),
        voice_slots: Arc::new(Semaphore::new(1)),
        background: JoinSet::new(),
    })
}

#[async_trait]
impl DocumentStore for Stepped<dyn DocumentStore> {
    async fn read(&self, c: &'static Container, p: &PartitionKey, id: &str) -> PortResult<Option<Document>> {
        self.steps.step().await?;
        self.inner.read(c, p, id).await
    }

    async fn create(&self, c: &'static Container, p: &PartitionKey, d: NewDocument) -> PortResult<Document> {
        self.steps.step().await?;
        self.inner.create(c, p, d).await
    }

    async fn replace(
        &self,
        c: &'static Container,
        p: &PartitionKey,
        d: NewDocument,
        condition: Condition,
    ) -> PortResult<Document> {
        self.steps.step().await?;
        self.inner.replace(c, p, d, condition).await
    }

    async fn upsert(&self, c: &'static Container, p: &PartitionKey, d: NewDocument) -> PortResult<Document> {
        self.steps.step().await?;
        self.inner.upsert(c, p, d).await
    }

    async fn delete(&self, c: &'static Container, p: &PartitionKey, id: &str, condition: Condition) -> PortResult<()> {
        self.steps.step().await?;
        self.inner.delete(c, p, id, condition).await
    }

    async fn batch(
        &self,
        c: &'static Container,
        p: &PartitionKey,
        operations: Vec<Operation>,
    ) -> Result<Vec<Option<Document>>, BatchError> {
        self.steps.step().await.map_err(|error| BatchError { index: 0, error })?;
        self.inner.batch(c, p, operations).await
    }

    async fn query(&self, c: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>> {
        self.steps.step().await?;
        self.inner.query(c, scope, query).await
    }

    async fn changes(
        &self,
        c: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        self.steps.step().await?;
        self.inner.changes(c, continuation, limit).await
    }
}

#[async_trait]
impl BlobStore for Stepped<dyn BlobStore> {
    async fn put(&self, name: &BlobName, content: ByteStream, options: PutOptions) -> PortResult<BlobProperties> {
        self.steps.step().await?;
        self.inner.put(name, content, options).await
    }

    async fn properties(&self, name: &BlobName) -> PortResult<Option<BlobProperties>> {
        self.steps.step().await?;
        self.inner.properties(name).await
    }

    async fn get(&self, name: &BlobName, range: Option<Range<u64>>) -> PortResult<Option<BlobContent>> {
        self.steps.step().await?;
        self.inner.get(name, range).await
    }

    async fn delete(&self, name: &BlobName, condition: Condition) -> PortResult<bool> {
        self.steps.step().await?;
        self.inner.delete(name, condition).await
    }

    async fn list(
        &self,
        container: &'static str,
        prefix: &str,
        limit: usize,
        continuation: Option<Continuation>,
    ) -> PortResult<Page<BlobItem>> {
        self.steps.step().await?;
        self.inner.list(container, prefix, limit, continuation).await
    }

    async fn set_metadata(
        &self,
        name: &BlobName,
        metadata: std::collections::BTreeMap<String, String>,
    ) -> PortResult<()> {
        self.steps.step().await?;
        self.inner.set_metadata(name, metadata).await
    }

    async fn set_tier(&self, name: &BlobName, tier: AccessTier) -> PortResult<()> {
        self.steps.step().await?;
        self.inner.set_tier(name, tier).await
    }

    async fn upload_url(&self, name: &BlobName, kind: &str, most: u64, time: Duration) -> PortResult<SignedUrl> {
        self.inner.upload_url(name, kind, most, time).await
    }

    async fn download_url(&self, name: &BlobName, time: Duration) -> PortResult<SignedUrl> {
        self.inner.download_url(name, time).await
    }
}

#[async_trait]
impl ReportingDb for Stepped<dyn ReportingDb> {
    async fn migrate(&self, tables: &'static [&'static Table]) -> PortResult<()> {
        self.inner.migrate(tables).await
    }

    async fn upsert(&self, table: &'static Table, rows: Vec<Row>) -> PortResult<()> {
        self.steps.step().await?;
        self.inner.upsert(table, rows).await
    }

    async fn delete(&self, table: &'static Table, filters: Vec<Comparison>) -> PortResult<u64> {
        self.steps.step().await?;
        self.inner.delete(table, filters).await
    }

    async fn select(&self, select: Select) -> PortResult<Vec<Row>> {
        self.steps.step().await?;
        self.inner.select(select).await
    }
}
