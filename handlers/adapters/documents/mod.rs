//! Adapters of [`crate::ports::documents`].

mod rules;
mod sqlite;

pub use sqlite::SqliteDocuments;
