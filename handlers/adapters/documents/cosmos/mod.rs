//! Azure Cosmos DB for NoSQL (<https://learn.microsoft.com/azure/cosmos-db/nosql/>).
//!
//! Consistency is the account's, Session by default: within this process, what was written is read. Reads
//! go to the nearest region and after a while to the next one too; writes to a region that takes them.

mod charges;
mod connection;
mod databases;
mod errors;
mod feed;
mod item;
mod migrate;
mod options;
mod query;
mod write;

pub use databases::CosmosDatabases;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_data_cosmos::{CosmosRuntime, PartitionKey as WireKey};

use self::connection::{Account, Connection};
use self::item::Stored;
use self::query::Listing;
use super::rules::{self, Step};
use crate::adapters::dependency::Dependency;
use crate::ports::documents::{
    BatchError, Container, Document, DocumentStore, NewDocument, Operation, PartitionKey, Query, Scope,
};
use crate::ports::secrets::SecretSource;
use crate::ports::{Condition, Continuation, Page, PortError, PortErrorKind, PortResult};
use crate::settings::{CosmosSettings, SettingError};

/// Under what name calls are booked and measured.
const SERVICE: &str = "cosmos";

/// [`DocumentStore`] in an account of Azure Cosmos DB.
pub struct CosmosDocuments {
    account: Account,
    service: Dependency,
}

impl CosmosDocuments {
    /// Opens no connection: the first call does. `key` is what `settings.key` refers to; without it
    /// `credential` opens the account. `containers` are all that calls may name.
    ///
    /// # Errors
    /// A region that is not known, or an endpoint over plain HTTP that is not this machine's.
    pub fn new(
        settings: &CosmosSettings,
        key: Option<SecretSource>,
        credential: Arc<dyn TokenCredential>,
        containers: &'static [&'static Container],
    ) -> Result<Self, SettingError> {
        let local = matches!(settings.endpoint.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if settings.endpoint.scheme() != "https" && !local {
            return Err(SettingError::new("COSMOS_ENDPOINT", "expected https, except for an emulator on localhost"));
        }
        let account = Account {
            endpoint: settings.endpoint.clone(),
            database: settings.database.clone(),
            regions: options::regions(&settings.regions)?,
            key,
            credential,
            containers,
            runtime: None,
            connection: Mutex::new(Arc::new(Connection::new(containers.len()))),
        };
        Ok(Self { account, service: Dependency::new(SERVICE, options::TIME_LIMIT) })
    }

    /// Sends requests by `runtime` instead of one of its own, as an emulator in this process needs it.
    #[must_use]
    pub fn with_runtime(mut self, runtime: CosmosRuntime) -> Self {
        self.account.runtime = Some(runtime);
        self
    }

    fn check_container(&self, container: &Container) -> PortResult<()> {
        match self.account.containers.contains(&container) {
            true => Ok(()),
            false => Err(PortError::invalid(format!("the container {} is not in this store", container.name))),
        }
    }

    fn check_partition(&self, container: &Container, key: &PartitionKey) -> PortResult<()> {
        self.check_container(container)?;
        rules::check_partition(container, key)
    }

    async fn write(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        operation: Operation,
    ) -> PortResult<Option<Document>> {
        self.check_partition(container, partition)?;
        let step = Step::of(container, partition, operation)?;
        self.service.call(write::name(&step), write::apply(&self.account, container, partition, step)).await
    }

    async fn put(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        operation: Operation,
    ) -> PortResult<Document> {
        let written = self.write(container, partition, operation).await?;
        written.ok_or_else(|| PortError::corrupt("a write without a document"))
    }
}

#[async_trait]
impl DocumentStore for CosmosDocuments {
    async fn read(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
    ) -> PortResult<Option<Document>> {
        self.check_partition(container, partition)?;
        rules::check_id(id)?;
        let key = wire_key(&partition.0)?;
        let read = self.account.with_container("read", container, |client| {
            let key = key.clone();
            async move { client.read_item(key, id, None).await?.into_body().single() }
        });
        match self.service.call("read", read).await {
            Ok(body) => Stored::parse(&body)?.into_document(container).map(Some),
            Err(error) if error.kind() == PortErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.put(container, partition, Operation::Create(document)).await
    }

    async fn replace(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
        condition: Condition,
    ) -> PortResult<Document> {
        self.put(container, partition, Operation::Replace(document, condition)).await
    }

    async fn upsert(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document> {
        self.put(container, partition, Operation::Upsert(document)).await
    }

    async fn delete(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
        condition: Condition,
    ) -> PortResult<()> {
        self.write(container, partition, Operation::Delete(id.to_owned(), condition)).await.map(drop)
    }

    async fn batch(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        operations: Vec<Operation>,
    ) -> Result<Vec<Option<Document>>, BatchError> {
        let whole = |error| BatchError { index: 0, error };
        self.check_partition(container, partition).map_err(whole)?;
        let steps =
            rules::steps(container, partition, operations).map_err(|(index, error)| BatchError { index, error })?;
        let sent = self.service.call("batch", write::batch(&self.account, container, partition, &steps)).await;
        write::outcome(partition, steps, &sent.map_err(whole)?)
    }

    async fn query(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>> {
        self.check_container(container)?;
        rules::check_query(container, &scope, &query)?;
        let limit = rules::page_size(query.limit)?;
        let listing = Listing::new(container, &scope, &query)?;
        self.service.call("query", listing.page(&self.account, limit)).await
    }

    async fn changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        self.check_container(container)?;
        let limit = rules::page_size(limit)?;
        self.service.call("changes", feed::page(&self.account, container, continuation, limit)).await
    }
}

/// A partition key, or the beginning of one, as the client takes it.
fn wire_key(values: &[String]) -> PortResult<WireKey> {
    let values: Vec<_> = values.iter().map(Into::into).collect();
    WireKey::try_from(values).map_err(|error| errors::failed("partition key", &error))
}
