//! What the tests share.

pub mod app;
pub mod client;
pub mod clock;
pub mod process;
pub mod recordings;
pub mod sql_server;
