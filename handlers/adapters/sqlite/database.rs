//! One connection to a SQLite file, used by one call after the other: for stores that read and write
//! little at a time.
//!
//! A call first waits for the connection without holding a thread and then works on a blocking
//! thread, so that waiting calls cost no threads and the async threads never touch the disk.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::{failed, open_for_writing};
use crate::ports::{PortError, PortResult};

/// What a store keeps in its file.
pub(in crate::adapters) struct Schema {
    /// Goes up with every change of `statements`; a file with a greater one is refused.
    pub version: i32,
    /// Creates what is missing.
    pub statements: &'static str,
}

/// One connection to a SQLite file, used by one call after the other.
#[derive(Clone)]
pub(in crate::adapters) struct Database {
    connection: Arc<Mutex<Connection>>,
}

impl Database {
    /// Opens or creates the file. Blocks: for start-up only.
    pub fn open(path: &Path, schema: &Schema) -> PortResult<Self> {
        let mut connection = open_for_writing(path)?;
        in_transaction(&mut connection, |transaction| {
            let found: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
            if found > schema.version {
                return Err(PortError::invalid(format!("{} was written by a newer version", path.display())));
            }
            if found < schema.version {
                transaction.execute_batch(schema.statements).map_err(failed)?;
                transaction.pragma_update(None, "user_version", schema.version).map_err(failed)?;
            }
            Ok(())
        })?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` on a blocking thread with the connection to itself. Once begun it runs to its
    /// end, also when the caller stops waiting.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> PortResult<T> + Send + 'static,
    ) -> PortResult<T> {
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        blocking(move || work(&mut connection)).await
    }

    /// Runs `work` in a transaction that is committed when it gives `Ok`.
    pub async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> PortResult<T> + Send + 'static,
    ) -> PortResult<T> {
        self.run(|connection| in_transaction(connection, work)).await
    }
}

/// Runs `work` in a transaction that takes the write lock at once (so that what it reads cannot
/// change before it writes) and is committed when it gives `Ok`.
pub(in crate::adapters) fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> PortResult<T>,
) -> PortResult<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(result)
}

/// Runs `work` on a blocking thread.
pub(in crate::adapters) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> PortResult<T> + Send + 'static,
) -> PortResult<T> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(PortError::unavailable("the blocking work was aborted").with_source(error)),
    }
}

/// The column value for a time: milliseconds since 1970.
pub(in crate::adapters) fn to_column(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis()
}

/// The time of a column that [`to_column`] wrote.
pub(in crate::adapters) fn from_column(milliseconds: i64) -> PortResult<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| PortError::corrupt("a stored time is out of range"))
}
