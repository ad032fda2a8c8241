//! One thread writes. It takes what calls are waiting into one transaction, each in its own
//! savepoint, and answers them after the commit: one write to the disk acknowledges many
//! callers (group commit), and a call that fails undoes only itself.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Error, ffi};
use tokio::sync::{mpsc, oneshot, watch};

use super::{failed, run};
use crate::ports::{PortError, PortResult};

/// Calls that may wait; further callers wait for a place.
const WAITING: usize = 256;

/// Calls that one transaction takes at most.
const GROUP: usize = 256;

/// A call that waits for its transaction.
trait Call: Send {
    /// Does the call within the open transaction; says whether there is something to commit.
    fn run(&mut self, conn: &Connection) -> bool;

    /// Tells the caller what became of the call and of the transaction that held it.
    fn answer(self: Box<Self>, committed: PortResult<()>);
}

struct Pending<W, T, E> {
    work: Option<W>,
    done: Option<PortResult<Result<T, E>>>,
    tell: oneshot::Sender<PortResult<Result<T, E>>>,
}

impl<W, T, E> Call for Pending<W, T, E>
where
    W: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: Send,
{
    fn run(&mut self, conn: &Connection) -> bool {
        self.done = self.work.take().map(|work| in_savepoint(conn, work));
        matches!(self.done, Some(Ok(Ok(_))))
    }

    fn answer(self: Box<Self>, committed: PortResult<()>) {
        // The caller may have gone away; its work is done all the same.
        drop(self.tell.send(committed.and(self.done.unwrap_or_else(|| Err(closed())))));
    }
}

/// The writing side of a database file. Dropping it finishes the calls that wait, and blocks
/// for as long.
pub(in crate::adapters) struct Writer {
    calls: Option<mpsc::Sender<Box<dyn Call>>>,
    thread: Option<JoinHandle<()>>,
    commits: watch::Receiver<u64>,
}

impl Writer {
    /// Starts the thread on a connection that nothing else uses.
    ///
    /// # Errors
    /// [`crate::ports::PortErrorKind::Unavailable`] when the system gives no thread.
    pub(in crate::adapters) fn start(conn: Connection, name: &str) -> PortResult<Self> {
        let (calls, mut waiting) = mpsc::channel(WAITING);
        let (tick, commits) = watch::channel(0);
        let serve = move || {
            while let Some(first) = waiting.blocking_recv() {
                commit_group(&conn, first, &mut waiting, &tick);
            }
        };
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(serve)
            .map_err(|error| PortError::unavailable("no thread for the database writer").with_source(error))?;
        Ok(Self { calls: Some(calls), thread: Some(thread), commits })
    }

    /// The number of commits so far, to wait for the next one.
    pub(in crate::adapters) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    /// Does `work` in the next transaction and answers once that is on the disk. The inner
    /// `Err` is the refusal of `work` itself, which leaves nothing behind. A caller that stops
    /// waiting does not stop the work.
    ///
    /// # Errors
    /// The file is locked by another process for too long, full, or broken: nothing was written.
    pub(in crate::adapters) async fn call<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> PortResult<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let call = Box::new(Pending { work: Some(work), done: None, tell });
        let calls = self.calls.as_ref().ok_or_else(closed)?;
        calls.send(call).await.map_err(|_| closed())?;
        told.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the database writer ended by a panic");
        }
    }
}

fn closed() -> PortError {
    PortError::unavailable("the database writer has ended")
}

fn in_savepoint<T, E>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T, E>) -> PortResult<Result<T, E>> {
    run(conn, "SAVEPOINT call").map_err(failed)?;
    let done = work(conn);
    // After some failures, such as a full disk, SQLite has ended the whole transaction.
    if done.is_err() && !conn.is_autocommit() {
        run(conn, "ROLLBACK TO call").map_err(failed)?;
    }
    if !conn.is_autocommit() {
        run(conn, "RELEASE call").map_err(failed)?;
    }
    Ok(done)
}

fn commit_group(
    conn: &Connection,
    first: Box<dyn Call>,
    waiting: &mut mpsc::Receiver<Box<dyn Call>>,
    tick: &watch::Sender<u64>,
) {
    let begun = run(conn, "BEGIN IMMEDIATE");
    let mut wrote = false;
    let mut group = Vec::new();
    let mut next = Some(first);
    while let Some(mut call) = next {
        if begun.is_ok() {
            wrote |= call.run(conn);
        }
        group.push(call);
        let lost = begun.is_ok() && conn.is_autocommit();
        next = if lost || group.len() == GROUP { None } else { waiting.try_recv().ok() };
    }
    let committed = begun.and_then(|()| end(conn, wrote)).map_err(Arc::new);
    if wrote && committed.is_ok() {
        tick.send_modify(|commits| *commits += 1);
    }
    for call in group {
        call.answer(committed.clone().map_err(failed));
    }
}

