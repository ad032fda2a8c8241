//! What the tests share.

pub mod app;
pub mod azurite;
pub mod client;
pub mod clock;
pub mod cosmos;
pub mod faults;
pub mod process;
pub mod recordings;
pub mod redis;
pub mod sql_server;
pub mod wire;
