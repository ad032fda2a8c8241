//! Named durable queues in one SQLite file, with the semantics of Azure Storage queues: a message
//! that is received becomes invisible for a while and comes back unless it is deleted by the pop
//! receipt of that very delivery. What cannot be worked goes to the queue's poison list,
//! `<queue>-poison`, as the Functions host does. Every change is one transaction, so messages
//! survive SIGKILL and no two receivers, in whatever process, hold one message at once.
//!
//! Limits are those of the service: 64 KiB a message, 32 messages a delivery, 7 days of life and of
//! invisibility (<https://learn.microsoft.com/rest/api/storageservices/put-message>).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use tokio::sync::watch;
use ulid::Ulid;

use super::database::{Database, Schema, failed, from_column, to_column};
use crate::ports::clock::Clock;
use crate::ports::events::{DomainEvent, EventBus};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The queue to which [`EventBus::publish`] hands over.
pub const DOMAIN_EVENTS: &str = "domain-events";

/// What a queue's name is followed by to name its poison list.
pub const POISON_SUFFIX: &str = "-poison";

/// The longest body of a message, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most messages of one delivery.
pub const MAX_DELIVERY: usize = 32;

/// The most messages of one look or one sending.
pub const MAX_BATCH: usize = 1000;

/// How long an unclaimed message lives, and the longest invisibility.
const LIFETIME: TimeDelta = TimeDelta::days(7);

/// How many expired messages one sending clears away, so that no call takes long.
const EXPIRED_PER_SEND: usize = 256;

const SCHEMA: Schema = Schema {
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

/// A message handed to one receiver, who deletes, releases, extends or poisons it by its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMessage {
    pub id: String,
    pub body: String,
    /// How often it has been delivered, this delivery included.
    pub dequeue_count: u32,
    pub inserted_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// When another receiver gets it, unless it is deleted first.
    pub next_visible_at: DateTime<Utc>,
    /// Names this delivery; stale once the message was delivered again, released or extended.
    pub pop_receipt: String,
}

/// A message that was only looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekedMessage {
    pub id: String,
    pub body: String,
    pub dequeue_count: u32,
    pub inserted_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// In the future while a receiver holds it or it waits for its next attempt.
    pub visible_at: DateTime<Utc>,
}

/// Queues by name (3 to 63 lower-case letters, digits and single hyphens), made by their first message.
pub struct LocalQueue {
    database: Database,
    clock: Arc<dyn Clock>,
    arrivals: watch::Sender<u64>,
}

