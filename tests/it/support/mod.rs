//! What the tests share.

pub mod app;
pub mod client;
pub mod clock;
pub mod cosmos;
pub mod process;
pub mod recordings;
