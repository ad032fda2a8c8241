//! What the tests share.

pub mod app;
pub mod azurite;
pub mod client;
pub mod clock;
pub mod process;
pub mod recordings;
pub mod wire;
