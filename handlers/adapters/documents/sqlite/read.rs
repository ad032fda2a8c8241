//! Point reads, query pages and change feed pages, on a connection that only reads.

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::value::RawValue;

use super::super::token;
use super::query::{Listing, Position};
use super::{Now, Partition, etag, failed, instant, key_of};
use crate::ports::documents::Document;
use crate::ports::{Continuation, Page, PortError, PortResult};

/// A page ends once its bodies take this many bytes, as in Cosmos DB, so that its memory is bounded.
const PAGE_BYTES: usize = 4 << 20;

/// The columns that [`document`] reads.
pub(super) const COLUMNS: &str = "lsn, partition, id, modified_at, body";

pub(super) fn point(conn: &Connection, partition: &Partition, id: &str, now: Now) -> PortResult<Option<Document>> {
    const SQL: &str = "SELECT lsn, partition, id, modified_at, body FROM documents
        WHERE container = ?1 AND partition = ?2 AND id = ?3 AND (expires_at IS NULL OR expires_at > ?4)";
    let row = params![partition.container, partition.text, id, now.millis()];
    conn.prepare_cached(SQL)
        .and_then(|mut select| select.query_row(row, |row| Ok(document(row))).optional())
        .map_err(failed)?
        .transpose()
}

/// One page of a query; see [`Listing`] for the rows it gives.
pub(super) fn page(conn: &Connection, listing: &Listing, limit: usize) -> PortResult<Page<Document>> {
    let mut select = conn.prepare_cached(&listing.sql).map_err(failed)?;
    let mut rows = select.query(params_from_iter(&listing.values)).map_err(failed)?;
    let mut items = Vec::new();
    let mut bytes = 0;
    let mut last: Option<Position> = None;
    while let Some(row) = rows.next().map_err(failed)? {
        if items.len() == limit || bytes >= PAGE_BYTES {
            let next = last.map(|position| token::encode(&listing.name, &position)).transpose()?;
            return Ok(Page { items, next });
        }
        let document = document(row)?;
        bytes += document.body.get().len();
        last = Some(Position::of(row).map_err(failed)?);
        items.push(document);
    }
    Ok(Page { items, next: None })
}

/// One page of the change feed of `container`, after the lsn `after`. A page that ends for want
/// of documents goes on after everything that was written so far, expired documents included.
pub(super) fn changes(
    conn: &Connection,
    container: &'static str,
    after: i64,
    limit: usize,
    now: Now,
) -> PortResult<(Vec<Document>, i64)> {
    const SQL: &str = "SELECT lsn, partition, id, modified_at, body FROM documents
        WHERE container = ?1 AND lsn > ?2 AND (expires_at IS NULL OR expires_at > ?3) ORDER BY lsn";
    // One transaction, so that what is committed between the two questions is in neither.
    let snapshot = conn.unchecked_transaction().map_err(failed)?;
    let newest: Option<i64> = snapshot
        .prepare_cached("SELECT max(lsn) FROM documents WHERE container = ?1")
        .and_then(|mut select| select.query_row([container], |row| row.get(0)))
        .map_err(failed)?;
    let mut select = snapshot.prepare_cached(SQL).map_err(failed)?;
    let mut rows = select.query(params![container, after, now.millis()]).map_err(failed)?;
    let mut items = Vec::new();
    let mut bytes = 0;
    let mut last = after;
    while let Some(row) = rows.next().map_err(failed)? {
        if items.len() == limit || bytes >= PAGE_BYTES {
            return Ok((items, last));
        }
        let document = document(row)?;
        bytes += document.body.get().len();
        last = row.get(0).map_err(failed)?;
        items.push(document);
    }
    Ok((items, newest.unwrap_or(after).max(after)))
}

/// The change feed's token for a position.
pub(super) fn changes_token(container: &str, after: i64) -> PortResult<Continuation> {
    token::encode(&format!("changes of {container}"), &after)
}

pub(super) fn changes_position(container: &str, token: &Continuation) -> PortResult<i64> {
    token::decode(&format!("changes of {container}"), token)
}

fn document(row: &Row<'_>) -> PortResult<Document> {
    let column = |error| PortError::corrupt("a stored document lacks a column").with_source(error);
    let lsn = row.get(0).map_err(column)?;
    let partition: String = row.get(1).map_err(column)?;
    let modified_at = row.get(3).map_err(column)?;
    let body = RawValue::from_string(row.get(4).map_err(column)?)
        .map_err(|error| PortError::corrupt("a stored document is not JSON").with_source(error))?;
    Ok(Document {
        id: row.get(2).map_err(column)?,
        partition: key_of(&partition)?,
        etag: etag(lsn, modified_at),
        modified_at: instant(modified_at)?,
        body,
    })
}
