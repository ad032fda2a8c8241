//! What the tests share.

pub mod app;
pub mod client;
pub mod clock;
pub mod entra;
pub mod loopback;
pub mod process;
pub mod recordings;
pub mod vault;
