//! The outside world behind the ports. Adapters know no rules of the shop.

pub mod azure;
pub mod blobs;
pub mod cache;
pub mod chat;
pub mod dependency;
pub mod documents;
pub mod events;
pub mod payments;
pub mod queues;
pub mod reporting;
pub mod secrets;
pub mod speech;
mod sqlite;
pub mod storage_account;