/// Ends the transaction; on an error nothing of it is stored.
fn end(conn: &Connection, wrote: bool) -> Result<(), Error> {
    if conn.is_autocommit() {
        let lost = ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK);
        return Err(Error::SqliteFailure(lost, Some("a call made SQLite give up the transaction".into())));
    }
    if !wrote {
        return run(conn, "ROLLBACK");
    }
    run(conn, "COMMIT").inspect_err(|_| {
        if !conn.is_autocommit()
            && let Err(error) = run(conn, "ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{open_for_reading, open_for_writing};
    use super::*;
    use crate::ports::PortErrorKind;

    fn insert(conn: &Connection, n: i64) -> rusqlite::Result<usize> {
        conn.execute("INSERT INTO t VALUES (?1)", [n])
    }

    fn stored(path: &std::path::Path) -> Vec<i64> {
        let conn = open_for_reading(path).unwrap();
        let mut rows = conn.prepare("SELECT n FROM t ORDER BY n").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn file() -> (tempfile::TempDir, std::path::PathBuf, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let conn = open_for_writing(&path).unwrap();
        conn.execute_batch("CREATE TABLE t(n INTEGER PRIMARY KEY)").unwrap();
        (folder, path, Writer::start(conn, "test").unwrap())
    }

    /// Does two calls in one transaction: the first call of its group holds the thread until both
    /// are waiting.
    async fn in_one_group<T: Send + 'static, U: Send + 'static>(
        writer: &Writer,
        one: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        two: impl FnOnce(&Connection) -> rusqlite::Result<U> + Send + 'static,
    ) -> (PortResult<rusqlite::Result<T>>, PortResult<rusqlite::Result<U>>) {
        let (go, gone) = std::sync::mpsc::channel();
        let hold = writer.call(move |_| gone.recv());
        let (_, one, two, ()) =
            tokio::join!(biased; hold, writer.call(one), writer.call(two), async { go.send(()).unwrap() });
        (one, two)
    }

    #[tokio::test]
    async fn a_refused_call_undoes_only_itself() {
        let (_folder, path, writer) = file();
        let refused = |conn: &Connection| insert(conn, 2).and_then(|_| insert(conn, 1));
        let (one, two) = in_one_group(&writer, |conn| insert(conn, 1), refused).await;
        assert!(one.unwrap().is_ok() && two.unwrap().is_err());
        assert_eq!(stored(&path), [1]);
        assert_eq!(*writer.commits().borrow(), 1, "both were in one transaction");
    }

    #[tokio::test]
    async fn only_commits_tick() {
        let (_folder, _path, writer) = file();
        let commits = writer.commits();
        writer.call(|conn| insert(conn, 1)).await.unwrap().unwrap();
        assert!(writer.call(|conn| insert(conn, 1)).await.unwrap().is_err());
        assert_eq!(*commits.borrow(), 1);
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_gives_up_is_acknowledged_to_nobody() {
        let (_folder, path, writer) = file();
        // What SQLite does by itself when the disk is full.
        let full = |conn: &Connection| insert(conn, 2).and_then(|_| conn.execute_batch("ROLLBACK"));
        let (one, two) = in_one_group(&writer, |conn| insert(conn, 1), full).await;
        assert_eq!(one.unwrap_err().kind(), PortErrorKind::Unavailable);
        assert_eq!(two.unwrap_err().kind(), PortErrorKind::Unavailable);
        writer.call(|conn| insert(conn, 3)).await.unwrap().unwrap();
        assert_eq!(stored(&path), [3]);
    }

    #[tokio::test]
    async fn nobody_is_answered_before_the_commit() {
        let (_folder, path, writer) = file();
        // A reference that dangles is noticed by the commit, hence fails it.
        let tables = "CREATE TABLE s(n INTEGER REFERENCES t(n) DEFERRABLE INITIALLY DEFERRED)";
        writer.call(move |conn| conn.execute_batch(tables)).await.unwrap().unwrap();
        let dangling = |conn: &Connection| conn.execute("INSERT INTO s VALUES (77)", []);
        let (one, two) = in_one_group(&writer, |conn| insert(conn, 1), dangling).await;
        assert_eq!(one.unwrap_err().kind(), PortErrorKind::Unavailable);
        assert_eq!(two.unwrap_err().kind(), PortErrorKind::Unavailable);
        writer.call(|conn| insert(conn, 3)).await.unwrap().unwrap();
        assert_eq!(stored(&path), [3]);
    }

    #[tokio::test]
    async fn a_lock_that_is_never_given_back_is_told_as_throttling() {
        let (_folder, path, writer) = file();
        writer.call(|conn| conn.busy_timeout(Duration::from_millis(20))).await.unwrap().unwrap();
        let other = open_for_writing(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = writer.call(|conn| insert(conn, 1)).await.unwrap_err();
        assert_eq!(refused.kind(), PortErrorKind::Throttled);
        other.execute_batch("ROLLBACK").unwrap();
        writer.call(|conn| insert(conn, 1)).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn dropping_it_finishes_what_waits() {
        let (_folder, path, writer) = file();
        for n in 0..50 {
            let call = writer.call(move |conn| insert(conn, n));
            // Polled once: handed over, then abandoned.
            tokio::select! { biased; _ = call => {}, () = std::future::ready(()) => {} }
        }
        drop(writer);
        assert_eq!(stored(&path).len(), 50);
    }
}
