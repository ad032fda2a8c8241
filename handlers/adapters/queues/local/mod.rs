//! Durable queues in one SQLite file. Every change is one transaction, so messages survive SIGKILL and no
//! two receivers, in whatever process, hold one message at once.

mod rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;
use tokio::sync::watch;

use self::rows::Delivery;
use super::rules;
use crate::adapters::sqlite::database::{Database, to_column};
use crate::adapters::sqlite::failed;
use crate::ports::clock::Clock;
use crate::ports::queues::{MAX_BATCH, QueueMessage, Queues};
use crate::ports::{PortError, PortResult};

/// How long an unclaimed message lives.
const LIFETIME: TimeDelta = TimeDelta::days(7);

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

/// Queues in a file, to be shared by any number of tasks and processes.
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

    /// The oldest messages of a queue, up to `limit` (1 to [`MAX_BATCH`]), also those that a receiver
    /// holds. Changes nothing.
    pub async fn list(&self, queue: &str, limit: usize) -> PortResult<Vec<PeekedMessage>> {
        let queue = rules::valid_name(queue)?.to_owned();
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
        message: &QueueMessage,
        delay: Duration,
        next_receipt: Option<String>,
    ) -> PortResult<()> {
        let delivery = Delivery::new(queue, message)?;
        let now = self.clock.now();
        let visible_at = now + rules::visibility(delay)?;
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
impl Queues for LocalQueue {
    /// All or none of the messages.
    async fn send(&self, queue: &str, bodies: Vec<String>) -> PortResult<Vec<String>> {
        let queue = rules::valid_name(queue)?.to_owned();
        rules::check_bodies(&bodies)?;
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

    /// Those first that have been visible longest.
    async fn receive(&self, queue: &str, max: usize, visibility: Duration) -> PortResult<Vec<QueueMessage>> {
        let queue = rules::valid_name(queue)?.to_owned();
        rules::check_delivery(max, visibility)?;
        let now = self.clock.now();
        let next_visible_at = now + rules::visibility(visibility)?;
        // Looks without the write lock first: most looks of an idle host find nothing.
        if self.due(queue.clone(), now).await? {
            self.database
                .transaction(move |transaction| rows::take(transaction, &queue, max, now, next_visible_at))
                .await
        } else {
            Ok(Vec::new())
        }
    }

    async fn delete(&self, queue: &str, message: &QueueMessage) -> PortResult<()> {
        let delivery = Delivery::new(queue, message)?;
        let now = self.clock.now();
        self.database
            .transaction(move |transaction| {
                let position = delivery.position(transaction, now)?;
                transaction.execute("DELETE FROM messages WHERE position = ?1", [position]).map_err(failed)?;
                Ok(())
            })
            .await
    }

    async fn release(&self, queue: &str, message: &QueueMessage, after: Duration) -> PortResult<()> {
        self.set_visibility(queue, message, after, None).await?;
        self.arrivals.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn extend(&self, queue: &str, message: &QueueMessage, visibility: Duration) -> PortResult<String> {
        let receipt = rows::fresh_receipt();
        self.set_visibility(queue, message, visibility, Some(receipt.clone())).await?;
        Ok(receipt)
    }

    /// In one transaction.
    async fn move_to_poison(&self, queue: &str, message: &QueueMessage) -> PortResult<()> {
        let delivery = Delivery::new(queue, message)?;
        let poison = rules::poison_name(queue)?;
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

    async fn len(&self, queue: &str) -> PortResult<u64> {
        let queue = rules::valid_name(queue)?.to_owned();
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

    /// Messages of other processes and those whose invisibility ends are not told.
    fn arrivals(&self) -> Option<watch::Receiver<u64>> {
        Some(self.arrivals.subscribe())
    }
}
