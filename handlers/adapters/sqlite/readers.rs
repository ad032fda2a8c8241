//! A few connections that only read, each used by one call at a time on a blocking thread.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::Semaphore;
use tokio::task::{self, JoinError};
use tokio::time;

use super::open_for_reading;
use crate::ports::{PortError, PortErrorKind, PortResult};

/// Connections to one file, opened as they are first needed.
const CONNECTIONS: usize = 4;

/// How long one read may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The reading side of a database file that a writer has made.
pub(in crate::adapters) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Reader>>>,
    places: Arc<Semaphore>,
}

struct Reader {
    conn: Connection,
    interrupt: Arc<InterruptHandle>,
}

impl Readers {
    pub(in crate::adapters) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Does `work` on a connection that sees all that is committed by now. A caller that stops
    /// waiting ends the work.
    ///
    /// # Errors
    /// Those of `work`; [`PortErrorKind::TimedOut`] when it takes more than 10 seconds.
    pub(in crate::adapters) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> PortResult<T> + Send + 'static,
    ) -> PortResult<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(ended)?;
        let idle_one = idle(&self.idle).pop();
        let reader = match idle_one {
            Some(reader) => reader,
            None => {
                let path = self.path.clone();
                task::spawn_blocking(move || Reader::open(&path)).await.map_err(ended)??
            }
        };
        let mut unfinished = Unfinished(Some(Arc::clone(&reader.interrupt)));
        let back = Arc::clone(&self.idle);
        let read = task::spawn_blocking(move || {
            let outcome = work(&reader.conn);
            idle(&back).push(reader);
            drop(place);
            outcome
        });
        let outcome = time::timeout(TIME_LIMIT, read)
            .await
            .map_err(|_| PortError::new(PortErrorKind::TimedOut, "a read took more than 10 s"))?;
        unfinished.0 = None;
        outcome.map_err(ended)?
    }
}

impl Reader {
    fn open(path: &Path) -> PortResult<Self> {
        let conn = open_for_reading(path)?;
        let interrupt = Arc::new(conn.get_interrupt_handle());
        Ok(Self { conn, interrupt })
    }
}

/// Interrupts the read that its caller no longer waits for.
struct Unfinished(Option<Arc<InterruptHandle>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(interrupt) = self.0.take() {
            interrupt.interrupt();
        }
    }
}

fn idle(readers: &Mutex<Vec<Reader>>) -> std::sync::MutexGuard<'_, Vec<Reader>> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended(error: impl Into<ReadEnded>) -> PortError {
    PortError::unavailable("a read was cut off").with_source(error.into())
}

/// Why a read did not come to its end.
#[derive(Debug, thiserror::Error)]
enum ReadEnded {
    #[error(transparent)]
    Task(#[from] JoinError),
    #[error(transparent)]
    Closed(#[from] tokio::sync::AcquireError),
}

#[cfg(test)]
mod tests {
    use super::super::{failed, open_for_writing};
    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

    #[tokio::test]
    async fn a_caller_that_goes_away_frees_the_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let _writer = open_for_writing(&path).unwrap();
        let readers = Readers::new(&path);
        for _ in 0..CONNECTIONS {
            let endless = readers.call(|conn| conn.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)).map_err(failed));
            assert!(time::timeout(Duration::from_millis(50), endless).await.is_err());
        }
        let one = readers.call(|conn| conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).map_err(failed));
        assert_eq!(time::timeout(Duration::from_secs(5), one).await.unwrap().unwrap(), 1);
    }
}
