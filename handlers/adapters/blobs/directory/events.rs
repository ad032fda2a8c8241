//! What happened to the blobs, in the order of the commits, as Event Grid tells of Blob Storage
//! (<https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage>). An event is written in the
//! transaction of what it tells of, so neither exists without the other.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Transaction, params};

use super::DirectoryBlobs;
use crate::adapters::sqlite::database::{from_column, to_column};
use crate::adapters::sqlite::failed;
use crate::ports::blobs::BlobName;
use crate::ports::{PortError, PortResult};

/// How long events are kept for whoever did not read them: as long as Event Grid tries to deliver them.
pub const EVENT_AGE: TimeDelta = TimeDelta::days(1);

/// The most events that are kept.
const MAX_EVENTS: i64 = 1_000_000;

/// What happened to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobEventKind {
    Created,
    Deleted,
    TierChanged,
}

/// Something that happened to a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEvent {
    /// Goes up from event to event.
    pub sequence: i64,
    pub kind: BlobEventKind,
    pub container: String,
    pub path: String,
    pub at: DateTime<Utc>,
}

impl DirectoryBlobs {
    /// The next events after `after` (0: from the first that is kept), at most `limit`.
    pub async fn events(&self, after: i64, limit: usize) -> PortResult<Vec<BlobEvent>> {
        self.reader
            .run(move |connection| {
                let mut statement = connection
                    .prepare_cached(
                        "SELECT sequence, kind, container, path, at FROM events
                         WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
                    )
                    .map_err(failed)?;
                let mut rows = statement.query(params![after, limit as i64]).map_err(failed)?;
                let mut events = Vec::new();
                while let Some(row) = rows.next().map_err(failed)? {
                    events.push(BlobEvent {
                        sequence: row.get(0).map_err(failed)?,
                        kind: kind_of(&row.get::<_, String>(1).map_err(failed)?)?,
                        container: row.get(2).map_err(failed)?,
                        path: row.get(3).map_err(failed)?,
                        at: from_column(row.get(4).map_err(failed)?)?,
                    });
                }
                Ok(events)
            })
            .await
    }
}

/// Enters an event.
pub(super) fn note(
    transaction: &Transaction<'_>,
    kind: BlobEventKind,
    name: &BlobName,
    at: DateTime<Utc>,
) -> PortResult<()> {
    transaction
        .prepare_cached("INSERT INTO events (kind, container, path, at) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut statement| statement.execute(params![kind_name(kind), name.container, name.path, to_column(at)]))
        .map_err(failed)?;
    Ok(())
}

/// Forgets events from before a time, and the oldest beyond [`MAX_EVENTS`].
pub(super) fn forget(transaction: &Transaction<'_>, before: i64) -> PortResult<()> {
    transaction.execute("DELETE FROM events WHERE at < ?1", [before]).map_err(failed)?;
    transaction
        .execute("DELETE FROM events WHERE sequence <= (SELECT max(sequence) FROM events) - ?1", [MAX_EVENTS])
        .map_err(failed)?;
    Ok(())
}

fn kind_name(kind: BlobEventKind) -> &'static str {
    match kind {
        BlobEventKind::Created => "created",
        BlobEventKind::Deleted => "deleted",
        BlobEventKind::TierChanged => "tier-changed",
    }
}

fn kind_of(name: &str) -> PortResult<BlobEventKind> {
    [BlobEventKind::Created, BlobEventKind::Deleted, BlobEventKind::TierChanged]
        .into_iter()
        .find(|kind| kind_name(*kind) == name)
        .ok_or_else(|| PortError::corrupt("a stored event is of an unknown kind"))
}
