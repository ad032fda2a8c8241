//! Blobs in a directory of this machine.
//!
//! ```text
//! {root}/index.sqlite3              a row for each blob: its properties and its content file
//! {root}/content/{container}/{id}   content files: new id for each write, never changed
//! ```
//!
//! A write streams into a new content file, synchronises it and then replaces the blob's row in one
//! SQLite transaction, which checks the condition. That commit is the one atomic step: before it the
//! old content and properties hold, after it the new ones, also after SIGKILL, loss of power, or with
//! several processes on one directory. SQLite rather than one properties file for each blob, because
//! names then never become file names (1024 characters escaped exceed what file systems take, and
//! some fold case), and listings come in byte order from an index instead of from walking directories.
//!
//! A reader opens the file that the row names; it can read on when the blob is replaced meanwhile.
//! Content files that no row names are left by writers that died: [`DirectoryBlobs::clean_up`].

pub mod blocks;
mod content;
pub mod events;
mod index;
pub mod signing;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rusqlite::{Connection, Transaction};
use tokio::sync::broadcast;
use ulid::Ulid;

use self::content::{ContentFiles, PendingContent};
use self::events::BlobEventKind;
use self::index::StoredBlob;
use self::signing::{Grant, Refusal, Right, Signer};
use super::rules;
use crate::adapters::sqlite::database::{Database, blocking, in_transaction, to_column};
use crate::ports::blobs::{
    AccessTier, BlobContent, BlobItem, BlobName, BlobProperties, BlobStore, ByteStream, PutOptions, SignedUrl,
};
use crate::ports::clock::Clock;
use crate::ports::{Condition, Continuation, ETag, Page, PortError, PortErrorKind, PortResult};

/// The longest life of a signed URL, that of a user delegation key.
pub const MAX_URL_LIFETIME: TimeDelta = TimeDelta::days(7);

/// When a content file that nobody writes or names is removed.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// When blocks are forgotten that nobody commits.
const UPLOAD_AGE: TimeDelta = TimeDelta::days(1);

/// How many writes a listener may lag behind before it is told that it lost some.
const WRITES_BACKLOG: usize = 1024;

/// How often a reader looks again when the content was replaced between look and opening.
const MAX_LOOKS: usize = 16;

/// The most blobs of one page of a listing.
const MAX_PAGE: usize = 5000;

/// Blobs in a directory, to be shared by any number of tasks; see the module for its design.
pub struct DirectoryBlobs {
    files: ContentFiles,
    index_path: PathBuf,
    writer: Database,
    reader: Database,
    signer: Signer,
    base_url: RwLock<String>,
    clock: Arc<dyn Clock>,
    writes: broadcast::Sender<BlobName>,
}

impl DirectoryBlobs {
    /// Opens or creates the directory. `key` (32 bytes or more) signs URLs that begin with `base_url`,
    /// such as `http://127.0.0.1:7071`. Blocks: for start-up only.
    pub fn open(root: &Path, key: &[u8], base_url: &str, clock: Arc<dyn Clock>) -> PortResult<Self> {
        let signer = Signer::new(key)?;
        let files = ContentFiles::open(root.join("content"))?;
        let index_path = root.join("index.sqlite3");
        let writer = Database::open(&index_path, &index::SCHEMA)?;
        let reader = Database::open(&index_path, &index::SCHEMA)?;
        let (base_url, writes) = (RwLock::new(base_url.to_owned()), broadcast::Sender::new(WRITES_BACKLOG));
        Ok(Self { files, index_path, writer, reader, signer, base_url, clock, writes })
    }

    /// Says where URLs signed from now on lead, once the server knows its port.
    pub fn set_base_url(&self, base_url: &str) {
        *self.base_url.write().unwrap_or_else(PoisonError::into_inner) = base_url.to_owned();
    }

    /// Tells each content written through this instance, after it is durable. A listener that lags
    /// gets `Lagged` and then has to list.
    pub fn writes(&self) -> broadcast::Receiver<BlobName> {
        self.writes.subscribe()
    }

    /// What a request to a signed URL may do: its method, its path from `/blobs/` on, still escaped,
    /// and its query without the question mark.
    pub fn authorise(&self, method: &str, path: &str, query: &str) -> Result<Grant, Refusal> {
        self.signer.authorise(method, path, query, self.clock.now())
    }

    /// Forgets blocks that were staged, and events that were told, over a day ago, and removes content files over an
    /// hour old that dead writers left; gives the number of files removed.
    pub async fn clean_up(&self) -> PortResult<u64> {
        let now = self.clock.now();
        let before = to_column(now - UPLOAD_AGE);
        while self.writer.transaction(move |transaction| index::remove_stale_upload(transaction, before)).await? {}
        let before = to_column(now - events::EVENT_AGE);
        self.writer.transaction(move |transaction| events::forget(transaction, before)).await?;
        let (files, index_path) = (self.files.clone(), self.index_path.clone());
        // On a connection of its own, so that a long look does not hold up readers.
        let index = blocking(move || Database::open(&index_path, &index::SCHEMA)).await?;
        index
            .run(move |connection| {
                files.remove_orphans(now.into(), ORPHAN_AGE, |content| index::names(connection, content))
            })
            .await
    }

