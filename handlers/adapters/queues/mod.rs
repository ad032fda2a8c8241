//! Adapters of [`crate::ports::queues`].

pub mod local;
mod rules;

pub use local::LocalQueue;
