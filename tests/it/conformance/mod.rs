//! One suite for each port, run on every adapter of it.

mod blobs;
mod cache;
mod chat;
mod documents;
mod events;
mod limits;
mod queues;
pub mod reporting;
mod secrets;
