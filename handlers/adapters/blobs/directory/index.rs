//! What a [`super::DirectoryBlobs`] knows of its blobs: one SQLite row for each, which names the
//! content file, so that content and properties change in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::adapters::sqlite::database::{Schema, from_column, to_column};
use crate::adapters::sqlite::failed;
use crate::ports::blobs::{AccessTier, BlobItem, BlobName, BlobProperties};
use crate::ports::{Condition, ETag, PortError, PortResult};

/// Paths are stored as bytes, which SQLite compares as `memcmp` does. `uploads` keeps the sums over
/// `blocks`, so that staging a block costs the same however many there are.
pub(super) const SCHEMA: Schema = Schema {
    version: 2,
    statements: "
        CREATE TABLE IF NOT EXISTS blobs (
            container TEXT NOT NULL,
            path BLOB NOT NULL,
            content TEXT NOT NULL UNIQUE,
            size INTEGER NOT NULL,
            etag TEXT NOT NULL,
            content_type TEXT NOT NULL,
            modified_at INTEGER NOT NULL,
            tier TEXT NOT NULL,
            metadata TEXT NOT NULL,
            tags TEXT NOT NULL,
            PRIMARY KEY (container, path)
        ) STRICT;
        CREATE TABLE IF NOT EXISTS uploads (
            container TEXT NOT NULL,
            path BLOB NOT NULL,
            blocks INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            id_length INTEGER NOT NULL,
            touched_at INTEGER NOT NULL,
            PRIMARY KEY (container, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS uploads_by_age ON uploads (touched_at);
        CREATE TABLE IF NOT EXISTS blocks (
            container TEXT NOT NULL,
            path BLOB NOT NULL,
            block_id TEXT NOT NULL,
            content TEXT NOT NULL UNIQUE,
            size INTEGER NOT NULL,
            PRIMARY KEY (container, path, block_id)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            container TEXT NOT NULL,
            path TEXT NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX IF NOT EXISTS events_by_age ON events (at);",
};

const COLUMNS: &str = "content, size, etag, content_type, modified_at, tier, metadata, tags";

/// A blob as the index knows it.
pub(super) struct StoredBlob {
    /// The id of its content file.
    pub content: String,
    pub properties: BlobProperties,
}

pub(super) fn find(connection: &Connection, name: &BlobName) -> PortResult<Option<StoredBlob>> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM blobs WHERE container = ?1 AND path = ?2"))
        .map_err(failed)?;
    let mut rows = statement.query(params![name.container, name.path.as_bytes()]).map_err(failed)?;
    rows.next().map_err(failed)?.map(stored_blob).transpose()
}

/// Inserts or replaces.
pub(super) fn store(transaction: &Transaction<'_>, name: &BlobName, blob: &StoredBlob) -> PortResult<()> {
    let StoredBlob { content, properties } = blob;
    transaction
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO blobs (container, path, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ))
        .and_then(|mut statement| {
            statement.execute(params![
                name.container,
                name.path.as_bytes(),
                content,
                properties.size.cast_signed(),
                properties.etag.0,
                properties.content_type,
                to_column(properties.modified_at),
                tier_name(properties.tier),
                pairs_column(&properties.metadata),
                pairs_column(&properties.tags),
            ])
        })
        .map_err(failed)?;
    Ok(())
}

pub(super) fn remove(transaction: &Transaction<'_>, name: &BlobName) -> PortResult<()> {
    transaction
        .execute("DELETE FROM blobs WHERE container = ?1 AND path = ?2", params![name.container, name.path.as_bytes()])
        .map_err(failed)?;
    Ok(())
}

/// The blobs whose paths begin with `prefix` and come after `after`, by path; at most `limit`.
pub(super) fn list(
    connection: &Connection,
    container: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> PortResult<Vec<BlobItem>> {
    // No byte of UTF-8 is 0xFF, so every continuation of the prefix is below it.
    let end = [prefix.as_bytes(), &[0xFF]].concat();
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, path FROM blobs
             WHERE container = ?1 AND path >= ?2 AND path < ?3 AND path > ?4 ORDER BY path LIMIT ?5"
        ))
        .map_err(failed)?;
    let start = prefix.as_bytes();
    let after = after.unwrap_or_default().as_bytes();
    let mut rows = statement.query(params![container, start, end, after, limit as i64]).map_err(failed)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let path = String::from_utf8(row.get(8).map_err(failed)?);
        let path = path.map_err(|error| PortError::corrupt("a stored path is not UTF-8").with_source(error))?;
        items.push(BlobItem { path, properties: stored_blob(row)?.properties });
    }
    Ok(items)
}

/// Whether a blob or a staged block is made of this content file.
pub(super) fn names(connection: &Connection, content: &str) -> PortResult<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM blobs WHERE content = ?1) OR EXISTS (SELECT 1 FROM blocks WHERE content = ?1)",
        )
        .and_then(|mut statement| statement.query_row([content], |row| row.get(0)))
        .map_err(failed)
}

/// Whether a write may happen (RFC 9110 §13.1).
pub(super) fn check(condition: &Condition, present: Option<&StoredBlob>) -> PortResult<()> {
    match (condition, present) {
        (Condition::None, _) | (Condition::IfAbsent, None) => Ok(()),
        (Condition::IfAbsent, Some(_)) => Err(PortError::conflict("the blob already exists")),
        (Condition::IfMatch(wanted), Some(blob)) if *wanted == blob.properties.etag => Ok(()),
        (Condition::IfMatch(_), _) => Err(PortError::precondition_failed("the blob is not the version demanded")),
    }
}

