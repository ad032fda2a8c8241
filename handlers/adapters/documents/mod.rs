//! Adapters of [`crate::ports::documents`].

mod cosmos;
mod rules;
mod sqlite;
mod token;

pub use cosmos::CosmosDocuments;
pub use sqlite::SqliteDocuments;
