//! A deployment of two databases, and stores that die or lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pravis::adapters::cache::MemoryInvalidations;
use pravis::adapters::documents::{RoutedDocuments, SqliteDatabases, SqliteDocuments};
use pravis::containers::{CUSTOMERS, DOCUMENT_CONTAINERS, EVENTS, STOCK, TENANT_CONTAINERS, TENANTS, customer};
use pravis::ports::clock::{Clock, SystemClock};
use pravis::ports::documents::{
    BatchError, Container, Databases, Document, DocumentStore, NewDocument, Operation, PartitionKey, Query, Scope, Ttl,
};
use pravis::ports::{Condition, Continuation, Page, PortError, PortResult};
use pravis::services::tenants::{Mover, Tenancy, Waits};
use pravis::tenants::{Tenant, TenantDirectory};
use pravis::types::{DatabaseName, Placement, TenantId, TierId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clock::ManualClock;
use crate::support::cosmos::Emulator;

/// The stores of a deployment, under a clock that stands still.
pub struct Deployment {
    pub clock: Arc<ManualClock>,
    pub shared: Arc<dyn DocumentStore>,
    pub databases: Arc<dyn Databases>,
    _kept: Box<dyn std::any::Any + Send + Sync>,
}

impl Deployment {
    pub fn on_sqlite() -> Self {
        let folder: TempDir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let file = folder.path().join("documents.db");
        let shared = Arc::new(SqliteDocuments::open(&file, &DOCUMENT_CONTAINERS, clock.clone()).unwrap());
        let databases = SqliteDatabases::new(folder.path(), &TENANT_CONTAINERS, clock.clone());
        Self { clock, shared, databases, _kept: Box::new(folder) }
    }

    pub async fn on_cosmos() -> Self {
        let emulator = Emulator::with(&DOCUMENT_CONTAINERS);
        let shared = Arc::new(emulator.documents(&DOCUMENT_CONTAINERS).await);
        let databases = Arc::new(emulator.databases(&TENANT_CONTAINERS).await);
        // The emulator goes by the machine's clock; here it is a minute later, so that nothing looks late.
        let clock = Arc::new(ManualClock::new());
        clock.advance(SystemClock.now() - clock.now() + chrono::TimeDelta::minutes(1));
        Self { clock, shared, databases, _kept: Box::new(emulator) }
    }

    pub fn tenancy(&self) -> Tenancy {
        Tenancy::new(self.shared.clone(), Arc::new(MemoryInvalidations::new()))
    }

    /// What moves tenants, without waiting.
    pub fn mover(&self) -> Mover {
        let waits = Waits { fence: Duration::ZERO, hold: Duration::from_secs(60) };
        Mover {
            tenancy: self.tenancy(),
            shared: self.shared.clone(),
            databases: self.databases.clone(),
            containers: &TENANT_CONTAINERS,
            clock: self.clock.clone(),
            waits,
            progress: |_| {},
        }
    }

    /// The same over stores that die after so many calls.
    pub fn mortal_mover(&self, calls: usize) -> Mover {
        let left = Arc::new(AtomicUsize::new(calls));
        let mortal = |store| Arc::new(Mortal { store, left: left.clone() }) as Arc<dyn DocumentStore>;
        let shared = mortal(self.shared.clone());
        Mover {
            tenancy: Tenancy::new(shared.clone(), Arc::new(MemoryInvalidations::new())),
            shared,
            databases: Arc::new(MortalDatabases { databases: self.databases.clone(), left }),
            ..self.mover()
        }
    }

    /// The shared database, gone for good after so many calls; the last of them fails already.
    pub fn mortal_store(&self, calls: usize) -> Arc<dyn DocumentStore> {
        Arc::new(Mortal { store: self.shared.clone(), left: Arc::new(AtomicUsize::new(calls)) })
    }

    /// A process that has just started.
    pub fn process(&self, life: Duration) -> RoutedDocuments {
        let directory = TenantDirectory::new(self.shared.clone(), life);
        RoutedDocuments::new(self.shared.clone(), self.databases.clone(), Arc::new(directory))
    }

    pub async fn record(&self, id: &TenantId) -> Tenant {
        self.tenancy().find(id).await.unwrap().unwrap().0
    }

    /// A tenant in the shared database.
    pub async fn tenant(&self, id: &str) -> TenantId {
        let id: TenantId = id.parse().unwrap();
        let now = self.clock.now();
        let record = Tenant {
            kind: Tenant::KIND.into(),
            id: id.clone(),
            name: "Weavers of Gadwal".into(),
            tier: TierId::FREE,
            hosts: Vec::new(),
            suspended: false,
            placement: Placement::Shared,
            movement: None,
            left_behind: None,
            version: 1,
            created_at: now,
            changed_at: now,
        };
        let document = NewDocument::new(id.as_str(), &record).unwrap();
        self.shared.create(&TENANTS, &pravis::containers::tenant(&id), document).await.unwrap();
        id
    }

    pub async fn store(&self, placement: &Placement) -> Arc<dyn DocumentStore> {
        match placement {
            Placement::Shared => self.shared.clone(),
            Placement::Dedicated { database } => self.databases.open(database).await.unwrap(),
        }
    }

    /// What a store holds of a tenant, without lives: container, partition, id, body.
    pub async fn held(&self, placement: &Placement, tenant: &TenantId) -> Vec<(String, Vec<String>, String, Value)> {
        let store = self.store(placement).await;
        let mut held = Vec::new();
        for &container in TENANT_CONTAINERS.iter() {
            let prefix = [tenant.to_string()];
            let query = Query { limit: 1000, ..Query::default() };
            for document in store.query(container, Scope::Prefix(&prefix), query).await.unwrap().items {
                let mut body: Value = document.read().unwrap();
                body.as_object_mut().unwrap().remove("ttl");
                held.push((container.name.to_owned(), document.partition.0.clone(), document.id.clone(), body));
            }
        }
        held.sort_by_key(|(container, partition, id, _)| (container.clone(), partition.clone(), id.clone()));
        held
    }

    /// Some documents of a tenant in several containers and partitions.
    pub async fn fill(&self, tenant: &TenantId, count: usize) {
        for n in 0..count {
            let partition = customer(tenant, &format!("usr_{}", n % 3));
            let body = json!({ "kind": "thing", "n": n, "half": n as f64 / 3.0, "text": "रेशम \u{0} \"'" });
            let document = NewDocument::new(format!("doc-{n:03}"), &body).unwrap();
            self.shared.create(&CUSTOMERS, &partition, document).await.unwrap();
        }
        let partition = PartitionKey::of([tenant.as_str(), "prd_1"]);
        let kept = NewDocument::new("stock", &json!({ "quantity": 5 })).unwrap().with_ttl(Ttl::Never);
        self.shared.create(&STOCK, &partition, kept).await.unwrap();
        let partition = PartitionKey::of([tenant.as_str(), "hour"]);
        let event = NewDocument::new("event", &json!({ "name": "view" })).unwrap();
        self.shared.create(&EVENTS, &partition, event).await.unwrap();
    }
}

pub fn dedicated() -> Placement {
    let database: DatabaseName = "weaves".parse().unwrap();
    Placement::Dedicated { database }
}

/// A store of a process that is killed after so many calls: every other call that kills is done before.
struct Mortal {
    store: Arc<dyn DocumentStore>,
    left: Arc<AtomicUsize>,
}

enum Fate {
    Lives,
    DiesBefore,
    DiesAfter,
}

impl Mortal {
    fn fate(&self) -> Fate {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(1) => Fate::DiesAfter,
            Ok(_) => Fate::Lives,
            Err(_) => Fate::DiesBefore,
        }
    }

    async fn write<T>(&self, work: impl Future<Output = PortResult<T>>) -> PortResult<T> {
        match self.fate() {
            Fate::Lives => work.await,
            Fate::DiesBefore => Err(dead()),
            Fate::DiesAfter => work.await.and(Err(dead())),
        }
    }
}