    /// Refuses a write that cannot succeed before its content is read; the commit checks again.
    async fn check_early(&self, name: &BlobName, condition: &Condition) -> PortResult<()> {
        let (name, condition) = (name.clone(), condition.clone());
        self.reader.run(move |connection| check_writable(connection, &name, &condition).map(drop)).await
    }

    /// Makes `content` the blob's, if the condition and `agreed` allow it, and forgets what is staged.
    async fn commit(
        &self,
        name: &BlobName,
        content: PendingContent,
        options: PutOptions,
        agreed: impl FnOnce(&Transaction<'_>, &BlobName) -> PortResult<()> + Send + 'static,
    ) -> PortResult<BlobProperties> {
        let PutOptions { content_type, metadata, tags, tier, condition } = options;
        let properties = BlobProperties {
            etag: fresh_etag(),
            size: content.size,
            content_type: content_type.unwrap_or_else(|| rules::DEFAULT_CONTENT_TYPE.to_owned()),
            modified_at: self.now(),
            tier,
            metadata,
            tags,
        };
        let (name, files, writes) = (name.clone(), self.files.clone(), self.writes.clone());
        self.writer
            .run(move |connection| {
                let blob = StoredBlob { content: content.id.clone(), properties };
                let (obsolete, lock) = in_transaction(connection, |transaction| {
                    let replaced = check_writable(transaction, &name, &condition)?;
                    agreed(transaction, &name)?;
                    let mut obsolete = index::remove_upload(transaction, &name)?;
                    obsolete.extend(replaced.map(|blob| blob.content));
                    index::store(transaction, &name, &blob)?;
                    events::note(transaction, BlobEventKind::Created, &name, blob.properties.modified_at)?;
                    // Kept already now: a commit that fails may still have reached the disk.
                    Ok((obsolete, content.keep()))
                })?;
                drop(lock);
                obsolete.iter().for_each(|content| files.remove(name.container, content));
                // Fails only when nobody listens.
                let _ = writes.send(name);
                Ok(blob.properties)
            })
            .await
    }

    /// Changes the properties of a blob, which get a new ETag.
    async fn change(
        &self,
        name: &BlobName,
        change: impl FnOnce(&mut BlobProperties) -> PortResult<()> + Send + 'static,
    ) -> PortResult<()> {
        rules::check_name(name)?;
        let (name, now) = (name.clone(), self.now());
        self.writer
            .transaction(move |transaction| {
                let found = index::find(transaction, &name)?;
                let mut blob = found.ok_or_else(|| PortError::not_found("there is no such blob"))?;
                change(&mut blob.properties)?;
                blob.properties.etag = fresh_etag();
                blob.properties.modified_at = now;
                index::store(transaction, &name, &blob)
            })
            .await
    }

    fn signed_url(&self, name: &BlobName, right: &Right, valid_for: Duration) -> PortResult<SignedUrl> {
        rules::check_name(name)?;
        let valid_for = TimeDelta::from_std(valid_for).ok().filter(|valid_for| *valid_for <= MAX_URL_LIFETIME);
        let valid_for = valid_for.ok_or_else(|| PortError::invalid("a signed URL lives for at most 7 days"))?;
        let expires_at = (self.clock.now() + valid_for).trunc_subsecs(0);
        let base_url = self.base_url.read().unwrap_or_else(PoisonError::into_inner);
        let url = self.signer.url(&base_url, name, right, expires_at);
        Ok(SignedUrl { url, headers: BTreeMap::new(), expires_at })
    }

    /// The present time as it can be stored.
    fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }
}

#[async_trait]
impl BlobStore for DirectoryBlobs {
    /// Over an archived blob a `Conflict`, as on Blob Storage.
    async fn put(&self, name: &BlobName, content: ByteStream, options: PutOptions) -> PortResult<BlobProperties> {
        let options = rules::checked(name, options)?;
        self.check_early(name, &options.condition).await?;
        let content = self.files.write(name.container, content).await?;
        self.commit(name, content, options, |_, _| Ok(())).await
    }

    async fn properties(&self, name: &BlobName) -> PortResult<Option<BlobProperties>> {
        rules::check_name(name)?;
        let name = name.clone();
        let found = self.reader.run(move |connection| index::find(connection, &name)).await?;
        Ok(found.map(|blob| blob.properties))
    }

