//! Blobs in Azure Blob Storage.
//!
//! What its contract leaves to a service, or the service does in its own way:
//! - Two writes of large contents to one blob at the same time: blocks that the first commit did not use are
//!   gone with it, so the other fails with what its condition says, or `Conflict` without one.
//! - Tags and tier of a blob do not come with its content: [`BlobStore::get`] gives neither.
//! - A listing may give fewer blobs than were asked for and still go on. It is in byte order within a page;
//!   from page to page the order is the service's, which for paths of ASCII is the same.
//! - Out of the archive takes hours; until then a blob is as archived as before.

mod download;
mod listing;
mod migrate;
mod properties;
mod signing;
mod upload;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::Etag;
use azure_storage_blob::models::BlobClientDeleteOptions;
use azure_storage_blob::{BlobClient, BlobServiceClient};

use self::signing::{Right, Signer};
use super::rules;
use crate::adapters::dependency::Dependency;
use crate::adapters::storage_account::{StorageAccount, failure};
use crate::ports::blobs::{
    AccessTier, BlobContent, BlobItem, BlobName, BlobProperties, BlobStore, ByteStream, PutOptions, SignedUrl,
};
use crate::ports::clock::Clock;
use crate::ports::{Condition, Continuation, ETag, Page, PortError, PortResult};
use crate::settings::SettingError;

/// How long the service may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For each call, with all its retries, until the first byte of the answer.
    pub call: Duration,
    /// From one piece of a download to the next. However long the whole takes.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { call: Duration::from_secs(15), idle: Duration::from_secs(15) }
    }
}

/// Blobs of one storage account, to be shared by any number of tasks; see the module for what is particular.
pub struct AzureBlobs {
    service: Arc<Service>,
    signer: Signer,
}

/// The service as the parts of the adapter call it.
struct Service {
    /// Repeats calls that failed.
    client: BlobServiceClient,
    /// Does not: of a conditional write whose answer was lost, the second try would be refused for what
    /// the first did.
    once: BlobServiceClient,
    dependency: Dependency,
    idle_limit: Duration,
}

impl Service {
    async fn call<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, azure_core::Error>>,
    ) -> PortResult<T> {
        let explain = |error| failure::explained(&format!("blobs {operation}"), &error);
        self.dependency.call(operation, async { work.await.map_err(explain) }).await
    }

    /// The same, where 404 is an answer.
    async fn find<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, azure_core::Error>>,
    ) -> PortResult<Option<T>> {
        self.call(operation, async {
            match work.await {
                Ok(found) => Ok(Some(found)),
                Err(error) if failure::is_missing(&error) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    fn blob(&self, name: &BlobName) -> BlobClient {
        self.client.blob_client(name.container, &name.path)
    }

    /// The client for a write under a condition.
    fn blob_for(&self, name: &BlobName, condition: &Condition) -> BlobClient {
        match condition {
            Condition::None => self.blob(name),
            Condition::IfAbsent | Condition::IfMatch(_) => self.once.blob_client(name.container, &name.path),
        }
    }
}

impl AzureBlobs {
    /// Opens no connection.
    ///
    /// # Errors
    /// For an endpoint that cannot be one.
    pub fn new(account: &StorageAccount, clock: Arc<dyn Clock>) -> Result<Self, SettingError> {
        Self::with_limits(account, clock, Limits::default())
    }

    /// The same with other limits of time.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_limits(account: &StorageAccount, clock: Arc<dyn Clock>, limits: Limits) -> Result<Self, SettingError> {
        let client = |retry| {
            account
                .blobs(retry)
                .map_err(|_| SettingError::new("BLOB_SERVICE_URI", "expected the address of a blob service"))
        };
        let service = Arc::new(Service {
            client: client(true)?,
            once: client(false)?,
            dependency: Dependency::new("blobs", limits.call),
            idle_limit: limits.idle,
        });
        let signer = Signer::new(account, service.clone(), clock);
        Ok(Self { service, signer })
    }
}

/// `None` without a condition, `If-Match` and `If-None-Match` else.
fn headers_of(condition: &Condition) -> (Option<Etag>, Option<Etag>) {
    match condition {
        Condition::None => (None, None),
        Condition::IfAbsent => (None, Some("*".into())),
        Condition::IfMatch(etag) => (Some(quoted(etag)), None),
    }
}

fn quoted(etag: &ETag) -> Etag {
    Etag::from(format!("\"{}\"", etag.0))
}

#[async_trait]
impl BlobStore for AzureBlobs {
    /// A content of up to 4 MiB in one call, a larger one in blocks; over an archived blob
    /// a `Conflict`, into a container that was never made a `NotFound`.
    async fn put(&self, name: &BlobName, content: ByteStream, options: PutOptions) -> PortResult<BlobProperties> {
        let options = rules::checked(name, options)?;
        upload::put(&self.service, name, content, options).await
    }

    /// Tags are a second call, made where there are any.
    async fn properties(&self, name: &BlobName) -> PortResult<Option<BlobProperties>> {
        rules::check_name(name)?;
        properties::read(&self.service, name).await
    }

    /// The stream goes on after a broken connection, and ends with `PreconditionFailed` when the blob was
    /// replaced meanwhile.
    async fn get(&self, name: &BlobName, range: Option<Range<u64>>) -> PortResult<Option<BlobContent>> {
        rules::check_name(name)?;
        download::get(&self.service, name, range).await
    }

    async fn delete(&self, name: &BlobName, condition: Condition) -> PortResult<bool> {
        rules::check_name(name)?;
        if condition == Condition::IfAbsent {
            return Err(PortError::invalid("a delete cannot demand that there is nothing to delete"));
        }
        let client = self.service.blob_for(name, &condition);
        let (if_match, _) = headers_of(&condition);
        let options = BlobClientDeleteOptions { if_match, ..Default::default() };
        Ok(self.service.find("delete", client.delete(Some(options))).await?.is_some())
    }

    async fn list(
        &self,
        container: &'static str,
        prefix: &str,
        limit: usize,
        continuation: Option<Continuation>,
    ) -> PortResult<Page<BlobItem>> {
        rules::check_container(container)?;
        listing::page(&self.service, container, prefix, limit, continuation).await
    }

    async fn set_metadata(&self, name: &BlobName, metadata: BTreeMap<String, String>) -> PortResult<()> {
        rules::check_name(name)?;
        let metadata = rules::normal_metadata(metadata)?.into_iter().collect();
        let client = self.service.blob(name);
        self.service.call("set_metadata", client.set_metadata(&metadata, None)).await.map(drop)
    }

    async fn set_tier(&self, name: &BlobName, tier: AccessTier) -> PortResult<()> {
        rules::check_name(name)?;
        let client = self.service.blob(name);
        self.service.call("set_tier", client.set_tier(properties::tier_name(tier), None)).await.map(drop)
    }

    async fn upload_url(
        &self,
        name: &BlobName,
        content_type: &str,
        _max_bytes: u64,
        valid_for: Duration,
    ) -> PortResult<SignedUrl> {
        rules::check_content_type(content_type)?;
        let mut signed = self.signer.sign(name, Right::Write, valid_for).await?;
        signed.headers.insert("x-ms-blob-type".to_owned(), "BlockBlob".to_owned());
        signed.headers.insert("content-type".to_owned(), content_type.to_owned());
        Ok(signed)
    }

    async fn download_url(&self, name: &BlobName, valid_for: Duration) -> PortResult<SignedUrl> {
        self.signer.sign(name, Right::Read, valid_for).await
    }
}
