//! Queues of short texts, after Azure Storage queues: a message that is received becomes invisible for a
//! while and comes back unless it is deleted by the pop receipt of that very delivery.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::PortResult;

/// What a queue's name is followed by to name its poison queue, as the Functions host names it.
pub const POISON_SUFFIX: &str = "-poison";

/// The longest body of a message, in bytes: the service takes 64 KiB of text
/// (<https://learn.microsoft.com/rest/api/storageservices/put-message>), and bodies travel in base64, as
/// `messageEncoding` in `host.json` says.
pub const MAX_BODY_BYTES: usize = 48 * 1024;

/// The most messages of one delivery.
pub const MAX_DELIVERY: usize = 32;

/// The most messages of one sending.
pub const MAX_BATCH: usize = 1000;

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

/// Queues by name (3 to 63 lower-case letters, digits and single hyphens), made by their first message.
///
/// - Delivery is at least once and about in the order of sending. A message lives 7 days.
/// - A time of invisibility is at most 7 days, and may be rounded up to whole seconds.
/// - A call with the receipt of a delivery that is over fails with `PreconditionFailed`, for a message that
///   is no more with `NotFound`; a service may tell the one as the other.
/// - A malformed name or a number out of its range is an `InvalidRequest`.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Puts messages at the end of a queue and gives their ids. `TooLarge` for a body of more than
    /// [`MAX_BODY_BYTES`], `InvalidRequest` for more than [`MAX_BATCH`] messages: then none is sent. After
    /// any other failure some may have been.
    async fn send(&self, queue: &str, bodies: Vec<String>) -> PortResult<Vec<String>>;

    /// Takes up to `max` (1 to [`MAX_DELIVERY`]) visible messages and hides them for `visibility` (more
    /// than nothing). A queue that nobody has sent to is empty.
    async fn receive(&self, queue: &str, max: usize, visibility: Duration) -> PortResult<Vec<QueueMessage>>;

    /// Removes a message for good.
    async fn delete(&self, queue: &str, message: &QueueMessage) -> PortResult<()>;

    /// Gives a message back, to be delivered again `after` a while.
    async fn release(&self, queue: &str, message: &QueueMessage, after: Duration) -> PortResult<()>;

    /// Keeps a message invisible until `visibility` from now, for a receiver that needs longer, and
    /// gives the receipt that replaces the one used.
    async fn extend(&self, queue: &str, message: &QueueMessage, visibility: Duration) -> PortResult<String>;

    /// Moves a message to the queue's poison queue, where it lives 7 days as a new message with the same
    /// body. Killed half-way it may be in both.
    async fn move_to_poison(&self, queue: &str, message: &QueueMessage) -> PortResult<()>;

    /// How many messages a queue holds, those that a receiver holds included. A service may count
    /// roughly.
    async fn len(&self, queue: &str) -> PortResult<u64>;

    /// Changes whenever messages of any queue may have become visible through this process. `None` where
    /// nobody tells, so that a receiver has to look from time to time.
    fn arrivals(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}
