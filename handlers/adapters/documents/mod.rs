//! Adapters of [`crate::ports::documents`].

mod cosmos;
mod open_databases;
mod routed;
mod rules;
mod sqlite;
mod token;

pub use cosmos::{CosmosDatabases, CosmosDocuments};
pub use routed::RoutedDocuments;
pub use sqlite::{SqliteDatabases, SqliteDocuments};