impl LocalQueue {
    /// Opens or creates the file; its directory must exist. Several processes may open one file.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> PortResult<Self> {
        let database = Database::open(path, &SCHEMA)?;
        Ok(Self { database, clock, arrivals: watch::Sender::new(0) })
    }

    /// Changes whenever messages of any queue may have become visible through this process: they
    /// were sent, released or poisoned. Those of other processes and those whose invisibility
    /// ends are not told, so a receiver looks from time to time as well.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// Puts messages, all or none, at the end of a queue and gives their ids. `TooLarge` for a body
    /// of more than [`MAX_BODY_BYTES`], `InvalidRequest` for more than [`MAX_BATCH`].
    pub async fn send(&self, queue: &str, bodies: Vec<String>) -> PortResult<Vec<String>> {
        let queue = valid_name(queue)?;
        if bodies.len() > MAX_BATCH {
            return Err(PortError::invalid(format!("at most {MAX_BATCH} messages are sent at once")));
        }
        if bodies.iter().any(|body| body.len() > MAX_BODY_BYTES) {
            return Err(PortError::new(PortErrorKind::TooLarge, format!("a message takes {MAX_BODY_BYTES} bytes")));
        }
        let now = self.clock.now();
        let ids = self
            .database
            .transaction(move |transaction| {
                remove_expired(transaction, now)?;
                bodies.into_iter().map(|body| insert(transaction, &queue, &body, now)).collect()
            })
            .await?;
        self.arrivals.send_modify(|count| *count += 1);
        Ok(ids)
    }

    /// Takes up to `max` (1 to [`MAX_DELIVERY`]) visible messages, those first that have been visible
    /// longest, and hides them for `visibility` (more than nothing, at most 7 days).
    pub async fn receive(&self, queue: &str, max: usize, visibility: Duration) -> PortResult<Vec<QueueMessage>> {
        let queue = valid_name(queue)?;
        if !(1..=MAX_DELIVERY).contains(&max) {
            return Err(PortError::invalid(format!("1 to {MAX_DELIVERY} messages are received at once")));
        }
        let now = self.clock.now();
        let next_visible_at = later(now, visibility)?;
        if next_visible_at <= now {
            return Err(PortError::invalid("a received message must be invisible for a while"));
        }
        // Looks without the write lock first: most looks of an idle host find nothing.
        if self.due(queue.clone(), now).await? {
            self.database.transaction(move |transaction| take(transaction, &queue, max, now, next_visible_at)).await
        } else {
            Ok(Vec::new())
        }
    }

    /// Removes a message for good. `PreconditionFailed` for a stale receipt, `NotFound` for a message
    /// that is no more.
    pub async fn delete(&self, queue: &str, id: &str, pop_receipt: &str) -> PortResult<()> {
        let delivery = Delivery::new(queue, id, pop_receipt)?;
        let now = self.clock.now();
        self.database
            .transaction(move |transaction| {
                let position = delivery.position(transaction, now)?;
                transaction.execute("DELETE FROM messages WHERE position = ?1", [position]).map_err(failed)?;
                Ok(())
            })
            .await
    }

    /// Gives a message back, to be delivered again `after` a while (at most 7 days). Fails as
    /// [`Self::delete`] does.
    pub async fn release(&self, queue: &str, id: &str, pop_receipt: &str, after: Duration) -> PortResult<()> {
        self.set_visibility(queue, id, pop_receipt, after, None).await?;
        self.arrivals.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Keeps a message invisible until `visibility` from now, for a receiver that needs longer, and
    /// gives the receipt that replaces the one used. Fails as [`Self::delete`] does.
    pub async fn extend(&self, queue: &str, id: &str, pop_receipt: &str, visibility: Duration) -> PortResult<String> {
        let receipt = fresh_receipt();
        self.set_visibility(queue, id, pop_receipt, visibility, Some(receipt.clone())).await?;
        Ok(receipt)
    }

    /// Moves a message to the queue's poison list, where it lives 7 days as a new message with the
    /// same body. One transaction; fails as [`Self::delete`] does.
    pub async fn move_to_poison(&self, queue: &str, id: &str, pop_receipt: &str) -> PortResult<()> {
        let delivery = Delivery::new(queue, id, pop_receipt)?;
        let poison = valid_name(&format!("{queue}{POISON_SUFFIX}"))?;
        let now = self.clock.now();
        self.database
            .transaction(move |transaction| {
                let position = delivery.position(transaction, now)?;
                let body: String = transaction
                    .query_row("DELETE FROM messages WHERE position = ?1 RETURNING body", [position], |row| row.get(0))
                    .map_err(failed)?;
                insert(transaction, &poison, &body, now)
            })
            .await?;
        self.arrivals.send_modify(|count| *count += 1);
        Ok(())
    }

    /// The oldest messages of a queue, up to `limit` (1 to [`MAX_BATCH`]), also those that a receiver
    /// holds. Changes nothing.
    pub async fn list(&self, queue: &str, limit: usize) -> PortResult<Vec<PeekedMessage>> {
        let queue = valid_name(queue)?;
        if !(1..=MAX_BATCH).contains(&limit) {
            return Err(PortError::invalid(format!("1 to {MAX_BATCH} messages are listed at once")));
        }
        let now = to_column(self.clock.now());
        self.database
            .run(move |connection| {
                let mut statement = connection
                    .prepare_cached(
                        "SELECT id, body, dequeue_count, inserted_at, expires_at, visible_at FROM messages
                         WHERE queue = ?1 AND expires_at > ?2 ORDER BY position LIMIT ?3",
                    )
                    .map_err(failed)?;
                let mut rows = statement.query(params![queue, now, limit as i64]).map_err(failed)?;
                let mut messages = Vec::new();
                while let Some(row) = rows.next().map_err(failed)? {
                    messages.push(peeked(row)?);
                }
                Ok(messages)
            })
            .await
    }

    /// How many messages a queue holds, those that a receiver holds included.
    pub async fn len(&self, queue: &str) -> PortResult<u64> {
        let queue = valid_name(queue)?;
        let now = to_column(self.clock.now());
        self.database
            .run(move |connection| {
                connection
                    .query_row(
                        "SELECT count(*) FROM messages WHERE queue = ?1 AND expires_at > ?2",
                        params![queue, now],
                        |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
                    )
                    .map_err(failed)
            })
            .await
    }

    async fn due(&self, queue: String, now: DateTime<Utc>) -> PortResult<bool> {
        self.database
            .run(move |connection| {
                connection
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = ?1 AND visible_at <= ?2 AND expires_at > ?2)",
                    )
                    .and_then(|mut statement| statement.query_row(params![queue, to_column(now)], |row| row.get(0)))
                    .map_err(failed)
            })
            .await
    }

    async fn set_visibility(
        &self,
        queue: &str,
        id: &str,
        pop_receipt: &str,
        delay: Duration,
        next_receipt: Option<String>,
    ) -> PortResult<()> {
        let delivery = Delivery::new(queue, id, pop_receipt)?;
        let now = self.clock.now();
        let visible_at = later(now, delay)?;
        self.database
            .transaction(move |transaction| {
                let position = delivery.position(transaction, now)?;
                transaction
                    .execute(
                        "UPDATE messages SET visible_at = ?2, pop_receipt = ?3 WHERE position = ?1",
                        params![position, to_column(visible_at), next_receipt],
                    )
                    .map_err(failed)?;
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl EventBus for LocalQueue {
    /// One message each on [`DOMAIN_EVENTS`], in one transaction.
    async fn publish(&self, events: &[DomainEvent]) -> PortResult<()> {
        if events.is_empty() {
            return Ok(());
        }
        let bodies = events.iter().map(serde_json::to_string).collect::<Result<_, _>>();
        let bodies = bodies.map_err(|error| PortError::invalid("an event is not JSON").with_source(error))?;
        self.send(DOMAIN_EVENTS, bodies).await.map(drop)
    }
}

/// One delivery of one message, as its receiver names it.
struct Delivery {
    queue: String,
    id: String,
    pop_receipt: String,
}

impl Delivery {
    fn new(queue: &str, id: &str, pop_receipt: &str) -> PortResult<Self> {
        Ok(Self { queue: valid_name(queue)?, id: id.to_owned(), pop_receipt: pop_receipt.to_owned() })
    }

    /// Where the message is stored, if this is its present delivery.
    fn position(&self, transaction: &Transaction<'_>, now: DateTime<Utc>) -> PortResult<i64> {
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

fn insert(transaction: &Transaction<'_>, queue: &str, body: &str, now: DateTime<Utc>) -> PortResult<String> {
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

fn remove_expired(transaction: &Transaction<'_>, now: DateTime<Utc>) -> PortResult<()> {
    transaction
        .prepare_cached(
            "DELETE FROM messages WHERE position IN (SELECT position FROM messages WHERE expires_at <= ?1 LIMIT ?2)",
        )
        .and_then(|mut statement| statement.execute(params![to_column(now), EXPIRED_PER_SEND as i64]))
        .map_err(failed)?;
    Ok(())
}

fn take(
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

fn peeked(row: &Row<'_>) -> PortResult<PeekedMessage> {
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

fn fresh_receipt() -> String {
    Ulid::generate().to_string()
}

fn later(now: DateTime<Utc>, delay: Duration) -> PortResult<DateTime<Utc>> {
    TimeDelta::from_std(delay)
        .ok()
        .filter(|delay| *delay <= LIFETIME)
        .map(|delay| now + delay)
        .ok_or_else(|| PortError::invalid("a message is invisible for at most 7 days"))
}

/// Checks a name by the rules of Storage queues
/// (<https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata>).
fn valid_name(queue: &str) -> PortResult<String> {
    let characters = queue.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let hyphens = !queue.starts_with('-') && !queue.ends_with('-') && !queue.contains("--");
    if (3..=63).contains(&queue.len()) && characters && hyphens {
        Ok(queue.to_owned())
    } else {
        Err(PortError::invalid(format!("{queue:?} cannot name a queue")))
    }
}
