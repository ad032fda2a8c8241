//! Tenants: their records, and moving their documents from one database to another.

mod admin;
mod digest;
mod hosts;
mod movement;
mod store;

pub use admin::functions;
pub use movement::{Counted, MoveError, Mover, Waits};
pub use store::Tenancy;
