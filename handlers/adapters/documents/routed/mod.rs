//! One store over several databases: each document is in the database of its tenant. This is the only
//! place that knows; all others see one store.
//!
//! What names a tenant goes to its database. What names none goes to the shared database, where the
//! containers without tenants are; queries over a whole container and its change feed cover all databases. A
//! database that is away harms its own tenants only: such a query, or the feed, gives what the others
//! have, and fails once nothing else is left.

mod feed;
mod listing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::documents::{
    BatchError, Container, Databases, DedicatedFeeds, Document, DocumentStore, Homes, NewDocument, Operation,
    PartitionKey, Query, Scope, Writes,
};
use crate::ports::{Condition, Continuation, Page, PortError, PortResult};
use crate::types::{DatabaseName, Placement};

/// When a write to documents that are being moved is worth another try.
const MOVED_SOON: Duration = Duration::from_secs(10);

/// [`DocumentStore`] over the shared database and the dedicated ones.
pub struct RoutedDocuments {
    shared: Arc<dyn DocumentStore>,
    databases: Arc<dyn Databases>,
    homes: Arc<dyn Homes>,
}

/// A database and the way to it.
struct Member {
    placement: Placement,
    store: PortResult<Arc<dyn DocumentStore>>,
}

impl RoutedDocuments {
    pub fn new(shared: Arc<dyn DocumentStore>, databases: Arc<dyn Databases>, homes: Arc<dyn Homes>) -> Self {
        Self { shared, databases, homes }
    }

    async fn store(&self, placement: &Placement) -> PortResult<Arc<dyn DocumentStore>> {
        match placement {
            Placement::Shared => Ok(self.shared.clone()),
            Placement::Dedicated { database } => self.databases.open(database).await,
        }
    }

    /// The store for reading documents whose partition keys begin with `values`.
    async fn reader(&self, container: &Container, values: &[String]) -> PortResult<Arc<dyn DocumentStore>> {
        match values.first() {
            Some(tenant) if container.is_of_tenants() => self.store(&self.homes.of(tenant).await?.placement).await,
            _ => Ok(self.shared.clone()),
        }
    }

    /// The store for writing into a partition.
    async fn writer(&self, container: &Container, key: &PartitionKey) -> PortResult<Arc<dyn DocumentStore>> {
        let tenant = match key.0.first() {
            Some(tenant) if container.is_of_tenants() => tenant,
            _ => return Ok(self.shared.clone()),
        };
        let home = self.homes.of(tenant).await?;
        let refused = |message: String| Err(PortError::unavailable(message).with_retry_after(MOVED_SOON));
        match home.writes {
            Writes::Allowed => self.store(&home.placement).await,
            Writes::Moving => refused(format!("the documents of {tenant} are being moved")),
            Writes::Uncertain => refused(format!("it is not known whether the documents of {tenant} were moved")),
        }
    }

    /// The dedicated databases, opened; those that cannot be opened with the reason.
    async fn dedicated(&self) -> PortResult<Vec<Member>> {
        let names = self.homes.dedicated().await?;
        let open = |database: DatabaseName| async move {
            let store = self.databases.open(&database).await;
            Member { placement: Placement::Dedicated { database }, store }
        };
        Ok(futures_util::future::join_all(names.into_iter().map(open)).await)
    }

    /// All databases, the shared one first.
    async fn all(&self) -> PortResult<Vec<Member>> {
        let mut members = vec![Member { placement: Placement::Shared, store: Ok(self.shared.clone()) }];
        members.extend(self.dedicated().await?);
        Ok(members)
    }
}

#[async_trait]
impl DocumentStore for RoutedDocuments {
    async fn read(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
    ) -> PortResult<Option<Document>> {
        self.reader(container, &partition.0).await?.read(container, partition, id).await
    }

    async fn create(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.writer(container, partition).await?.create(container, partition, document).await
    }

    async fn replace(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
        condition: Condition,
    ) -> PortResult<Document> {
        self.writer(container, partition).await?.replace(container, partition, document, condition).await
    }

    async fn upsert(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.writer(container, partition).await?.upsert(container, partition, document).await
    }

    async fn delete(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
        condition: Condition,
    ) -> PortResult<()> {
        self.writer(container, partition).await?.delete(container, partition, id, condition).await
    }

    async fn batch(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        operations: Vec<Operation>,
    ) -> Result<Vec<Option<Document>>, BatchError> {
        let store = self.writer(container, partition).await.map_err(|error| BatchError { index: 0, error })?;
        store.batch(container, partition, operations).await
    }

    async fn query(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>> {
        match &scope {
            Scope::Partition(key) => self.reader(container, &key.0).await?.query(container, scope, query).await,
            Scope::Prefix(values) => self.reader(container, values).await?.query(container, scope, query).await,
            Scope::Container if container.is_of_tenants() => {
                let members = self.all().await?.into_iter().map(Arc::new).collect();
                listing::page(&*self.homes, members, container, query).await
            }
            Scope::Container => self.shared.query(container, scope, query).await,
        }
    }

    async fn changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        match container.is_of_tenants() {
            true => feed::page(self.all().await?, container, continuation, limit).await,
            false => self.shared.changes(container, continuation, limit).await,
        }
    }
}

#[async_trait]
impl DedicatedFeeds for RoutedDocuments {
    async fn dedicated_changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        let members = match container.is_of_tenants() {
            true => self.dedicated().await?,
            false => Vec::new(),
        };
        feed::page(members, container, continuation, limit).await
    }
}
