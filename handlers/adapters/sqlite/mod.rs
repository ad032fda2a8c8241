//! What the adapters on SQLite share: how a file is opened, the one thread that writes to it,
//! and the few connections that read from it.
//!
//! Write-ahead log, `synchronous=FULL`: a commit returns once the log is on the disk. Several
//! processes may have the same file open; they take turns at SQLite's write lock.

pub(super) mod database;
mod readers;
mod writer;

pub(super) use readers::Readers;
pub(super) use writer::Writer;

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use crate::ports::{PortError, PortErrorKind, PortResult};

/// How long a connection waits for the lock of another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// The size to which the log is cut back after a burst of writes, in bytes.
const LOG_BYTES: u32 = 16 << 20;

/// The page cache of one connection, in KiB: the operating system caches the file as well.
const CACHE_KIB: u32 = 1024;

/// Opens the file for writing and makes it, with its folder, where there is none; then only its
/// owner may read it.
pub(super) fn open_for_writing(path: &Path) -> PortResult<Connection> {
    create(path).map_err(|error| {
        PortError::unavailable(format!("the database file {} cannot be made", path.display())).with_source(error)
    })?;
    let open = || {
        let conn = connect(path)?;
        conn.pragma_update(None, "journal_mode", "wal")?;
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        // What is deleted is overwritten, not only let go.
        conn.pragma_update(None, "secure_delete", true)?;
        Ok(conn)
    };
    patiently(open).map_err(failed)
}

/// Opens a file that a writer has made, for reading.
fn open_for_reading(path: &Path) -> PortResult<Connection> {
    let open = || {
        let conn = connect(path)?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    };
    patiently(open).map_err(failed)
}

fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(PATIENCE)?;
    conn.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(conn)
}

/// Repeats what another process is in the way of: SQLite does not itself wait for the lock when
/// two processes switch a new file to the write-ahead log.
fn patiently<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && started.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
            outcome => return outcome,
        }
    }
}

fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Runs a statement without parameters that is used again and again.
fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

/// What SQLite's refusal means to the caller of a port.
pub(super) fn failed(error: impl Into<Arc<Error>>) -> PortError {
    let error = error.into();
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => PortErrorKind::Throttled,
        Some(ErrorCode::OperationInterrupted) => PortErrorKind::TimedOut,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => PortErrorKind::Corrupt,
        Some(ErrorCode::TooBig) => PortErrorKind::TooLarge,
        _ => PortErrorKind::Unavailable,
    };
    PortError::new(kind, "the database file refused the call").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let conn = open_for_writing(&folder.path().join("new/folder/file.db")).unwrap();
        let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "2 is FULL");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_a_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        open_for_writing(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_of_another_kind_is_corrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        fs::write(&path, vec![b'x'; 8192]).unwrap();
        assert_eq!(open_for_writing(&path).unwrap_err().kind(), PortErrorKind::Corrupt);
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        open_for_writing(&path).unwrap().execute_batch("CREATE TABLE t(n)").unwrap();
        assert!(open_for_reading(&path).unwrap().execute_batch("INSERT INTO t VALUES (1)").is_err());
    }
}
