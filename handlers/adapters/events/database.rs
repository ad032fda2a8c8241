//! One SQLite file behind an embedded store.
//!
//! SQLite in WAL mode with `synchronous = FULL` gives what the stores promise: a transaction that
//! has been committed survives the death of process and machine, one that has not leaves no trace,
//! and several processes may use the same file (<https://sqlite.org/wal.html>).
//! A call first waits for the connection without holding a thread and then works on a blocking
//! thread, so that waiting calls cost no threads and the async threads never touch the disk.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::ports::{PortError, PortErrorKind, PortResult};

/// How long a call waits for another process to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

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
        let given_up_at = Instant::now() + BUSY_TIMEOUT;
        loop {
            match connect(path, schema) {
                Ok(connection) => return Ok(Self { connection: Arc::new(Mutex::new(connection)) }),
                // The switch to WAL does not wait for another process that makes it too.
                Err(error) if error.kind() == PortErrorKind::TimedOut && Instant::now() < given_up_at => {
                    sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
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

/// The port's error for SQLite's.
pub(in crate::adapters) fn failed(error: Error) -> PortError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => PortErrorKind::TimedOut,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch) => PortErrorKind::Corrupt,
        Some(ErrorCode::TooBig) => PortErrorKind::TooLarge,
        _ => PortErrorKind::Unavailable,
    };
    PortError::new(kind, "the SQLite file failed").with_source(error)
}

/// The column value for a time: milliseconds since 1970.
pub(in crate::adapters) fn to_column(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis()
}

/// The time of a column that [`to_column`] wrote.
pub(in crate::adapters) fn from_column(milliseconds: i64) -> PortResult<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| PortError::corrupt("a stored time is out of range"))
}

fn connect(path: &Path, schema: &Schema) -> PortResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // A negative cache size is in KiB; the stores are small and idle most of the time.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -1024;")
        .map_err(failed)?;
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
    Ok(connection)
}
