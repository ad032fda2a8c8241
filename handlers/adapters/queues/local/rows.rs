//! The rows of a [`super::LocalQueue`].

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use ulid::Ulid;

use super::{LIFETIME, PeekedMessage, rules};
use crate::adapters::sqlite::database::{Schema, from_column, to_column};
use crate::adapters::sqlite::failed;
use crate::ports::queues::QueueMessage;
use crate::ports::{PortError, PortResult};

/// How many expired messages one sending clears away, so that no call takes long.
const EXPIRED_PER_SEND: usize = 256;

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    statements: "
        CREATE TABLE messages (
            position INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            queue TEXT NOT NULL,
            body TEXT NOT NULL,
            inserted_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            visible_at INTEGER NOT NULL,
            dequeue_count INTEGER NOT NULL DEFAULT 0,
            pop_receipt TEXT
        ) STRICT;
        CREATE INDEX messages_by_visibility ON messages (queue, visible_at, position);
        CREATE INDEX messages_by_expiry ON messages (expires_at);",
};

/// One delivery of one message, as its receiver names it.
pub(super) struct Delivery {
    queue: String,
    id: String,
    pop_receipt: String,
}

impl Delivery {
    pub fn new(queue: &str, message: &QueueMessage) -> PortResult<Self> {
        let queue = rules::valid_name(queue)?.to_owned();
        Ok(Self { queue, id: message.id.clone(), pop_receipt: message.pop_receipt.clone() })
    }

    /// Where the message is stored, if this is its present delivery.
    pub fn position(&self, transaction: &Transaction<'_>, now: DateTime<Utc>) -> PortResult<i64> {
        let found: Option<(i64, Option<String>)> = transaction
            .query_row(
                "SELECT position, pop_receipt FROM messages WHERE id = ?1 AND queue = ?2 AND expires_at > ?3",
                params![self.id, self.queue, to_column(now)],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(failed)?;
        match found {
            Some((position, Some(receipt))) if receipt == self.pop_receipt => Ok(position),
            Some(_) => Err(PortError::precondition_failed("the message has been delivered again or given back")),
            None => Err(PortError::not_found("the message is no more")),
        }
    }
}

pub(super) fn insert(transaction: &Transaction<'_>, queue: &str, body: &str, now: DateTime<Utc>) -> PortResult<String> {
    let id = Ulid::generate().to_string();
    transaction
        .prepare_cached(
            "INSERT INTO messages (id, queue, body, inserted_at, expires_at, visible_at) VALUES (?1, ?2, ?3, ?4, ?5, ?4)",
        )
        .and_then(|mut statement| {
            statement.execute(params![id, queue, body, to_column(now), to_column(now + LIFETIME)])
        })
        .map_err(failed)?;
    Ok(id)
}

pub(super) fn remove_expired(transaction: &Transaction<'_>, now: DateTime<Utc>) -> PortResult<()> {
    transaction
        .prepare_cached(
            "DELETE FROM messages WHERE position IN (SELECT position FROM messages WHERE expires_at <= ?1 LIMIT ?2)",
        )
        .and_then(|mut statement| statement.execute(params![to_column(now), EXPIRED_PER_SEND as i64]))
        .map_err(failed)?;
    Ok(())
}

pub(super) fn take(
    transaction: &Transaction<'_>,
    queue: &str,
    max: usize,
    now: DateTime<Utc>,
    next_visible_at: DateTime<Utc>,
) -> PortResult<Vec<QueueMessage>> {
    let mut find = transaction
        .prepare_cached(
            "SELECT position FROM messages WHERE queue = ?1 AND visible_at <= ?2 AND expires_at > ?2
             ORDER BY visible_at, position LIMIT ?3",
        )
        .map_err(failed)?;
    let positions: Vec<i64> = find
        .query_map(params![queue, to_column(now), max as i64], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(failed)?;
    let mut hide = transaction
        .prepare_cached(
            "UPDATE messages SET visible_at = ?2, pop_receipt = ?3, dequeue_count = dequeue_count + 1
             WHERE position = ?1 RETURNING id, body, dequeue_count, inserted_at, expires_at, visible_at",
        )
        .map_err(failed)?;
    let mut messages = Vec::with_capacity(positions.len());
    for position in positions {
        let receipt = fresh_receipt();
        let mut rows = hide.query(params![position, to_column(next_visible_at), receipt]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            messages.push(received(peeked(row)?, receipt.clone()));
        }
    }
    Ok(messages)
}

pub(super) fn peeked(row: &Row<'_>) -> PortResult<PeekedMessage> {
    Ok(PeekedMessage {
        id: row.get(0).map_err(failed)?,
        body: row.get(1).map_err(failed)?,
        dequeue_count: row.get(2).map_err(failed)?,
        inserted_at: from_column(row.get(3).map_err(failed)?)?,
        expires_at: from_column(row.get(4).map_err(failed)?)?,
        visible_at: from_column(row.get(5).map_err(failed)?)?,
    })
}

fn received(message: PeekedMessage, pop_receipt: String) -> QueueMessage {
    let PeekedMessage { id, body, dequeue_count, inserted_at, expires_at, visible_at } = message;
    QueueMessage { id, body, dequeue_count, inserted_at, expires_at, next_visible_at: visible_at, pop_receipt }
}

pub(super) fn fresh_receipt() -> String {
    Ulid::generate().to_string()
}
