//! Blobs of bytes with metadata, after Azure Blob Storage.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use super::{Condition, Continuation, ETag, Page, PortResult};

/// The name of a blob: its container and its path within it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobName {
    /// One of the product's containers: 3 to 63 lower-case letters, digits and hyphens.
    pub container: &'static str,
    /// 1 to 1024 characters, segments parted by `/`. No segment is empty, `.` or `..`, and none
    /// holds control characters or a backslash.
    pub path: String,
}

impl BlobName {
    pub fn new(container: &'static str, path: impl Into<String>) -> Self {
        Self { container, path: path.into() }
    }
}

/// How soon and at what price a blob can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessTier {
    #[default]
    Hot,
    Cool,
    Cold,
    /// Cannot be read until it is moved to another tier.
    Archive,
}

/// What is known of a blob without reading it.
#[derive(Clone, Debug)]
pub struct BlobProperties {
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    pub content_type: String,
    pub modified_at: DateTime<Utc>,
    pub tier: AccessTier,
    /// Names are ASCII letters, digits and underscores, kept in lower case.
    pub metadata: BTreeMap<String, String>,
    /// At most 10.
    pub tags: BTreeMap<String, String>,
}

/// How a blob is written.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// `application/octet-stream` where nothing is said.
    pub content_type: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub tier: AccessTier,
    pub condition: Condition,
}

/// The content of a blob or of a range of it.
pub struct BlobContent {
    /// Of the whole blob, also when a range was asked for. Tags and tier may be missing: Blob Storage does
    /// not give them with the content; see [`BlobStore::properties`].
    pub properties: BlobProperties,
    pub stream: BoxStream<'static, PortResult<Bytes>>,
}

/// A blob in a listing.
#[derive(Clone, Debug)]
pub struct BlobItem {
    pub path: String,
    pub properties: BlobProperties,
}

/// A right to one blob and one verb for a short time, to be handed to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUrl {
    pub url: String,
    /// Headers that the client must send with it.
    pub headers: BTreeMap<String, String>,
    pub expires_at: DateTime<Utc>,
}

/// What a stream of content is made of.
pub type ByteStream = BoxStream<'static, PortResult<Bytes>>;

/// Blobs by container and path.
///
/// - A write is atomic: a reader sees the old content or the new, whole. It is acknowledged only
///   once it survives the death of process and machine. A failed or dropped write leaves
///   nothing behind that a reader or a listing shows.
/// - Every write of content or metadata gives a new ETag; one of tags or tier does not.
/// - A malformed name is an `InvalidRequest`.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Writes a blob from a stream, overwriting unless `options.condition` forbids it: `Conflict`
    /// when [`Condition::IfAbsent`] finds one, `PreconditionFailed` when [`Condition::IfMatch`] finds
    /// another version or none. An error of the stream becomes the error of the call.
    async fn put(&self, name: &BlobName, content: ByteStream, options: PutOptions) -> PortResult<BlobProperties>;

    /// What is known of a blob, or `None`.
    async fn properties(&self, name: &BlobName) -> PortResult<Option<BlobProperties>>;

    /// The content of a blob, or of the bytes of `range` that exist; `None` when there is no blob. A
    /// range that begins at or past the end is an `InvalidRequest`, an archived blob a `Conflict`.
    async fn get(&self, name: &BlobName, range: Option<Range<u64>>) -> PortResult<Option<BlobContent>>;

    /// Deletes a blob; `false` when there is none. `PreconditionFailed` for another version.
    async fn delete(&self, name: &BlobName, condition: Condition) -> PortResult<bool>;

    /// One page of the blobs whose paths begin with `prefix`, by path in byte order; `limit` is 1 to
    /// 5000. A page may have fewer and still not be the last: `next` tells.
    async fn list(
        &self,
        container: &'static str,
        prefix: &str,
        limit: usize,
        continuation: Option<Continuation>,
    ) -> PortResult<Page<BlobItem>>;

    /// Replaces the metadata; `NotFound` when there is no blob.
    async fn set_metadata(&self, name: &BlobName, metadata: BTreeMap<String, String>) -> PortResult<()>;

    /// Moves a blob to another tier; `NotFound` when there is none. Its content is as old as before:
    /// `modified_at` stays. Out of the archive it may take hours, until which it is as archived as before,
    /// and a second call may be a `Conflict`.
    async fn set_tier(&self, name: &BlobName, tier: AccessTier) -> PortResult<()>;

    /// A URL to which one client may `PUT` this one blob, at once or in blocks. A store that serves the URL
    /// itself takes at most `max_bytes`; Blob Storage cannot be told so, and takes any number: whoever
    /// relies on the limit looks at the size of what was uploaded.
    async fn upload_url(
        &self,
        name: &BlobName,
        content_type: &str,
        max_bytes: u64,
        valid_for: Duration,
    ) -> PortResult<SignedUrl>;

    /// A URL from which one client may `GET` this one blob, as `content_type`.
    async fn download_url(&self, name: &BlobName, valid_for: Duration) -> PortResult<SignedUrl>;
}

/// A stream of the one piece of content that is already in memory.
pub fn whole(content: impl Into<Bytes>) -> ByteStream {
    let content = content.into();
    Box::pin(futures_util::stream::once(async move { Ok(content) }))
}
