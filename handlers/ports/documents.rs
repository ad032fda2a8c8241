//! Partitioned JSON documents, after Cosmos DB.

mod container;
mod databases;

pub use container::{Container, Indexing, OrderIndex};
pub use databases::{Databases, DedicatedFeeds, Home, Homes, Writes};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Condition, Continuation, ETag, Page, PortError, PortResult};

/// The values of a partition key, in the order of [`Container::partition_key`]; together at most
/// 2 KB.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey(pub Vec<String>);

impl PartitionKey {
    pub fn of<const N: usize>(values: [&str; N]) -> Self {
        Self(values.iter().map(|&value| value.to_owned()).collect())
    }
}

/// A document as it is stored.
#[derive(Clone, Debug)]
pub struct Document {
    pub id: String,
    pub partition: PartitionKey,
    pub etag: ETag,
    /// When it was last written, to the second.
    pub modified_at: DateTime<Utc>,
    /// The JSON object with `id`, the fields of the partition key and, where the writer set
    /// it, `ttl`; without the service's own properties (those that begin with `_`).
    pub body: Box<RawValue>,
}

impl Document {
    /// Reads the body as `T`.
    ///
    /// # Errors
    /// [`super::PortErrorKind::Corrupt`] when the body is not a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> PortResult<T> {
        serde_json::from_str(self.body.get())
            .map_err(|error| PortError::corrupt(format!("document {} has another shape", self.id)).with_source(error))
    }
}

/// How long a document lives after its last write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// As long as its container says.
    #[default]
    Default,
    /// For ever, whatever the container says.
    Never,
    /// This many seconds, 1 to 2 147 483 647.
    Seconds(u32),
}

/// A document to be written. The adapter adds `id`, the partition key's fields and `ttl` to
/// the body, so they cannot disagree with what the call says.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// 1 to 255 characters without `/`, `\`, `?` and `#` (Cosmos DB's rule). Where the partition
    /// key is `id`, the same text as its value.
    pub id: String,
    /// Nested at most 128 deep; no field on its first level begins with `_`, which are names of
    /// the service. What it says under `id`, the partition key's fields and `ttl` is overwritten.
    pub body: Map<String, Value>,
    pub ttl: Ttl,
}

impl NewDocument {
    /// # Errors
    /// [`super::PortErrorKind::InvalidRequest`] when `body` does not serialise to a JSON object.
    pub fn new(id: impl Into<String>, body: &impl Serialize) -> PortResult<Self> {
        match serde_json::to_value(body) {
            Ok(Value::Object(body)) => Ok(Self { id: id.into(), body, ttl: Ttl::Default }),
            Ok(_) => Err(PortError::invalid("a document must be a JSON object")),
            Err(error) => Err(PortError::invalid("a document does not serialise").with_source(error)),
        }
    }

    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }
}

/// One step of a transactional batch.
#[derive(Clone, Debug)]
pub enum Operation {
    Create(NewDocument),
    /// Creates or replaces, whatever is there.
    Upsert(NewDocument),
    /// Replaces what exists; with [`Condition::IfMatch`] only that version.
    Replace(NewDocument, Condition),
    Delete(String, Condition),
}

/// Why a batch was not done: nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[error("operation {index} of the batch failed: {error}")]
pub struct BatchError {
    /// The operation that failed, from 0; 0 also when the batch as a whole was refused. A malformed
    /// operation is told before one that what is stored is against.
    pub index: usize,
    pub error: PortError,
}

