//! The writes, within a transaction of the writer.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Now, Partition, etag, failed};
use crate::adapters::documents::rules::{Prepared, Step};
use crate::ports::documents::Document;
use crate::ports::{ETag, PortError, PortResult};

/// What is stored under an id now.
struct Current {
    lsn: i64,
    etag: ETag,
}

/// Does one step; gives the document that it wrote.
pub(super) fn apply(conn: &Connection, partition: &Partition, step: Step, now: Now) -> PortResult<Option<Document>> {
    match step {
        Step::Create(document) => match current(conn, partition, &document.id, now)? {
            Some(_) => Err(PortError::conflict(format!("a document {} exists", document.id))),
            None => put(conn, partition, document, now).map(Some),
        },
        Step::Upsert(document) => put(conn, partition, document, now).map(Some),
        Step::Replace(document, version) => {
            demand(conn, partition, &document.id, version.as_ref(), now)?;
            put(conn, partition, document, now).map(Some)
        }
        Step::Delete(id, version) => {
            let lsn = demand(conn, partition, &id, version.as_ref(), now)?;
            conn.prepare_cached("DELETE FROM documents WHERE lsn = ?1")
                .and_then(|mut delete| delete.execute([lsn]))
                .map_err(failed)?;
            Ok(None)
        }
    }
}

/// Deletes at most `limit` documents that are past their lifetime; gives their number.
pub(super) fn purge(conn: &Connection, limit: u32, now: Now) -> PortResult<u64> {
    const SQL: &str = "DELETE FROM documents WHERE lsn IN
        (SELECT lsn FROM documents WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    conn.prepare_cached(SQL)
        .and_then(|mut delete| delete.execute(params![now.millis(), limit]))
        .map(|rows| rows as u64)
        .map_err(failed)
}

/// The lsn of what must exist, in this version where one is named.
fn demand(conn: &Connection, partition: &Partition, id: &str, version: Option<&ETag>, now: Now) -> PortResult<i64> {
    match current(conn, partition, id, now)? {
        None => Err(PortError::not_found(format!("no document {id}"))),
        Some(current) if version.is_some_and(|version| *version != current.etag) => {
            Err(PortError::precondition_failed(format!("the document {id} has another version")))
        }
        Some(current) => Ok(current.lsn),
    }
}

fn current(conn: &Connection, partition: &Partition, id: &str, now: Now) -> PortResult<Option<Current>> {
    const SQL: &str = "SELECT lsn, modified_at FROM documents
        WHERE container = ?1 AND partition = ?2 AND id = ?3 AND (expires_at IS NULL OR expires_at > ?4)";
    let row = params![partition.container, partition.text, id, now.millis()];
    conn.prepare_cached(SQL)
        .and_then(|mut select| {
            select.query_row(row, |row| {
                let lsn = row.get(0)?;
                Ok(Current { lsn, etag: etag(lsn, row.get(1)?) })
            })
        })
        .optional()
        .map_err(failed)
}

/// Stores a document in the place of what is there, expired or not, under a new lsn.
fn put(conn: &Connection, partition: &Partition, document: Prepared, now: Now) -> PortResult<Document> {
    const SQL: &str = "REPLACE INTO documents(container, partition, id, modified_at, expires_at, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Prepared { id, body, lifetime } = document;
    let row = params![partition.container, partition.text, id, now.seconds(), now.after(lifetime), body.get()];
    let lsn = conn.prepare_cached(SQL).and_then(|mut insert| insert.insert(row)).map_err(failed)?;
    Ok(Document {
        id,
        partition: partition.key.clone(),
        etag: etag(lsn, now.seconds()),
        modified_at: now.to_the_second(),
        body,
    })
}
