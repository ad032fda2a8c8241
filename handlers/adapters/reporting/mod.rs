//! Adapters of [`crate::ports::reporting`].

mod shape;
mod sqlite;

pub use sqlite::SqliteReporting;