/// Which documents a query looks at.
#[derive(Clone, Debug)]
pub enum Scope<'a> {
    /// One logical partition: what a shopper's request may ask.
    Partition(&'a PartitionKey),
    /// All partitions whose keys begin with these values: for staff and upkeep only.
    Prefix(&'a [String]),
    /// The whole container: for upkeep only.
    Container,
}

/// A condition on one field. Fields are named by a path with dots (`result.intent`); names
/// hold ASCII letters, digits and underscores. A comparison is true only between values
/// of the same JSON type (5 equals 5.0, not "5"), never for a field that is absent. Text compares
/// by code point. Values are scalars; anything else is an `InvalidRequest`.
#[derive(Clone, Debug)]
pub enum Filter {
    Equal(&'static str, Value),
    /// Not against null, which is unequal to nothing of its type: an `InvalidRequest`.
    NotEqual(&'static str, Value),
    /// This and the next three: numbers and text.
    Less(&'static str, Value),
    LessOrEqual(&'static str, Value),
    Greater(&'static str, Value),
    GreaterOrEqual(&'static str, Value),
    /// One of at most 100 scalars; never true for none.
    In(&'static str, Vec<Value>),
    StartsWith(&'static str, String),
    /// An array that holds this scalar.
    ArrayContains(&'static str, Value),
}

/// The order of a query's answer: by one scalar field, ties by id in the same direction (and then by
/// partition key). A container that indexes only some fields can be ordered by its [`OrderIndex`]es only. Over all types: absent, null, false, true, numbers, text by code point; then
/// arrays and objects as ties (Cosmos DB's order).
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Ascending(&'static str),
    Descending(&'static str),
}

/// What a query asks for: documents for which every filter holds.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub filters: Vec<Filter>,
    /// By id where nothing is said.
    pub order: Option<Order>,
    /// Documents a page: 1 to 1000; 0 means 100. A page may hold fewer where they are large (Cosmos DB
    /// ends one at 4 MB); only `next` says whether more follow.
    pub limit: usize,
    pub continuation: Option<Continuation>,
}

/// Partitioned JSON documents with ETags, lifetimes and a change feed.
///
/// - A write is acknowledged only once it survives the death of process and machine.
/// - `(container, partition key, id)` names one document; the same id may exist in other
///   partitions.
/// - A document past its lifetime is never seen, though it may still take room.
/// - A body of more than 2 MB is refused with `TooLarge`, and so are bodies of more than 2 MB in
///   one batch; a wrong number of partition-key values or a malformed id with `InvalidRequest`,
///   in reads too.
/// - A call that a caller stops waiting for may have been done.
#[async_trait]
pub trait DocumentStore: Send + Sync {
    /// The document, or `None`.
    async fn read(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
    ) -> PortResult<Option<Document>>;

    /// Writes a new document; `Conflict` when the id is taken in this partition.
    async fn create(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document>;

    /// Replaces a document: `NotFound` when there is none, `PreconditionFailed` when
    /// `condition` is [`Condition::IfMatch`] with another version. `IfAbsent` makes no sense here
    /// and is an `InvalidRequest`.
    async fn replace(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
        condition: Condition,
    ) -> PortResult<Document>;

    /// Creates or replaces a document.
    async fn upsert(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        document: NewDocument,
    ) -> PortResult<Document>;

    /// Deletes a document: `NotFound` when there is none, `PreconditionFailed` and `InvalidRequest`
    /// as in `replace`.
    async fn delete(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        id: &str,
        condition: Condition,
    ) -> PortResult<()>;

    /// Does all operations or none, within one partition, one after another; 1 to 100 operations.
    /// Gives the written documents in order, `None` for deletions.
    async fn batch(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        operations: Vec<Operation>,
    ) -> Result<Vec<Option<Document>>, BatchError>;

    /// One page of the documents that match. A listing that is continued while documents change
    /// shows each document that existed throughout and never changed exactly once.
    async fn query(&self, container: &'static Container, scope: Scope<'_>, query: Query) -> PortResult<Page<Document>>;

    /// The next documents of the change feed after `continuation` (from the beginning without
    /// one): the latest version of every document written since, in the order of writing within a
    /// partition, without deletions and without versions that were overwritten meanwhile (Cosmos
    /// DB's latest-version mode). `limit` as in [`Query`]. `next` is always given, and goes on where
    /// this page ends; an empty page says that nothing was left when it was asked for.
    async fn changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>>;
}
