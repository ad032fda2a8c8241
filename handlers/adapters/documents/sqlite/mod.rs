//! The document store in one SQLite file: writes through one thread that commits them in
//! groups, reads through a few connections beside it. Several processes may open the file.

mod databases;
mod query;
mod read;
mod schema;
mod write;

pub use databases::SqliteDatabases;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use self::query::Listing;
use super::rules::{self, Step};
use crate::adapters::sqlite::{Readers, Writer, failed, open_for_writing};
use crate::ports::clock::Clock;
use crate::ports::documents::{
    BatchError, Container, Document, DocumentStore, NewDocument, Operation, PartitionKey, Query, Scope,
};
use crate::ports::{Condition, Continuation, ETag, Page, PortError, PortResult};

/// [`DocumentStore`] in a file. Dropping it finishes the writes that wait.
pub struct SqliteDocuments {
    containers: &'static [&'static Container],
    clock: Arc<dyn Clock>,
    // Dropped before the writer, whose connection, the last to close, clears the log away.
    readers: Readers,
    writer: Writer,
}

impl SqliteDocuments {
    /// Opens the file, and makes it where there is none. `containers` are all that calls may name.
    ///
    /// # Errors
    /// - [`crate::ports::PortErrorKind::Unavailable`]: the file cannot be made or opened, or a
    ///   later version of the program made it.
    /// - [`crate::ports::PortErrorKind::Corrupt`]: it is no document file, or a container had
    ///   another partition key when it was made.
    pub fn open(path: &Path, containers: &'static [&'static Container], clock: Arc<dyn Clock>) -> PortResult<Self> {
        let conn = open_for_writing(path)?;
        schema::prepare(&conn, containers)?;
        let writer = Writer::start(conn, "documents")?;
        Ok(Self { containers, clock, readers: Readers::new(path), writer })
    }

    /// Counts the commits of this process, so that a reader of the change feed need not ask
    /// in vain. Writes of other processes do not show here.
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.writer.commits()
    }

    /// Makes room: deletes at most `limit` documents that are past their lifetime and gives
    /// their number.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn purge_expired(&self, limit: u32) -> PortResult<u64> {
        let clock = Arc::clone(&self.clock);
        self.writer.call(move |conn| write::purge(conn, limit, Now::by(&*clock))).await?
    }

    fn now(&self) -> Now {
        Now::by(&*self.clock)
    }

    fn partition(&self, container: &'static Container, key: &PartitionKey) -> PortResult<Partition> {
        self.check_container(container)?;
        rules::check_partition(container, key)?;
        Ok(Partition { container: container.name, text: partition_text(&key.0)?, key: key.clone() })
    }

    fn check_container(&self, container: &Container) -> PortResult<()> {
        match self.containers.contains(&container) {
            true => Ok(()),
            false => Err(PortError::invalid(format!("the container {} is not in this store", container.name))),
        }
    }

    /// Does one operation; gives the written document, `None` for a deletion.
    async fn write(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        operation: Operation,
    ) -> PortResult<Option<Document>> {
        let partition = self.partition(container, key)?;
        let step = Step::of(container, key, operation)?;
        let clock = Arc::clone(&self.clock);
        self.writer.call(move |conn| write::apply(conn, &partition, step, Now::by(&*clock))).await?
    }

    async fn put(
        &self,
        container: &'static Container,
        key: &PartitionKey,
        operation: Operation,
    ) -> PortResult<Document> {
        let written = self.write(container, key, operation).await?;
        written.ok_or_else(|| PortError::corrupt("a write without a document"))
    }
}

#[async_trait]
impl DocumentStore for SqliteDocuments {
    async fn read(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
    ) -> PortResult<Option<Document>> {
        let partition = self.partition(container, partition)?;
        rules::check_id(id)?;
        let (id, now) = (id.to_owned(), self.now());
        self.readers.call(move |conn| read::point(conn, &partition, &id, now)).await
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
        let target = self.partition(container, partition).map_err(whole)?;
        let steps =
            rules::steps(container, partition, operations).map_err(|(index, error)| BatchError { index, error })?;
        let clock = Arc::clone(&self.clock);
        let work = move |conn: &rusqlite::Connection| {
            let now = Now::by(&*clock);
            let step =
                |(index, step)| write::apply(conn, &target, step, now).map_err(|error| BatchError { index, error });
            steps.into_iter().enumerate().map(step).collect()
        };
        self.writer.call(work).await.map_err(whole)?
    }

    async fn query(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>> {
        self.check_container(container)?;
        rules::check_query(container, &scope, &query)?;
        let limit = rules::page_size(query.limit)?;
        let listing = Listing::new(container.name, &scope, &query, self.now())?;
        self.readers.call(move |conn| read::page(conn, &listing, limit)).await
    }

    async fn changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>> {
        self.check_container(container)?;
        let limit = rules::page_size(limit)?;
        let after = match &continuation {
            Some(token) => read::changes_position(container.name, token)?,
            None => 0,
        };
        let now = self.now();
        let (items, last) =
            self.readers.call(move |conn| read::changes(conn, container.name, after, limit, now)).await?;
        Ok(Page { items, next: Some(read::changes_token(container.name, last)?) })
    }
}

/// A partition, as the table names it.
struct Partition {
    container: &'static str,
    text: String,
    key: PartitionKey,
}

/// The values of a partition key as a JSON array: unambiguous whatever the values hold.
fn partition_text(values: &[String]) -> PortResult<String> {
    serde_json::to_string(values)
        .map_err(|error| PortError::invalid("a partition key that does not serialise").with_source(error))
}

fn key_of(text: &str) -> PortResult<PartitionKey> {
    serde_json::from_str(text)
        .map(PartitionKey)
        .map_err(|error| PortError::corrupt("a stored partition key is malformed").with_source(error))
}

/// The version of a document: unique in the file by its lsn, and in a file made anew by the time.
fn etag(lsn: i64, modified_at: i64) -> ETag {
    ETag(format!("{modified_at:x}-{lsn:x}"))
}

fn instant(seconds: i64) -> PortResult<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| PortError::corrupt("a stored time is out of range"))
}

/// The time of a call.
#[derive(Clone, Copy)]
struct Now(DateTime<Utc>);

impl Now {
    fn by(clock: &dyn Clock) -> Self {
        Self(clock.now())
    }

    fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    fn to_the_second(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.seconds(), 0).unwrap_or(self.0)
    }

    /// When a document written now expires, in milliseconds since 1970.
    fn after(self, lifetime: Option<u32>) -> Option<i64> {
        lifetime.map(|seconds| self.millis() + i64::from(seconds) * 1000)
    }
}
