//! What the tests share.

pub mod app;
pub mod azurite;
pub mod client;
pub mod clock;
pub mod cosmos;
pub mod entra;
pub mod faults;
pub mod loopback;
pub mod model;
pub mod process;
pub mod recordings;
pub mod redis;
pub mod sql_server;
pub mod steps;
pub mod vault;
pub mod wire;
