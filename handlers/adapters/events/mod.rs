//! Adapters of [`crate::ports::events`].

pub(in crate::adapters) mod database;
pub mod local_queue;

pub use local_queue::{LocalQueue, QueueMessage};
