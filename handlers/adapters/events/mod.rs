//! Adapters of [`crate::ports::events`].

pub mod local_queue;

pub use local_queue::{LocalQueue, QueueMessage};
