//! Adapters of [`crate::ports::queues`].

pub mod local;
mod rules;
mod storage;

pub use local::LocalQueue;
pub use storage::StorageQueues;