fn dead() -> PortError {
    PortError::unavailable("the process is dead")
}

#[async_trait]
impl DocumentStore for Mortal {
    async fn read(&self, container: &'static Container, key: &PartitionKey, id: &str) -> PortResult<Option<Document>> {
        self.write(self.store.read(container, key, id)).await
    }

    async fn create(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.write(self.store.create(container, key, document)).await
    }

    async fn replace(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        document: NewDocument,
        condition: Condition,
    ) -> PortResult<Document> {
        self.write(self.store.replace(container, key, document, condition)).await
    }

    async fn upsert(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.write(self.store.upsert(container, key, document)).await
    }

    async fn delete(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        id: &str,
        condition: Condition,
    ) -> PortResult<()> {
        self.write(self.store.delete(container, key, id, condition)).await
    }

    async fn batch(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        operations: Vec<Operation>,
    ) -> Result<Vec<Option<Document>>, BatchError> {
        let work = async { self.store.batch(container, key, operations).await.map_err(|failed| failed.error) };
        self.write(work).await.map_err(|error| BatchError { index: 0, error })
    }

    async fn query(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>> {
        self.write(self.store.query(container, scope, query)).await
    }

    async fn changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        self.write(self.store.changes(container, continuation, limit)).await
    }
}

struct MortalDatabases {
    databases: Arc<dyn Databases>,
    left: Arc<AtomicUsize>,
}

