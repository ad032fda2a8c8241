//! Tenants: their records, and moving their documents from one database to another.

mod digest;
mod movement;
mod store;

pub use movement::{Counted, MoveError, Mover, Waits};
pub use store::Tenancy;
