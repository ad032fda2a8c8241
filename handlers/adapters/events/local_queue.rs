//! Named durable queues in one SQLite file, with the semantics of Azure Storage queues: a message
//! that is received becomes invisible for a while and comes back unless it is deleted by the pop
//! receipt of that very delivery. What cannot be worked goes to the queue's poison list,
//! `<queue>-poison`, as the Functions host does. Every change is one transaction, so messages
//! survive SIGKILL and no two receivers, in whatever process, hold one message at once.
//!
//! Limits are those of the service: 64 KiB a message, 32 messages a delivery, 7 days of life and of
//! invisibility (<https://learn.microsoft.com/rest/api/storageservices/put-message>).

mod rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;
use tokio::sync::watch;

use self::rows::Delivery;
use crate::adapters::sqlite::database::{Database, to_column};
use crate::adapters::sqlite::failed;
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
        let database = Database::open(path, &rows::SCHEMA)?;
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
                rows::remove_expired(transaction, now)?;
                bodies.into_iter().map(|body| rows::insert(transaction, &queue, &body, now)).collect()
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
            self.database
                .transaction(move |transaction| rows::take(transaction, &queue, max, now, next_visible_at))
                .await
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
        let receipt = rows::fresh_receipt();
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
                rows::insert(transaction, &poison, &body, now)
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
                    messages.push(rows::peeked(row)?);
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