    async fn get(&self, name: &BlobName, range: Option<Range<u64>>) -> PortResult<Option<BlobContent>> {
        rules::check_name(name)?;
        let (name, files) = (name.clone(), self.files.clone());
        let opened = self
            .reader
            .run(move |connection| {
                for _ in 0..MAX_LOOKS {
                    let Some(blob) = index::find(connection, &name)? else { return Ok(None) };
                    if blob.properties.tier == AccessTier::Archive {
                        return Err(archived());
                    }
                    let range = existing(range.clone(), blob.properties.size)?;
                    if let Some(file) = files.read(name.container, &blob.content, blob.properties.size)? {
                        return Ok(Some((blob.properties, file, range)));
                    }
                    let present = index::find(connection, &name)?;
                    if present.is_some_and(|present| present.content == blob.content) {
                        return Err(PortError::corrupt(format!("the content file {} is gone", blob.content)));
                    }
                }
                Err(PortError::unavailable("the blob is replaced faster than it can be opened"))
            })
            .await?;
        Ok(opened
            .map(|(properties, file, range)| BlobContent { properties, stream: content::stream_range(file, range) }))
    }

    async fn delete(&self, name: &BlobName, condition: Condition) -> PortResult<bool> {
        rules::check_name(name)?;
        if condition == Condition::IfAbsent {
            return Err(PortError::invalid("a delete cannot demand that there is nothing to delete"));
        }
        let (name, files, now) = (name.clone(), self.files.clone(), self.now());
        self.writer
            .run(move |connection| {
                let removed = in_transaction(connection, |transaction| {
                    let Some(blob) = index::find(transaction, &name)? else { return Ok(None) };
                    index::check(&condition, Some(&blob))?;
                    index::remove(transaction, &name)?;
                    events::note(transaction, BlobEventKind::Deleted, &name, now)?;
                    Ok(Some(blob.content))
                })?;
                if let Some(content) = &removed {
                    files.remove(name.container, content);
                }
                Ok(removed.is_some())
            })
            .await
    }

    async fn list(
        &self,
        container: &'static str,
        prefix: &str,
        limit: usize,
        continuation: Option<Continuation>,
    ) -> PortResult<Page<BlobItem>> {
        rules::check_container(container)?;
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(PortError::invalid(format!("a page of a listing has 1 to {MAX_PAGE} blobs")));
        }
        let after = continuation.map(|token| self.signer.read_continuation(container, prefix, &token)).transpose()?;
        let wanted = prefix.to_owned();
        let mut items = self
            .reader
            .run(move |connection| index::list(connection, container, &wanted, after.as_deref(), limit + 1))
            .await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| self.signer.continuation(container, prefix, &last.path));
        Ok(Page { items, next })
    }

    /// On an archived blob a `Conflict`, as on Blob Storage.
    async fn set_metadata(&self, name: &BlobName, metadata: BTreeMap<String, String>) -> PortResult<()> {
        let metadata = rules::normal_metadata(metadata)?;
        self.change(name, move |properties| {
            if properties.tier == AccessTier::Archive {
                return Err(archived());
            }
            properties.metadata = metadata;
            Ok(())
        })
        .await
    }

    /// Out of the archive at once, which takes Blob Storage hours.
    async fn set_tier(&self, name: &BlobName, tier: AccessTier) -> PortResult<()> {
        rules::check_name(name)?;
        let (name, now) = (name.clone(), self.now());
        self.writer
            .transaction(move |transaction| {
                let found = index::find(transaction, &name)?;
                let mut blob = found.ok_or_else(|| PortError::not_found("there is no such blob"))?;
                if blob.properties.tier == tier {
                    return Ok(());
                }
                blob.properties.tier = tier;
                index::store(transaction, &name, &blob)?;
                events::note(transaction, BlobEventKind::TierChanged, &name, now)
            })
            .await
    }

    async fn upload_url(
        &self,
        name: &BlobName,
        content_type: &str,
        max_bytes: u64,
        valid_for: Duration,
    ) -> PortResult<SignedUrl> {
        rules::check_content_type(content_type)?;
        let right = Right::Write { content_type: content_type.to_owned(), max_bytes };
        let mut signed = self.signed_url(name, &right, valid_for)?;
        signed.headers.insert("x-ms-blob-type".to_owned(), "BlockBlob".to_owned());
        signed.headers.insert("content-type".to_owned(), content_type.to_owned());
        Ok(signed)
    }

    async fn download_url(&self, name: &BlobName, valid_for: Duration) -> PortResult<SignedUrl> {
        self.signed_url(name, &Right::Read, valid_for)
    }
}

/// Gives the blob that a write would replace, if it may.
fn check_writable(connection: &Connection, name: &BlobName, condition: &Condition) -> PortResult<Option<StoredBlob>> {
    let present = index::find(connection, name)?;
    index::check(condition, present.as_ref())?;
    match present {
        Some(blob) if blob.properties.tier == AccessTier::Archive => Err(archived()),
        present => Ok(present),
    }
}

/// The bytes of a range that exist among `size` (RFC 9110 §14.1.2).
fn existing(range: Option<Range<u64>>, size: u64) -> PortResult<Range<u64>> {
    match range {
        None => Ok(0..size),
        Some(range) if range.start < range.end && range.start < size => Ok(range.start..range.end.min(size)),
        Some(_) => Err(PortError::invalid("the range has no byte of the blob")),
    }
}

fn archived() -> PortError {
    PortError::new(PortErrorKind::Conflict, "the blob is archived")
}

fn fresh_etag() -> ETag {
    ETag(Ulid::generate().to_string())
}