/// What a client has staged for a blob so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Upload {
    pub blocks: u64,
    pub bytes: u64,
    /// All ids of one upload are as long as the first.
    pub id_length: i64,
}

/// A staged block.
pub(super) struct Block {
    pub id: String,
    pub content: String,
    pub size: u64,
}

pub(super) fn find_upload(connection: &Connection, name: &BlobName) -> PortResult<Option<Upload>> {
    connection
        .prepare_cached("SELECT blocks, bytes, id_length FROM uploads WHERE container = ?1 AND path = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![name.container, name.path.as_bytes()], |row| {
                    Ok(Upload { blocks: unsigned(row, 0)?, bytes: unsigned(row, 1)?, id_length: row.get(2)? })
                })
                .optional()
        })
        .map_err(failed)
}

pub(super) fn store_upload(transaction: &Transaction<'_>, name: &BlobName, upload: Upload, now: i64) -> PortResult<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO uploads (container, path, blocks, bytes, id_length, touched_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            let Upload { blocks, bytes, id_length } = upload;
            let (blocks, bytes) = (blocks.cast_signed(), bytes.cast_signed());
            statement.execute(params![name.container, name.path.as_bytes(), blocks, bytes, id_length, now])
        })
        .map_err(failed)?;
    Ok(())
}

pub(super) fn find_block(connection: &Connection, name: &BlobName, id: &str) -> PortResult<Option<Block>> {
    connection
        .prepare_cached(
            "SELECT block_id, content, size FROM blocks WHERE container = ?1 AND path = ?2 AND block_id = ?3",
        )
        .and_then(|mut statement| {
            statement.query_row(params![name.container, name.path.as_bytes(), id], block).optional()
        })
        .map_err(failed)
}

pub(super) fn list_blocks(connection: &Connection, name: &BlobName) -> PortResult<Vec<Block>> {
    connection
        .prepare_cached(
            "SELECT block_id, content, size FROM blocks WHERE container = ?1 AND path = ?2 ORDER BY block_id",
        )
        .and_then(|mut statement| statement.query_map(params![name.container, name.path.as_bytes()], block)?.collect())
        .map_err(failed)
}

pub(super) fn store_block(transaction: &Transaction<'_>, name: &BlobName, block: &Block) -> PortResult<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO blocks (container, path, block_id, content, size) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut statement| {
            let size = block.size.cast_signed();
            statement.execute(params![name.container, name.path.as_bytes(), block.id, block.content, size])
        })
        .map_err(failed)?;
    Ok(())
}

/// Forgets what is staged for a blob and gives the ids of the content files that are now nobody's.
pub(super) fn remove_upload(transaction: &Transaction<'_>, name: &BlobName) -> PortResult<Vec<String>> {
    let key = params![name.container, name.path.as_bytes()];
    let removed = transaction.execute("DELETE FROM uploads WHERE container = ?1 AND path = ?2", key).map_err(failed)?;
    if removed == 0 {
        return Ok(Vec::new());
    }
    transaction
        .prepare_cached("DELETE FROM blocks WHERE container = ?1 AND path = ?2 RETURNING content")
        .and_then(|mut statement| statement.query_map(key, |row| row.get(0))?.collect())
        .map_err(failed)
}

/// Forgets one upload that nobody has touched since `before`; `false` when there is none.
pub(super) fn remove_stale_upload(transaction: &Transaction<'_>, before: i64) -> PortResult<bool> {
    let stale: Option<(String, Vec<u8>)> = transaction
        .query_row("SELECT container, path FROM uploads WHERE touched_at < ?1 LIMIT 1", [before], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failed)?;
    let Some((container, path)) = stale else { return Ok(false) };
    for table in ["uploads", "blocks"] {
        transaction
            .execute(&format!("DELETE FROM {table} WHERE container = ?1 AND path = ?2"), params![container, path])
            .map_err(failed)?;
    }
    Ok(true)
}

fn block(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block { id: row.get(0)?, content: row.get(1)?, size: unsigned(row, 2)? })
}

fn stored_blob(row: &Row<'_>) -> PortResult<StoredBlob> {
    let tier: String = row.get(5).map_err(failed)?;
    Ok(StoredBlob {
        content: row.get(0).map_err(failed)?,
        properties: BlobProperties {
            size: unsigned(row, 1).map_err(failed)?,
            etag: ETag(row.get(2).map_err(failed)?),
            content_type: row.get(3).map_err(failed)?,
            modified_at: from_column(row.get(4).map_err(failed)?)?,
            tier: tier_of(&tier)?,
            metadata: pairs_of(&row.get::<_, String>(6).map_err(failed)?)?,
            tags: pairs_of(&row.get::<_, String>(7).map_err(failed)?)?,
        },
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn tier_name(tier: AccessTier) -> &'static str {
    match tier {
        AccessTier::Hot => "hot",
        AccessTier::Cool => "cool",
        AccessTier::Cold => "cold",
        AccessTier::Archive => "archive",
    }
}

fn tier_of(name: &str) -> PortResult<AccessTier> {
    [AccessTier::Hot, AccessTier::Cool, AccessTier::Cold, AccessTier::Archive]
        .into_iter()
        .find(|tier| tier_name(*tier) == name)
        .ok_or_else(|| PortError::corrupt("a stored tier is unknown"))
}

fn pairs_column(pairs: &BTreeMap<String, String>) -> String {
    serde_json::json!(pairs).to_string()
}

fn pairs_of(column: &str) -> PortResult<BTreeMap<String, String>> {
    serde_json::from_str(column).map_err(|error| PortError::corrupt("stored metadata is not JSON").with_source(error))
}
