//! Adapters of [`crate::ports::events`].

pub(in crate::adapters) mod database;
pub mod local_queue;
