//! Adapters of [`crate::ports::reporting`].

mod azure_sql;
mod shape;
mod sqlite;

pub use azure_sql::{AzureSql, SqlLimits};
pub use sqlite::SqliteReporting;