#[async_trait]
impl Databases for MortalDatabases {
    async fn open(&self, name: &DatabaseName) -> PortResult<Arc<dyn DocumentStore>> {
        let store = self.databases.open(name).await?;
        Ok(Arc::new(Mortal { store, left: self.left.clone() }))
    }

    async fn prepare(&self, name: &DatabaseName) -> PortResult<()> {
        self.databases.prepare(name).await
    }
}

/// Databases whose stores say that a document was written, and forget it.
pub struct Forgetful {
    pub databases: Arc<dyn Databases>,
    pub forgotten: &'static str,
}

struct ForgetfulStore {
    store: Arc<dyn DocumentStore>,
    forgotten: &'static str,
}

#[async_trait]
impl Databases for Forgetful {
    async fn open(&self, name: &DatabaseName) -> PortResult<Arc<dyn DocumentStore>> {
        let store = self.databases.open(name).await?;
        Ok(Arc::new(ForgetfulStore { store, forgotten: self.forgotten }))
    }

    async fn prepare(&self, name: &DatabaseName) -> PortResult<()> {
        self.databases.prepare(name).await
    }
}

#[async_trait]
impl DocumentStore for ForgetfulStore {
    async fn read(&self, container: &'static Container, key: &PartitionKey, id: &str) -> PortResult<Option<Document>> {
        self.store.read(container, key, id).await
    }

    async fn create(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        let id = document.id.clone();
        let written = self.store.create(container, key, document).await?;
        if id == self.forgotten {
            self.store.delete(container, key, &id, Condition::None).await?;
        }
        Ok(written)
    }

    async fn replace(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        document: NewDocument,
        condition: Condition,
    ) -> PortResult<Document> {
        self.store.replace(container, key, document, condition).await
    }

    async fn upsert(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.store.upsert(container, key, document).await
    }

    async fn delete(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        id: &str,
        condition: Condition,
    ) -> PortResult<()> {
        self.store.delete(container, key, id, condition).await
    }

    async fn batch(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        operations: Vec<Operation>,
    ) -> Result<Vec<Option<Document>>, BatchError> {
        self.store.batch(container, key, operations).await
    }

    async fn query(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>> {
        self.store.query(container, scope, query).await
    }

    async fn changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        self.store.changes(container, continuation, limit).await
    }
}
