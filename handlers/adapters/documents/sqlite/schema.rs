//! The tables of the document file.
//!
//! `lsn` is the row's own key and `AUTOINCREMENT`: every write inserts a new row under the
//! next number, allocated under SQLite's write lock, so numbers grow in the order of commits
//! over all processes and none is used twice. The change feed is a walk along it, by the index
//! over `container`, which ends, as every index does, with the row's own key.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::failed;
use crate::ports::documents::Container;
use crate::ports::{PortError, PortResult};

/// The layout below; a file says in `user_version` which one it has.
const VERSION: i64 = 1;

/// `partition` is the key's values as a JSON array, `modified_at` in seconds and `expires_at` in
/// milliseconds since 1970.
const TABLES: &str = "
    CREATE TABLE containers(
        name TEXT PRIMARY KEY,
        partition_key TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE documents(
        lsn INTEGER PRIMARY KEY AUTOINCREMENT,
        container TEXT NOT NULL,
        partition TEXT NOT NULL,
        id TEXT NOT NULL,
        modified_at INTEGER NOT NULL,
        expires_at INTEGER,
        body TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX documents_by_id ON documents(container, partition, id);
    CREATE INDEX documents_by_container ON documents(container);
    CREATE INDEX documents_by_expiry ON documents(expires_at) WHERE expires_at IS NOT NULL;
";

/// Makes the tables in a new file and compares the containers of an old one: a partition key
/// cannot be changed, as in Cosmos DB.
pub(super) fn prepare(conn: &Connection, containers: &[&Container]) -> PortResult<()> {
    if is_current(conn, containers)? {
        return Ok(());
    }
    conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    match bring_up(conn, containers) {
        Ok(()) => conn.execute_batch("COMMIT").map_err(failed),
        Err(error) => {
            conn.execute_batch("ROLLBACK").map_err(failed)?;
            Err(error)
        }
    }
}

fn is_current(conn: &Connection, containers: &[&Container]) -> PortResult<bool> {
    match version(conn)? {
        0 => Ok(false),
        VERSION => {
            let stored = stored_keys(conn)?;
            for container in containers {
                match stored.get(container.name) {
                    None => return Ok(false),
                    Some(key) if *key == container.partition_key.join(",") => {}
                    Some(key) => return Err(changed_key(container, key)),
                }
            }
            Ok(true)
        }
        other => Err(PortError::unavailable(format!("the document file has layout {other}, made by a later version"))),
    }
}

fn bring_up(conn: &Connection, containers: &[&Container]) -> PortResult<()> {
    // Another process may have done it before this one got the lock.
    if version(conn)? == 0 {
        conn.execute_batch(TABLES).map_err(failed)?;
        conn.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    }
    for container in containers {
        let row = params![container.name, container.partition_key.join(",")];
        conn.execute("INSERT INTO containers VALUES (?1, ?2) ON CONFLICT DO NOTHING", row).map_err(failed)?;
    }
    match is_current(conn, containers)? {
        true => Ok(()),
        false => Err(PortError::corrupt("the document file forgot its containers")),
    }
}

fn version(conn: &Connection) -> PortResult<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)
}

fn stored_keys(conn: &Connection) -> PortResult<HashMap<String, String>> {
    let read = || -> rusqlite::Result<_> {
        let mut rows = conn.prepare("SELECT name, partition_key FROM containers")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    read().map_err(failed)
}

fn changed_key(container: &Container, stored: &str) -> PortError {
    PortError::corrupt(format!(
        "the container {} was made with the partition key {stored}, now {}: a new file is needed",
        container.name,
        container.partition_key.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortErrorKind;
    use crate::ports::documents::Indexing;

    static ONE: Container =
        Container { name: "one", partition_key: &["a", "b"], default_ttl: None, indexing: Indexing::Everything };
    static OTHER_KEY: Container =
        Container { name: "one", partition_key: &["a"], default_ttl: None, indexing: Indexing::Everything };
    static TWO: Container =
        Container { name: "two", partition_key: &["id"], default_ttl: Some(5), indexing: Indexing::Everything };

    #[test]
    fn containers_may_come_but_not_change_their_key() {
        let conn = Connection::open_in_memory().unwrap();
        prepare(&conn, &[&ONE]).unwrap();
        prepare(&conn, &[&ONE, &TWO]).unwrap();
        assert_eq!(prepare(&conn, &[&OTHER_KEY]).unwrap_err().kind(), PortErrorKind::Corrupt);
        prepare(&conn, &[&TWO]).unwrap();
    }

    #[test]
    fn a_file_of_a_later_version_is_left_alone() {
        let conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert_eq!(prepare(&conn, &[&ONE]).unwrap_err().kind(), PortErrorKind::Unavailable);
    }
}
