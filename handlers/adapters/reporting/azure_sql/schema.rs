//! Tables from their declarations.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use tiberius::{Command, Query};

use super::connect::Session;
use super::failure::Failure;
use super::statements::{self, bytes};
use crate::ports::reporting::{Column, ColumnType, Table};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The lock that migrations hold, so that processes which start together take turns.
const LOCK: &str = "pravis-migrations";
const LOCK_TIME_MS: i32 = 60_000;
/// <https://learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server>
const PRIMARY_KEY_BYTES: u32 = 900;
const INDEX_BYTES: u32 = 1700;
const NAME_CHARACTERS: usize = 128;

/// Checks what only this server bounds: how wide keys and indexes are.
pub(super) fn check(table: &Table) -> PortResult<()> {
    check_width(table, table.key, PRIMARY_KEY_BYTES)?;
    table.indexes.iter().try_for_each(|columns| check_width(table, columns, INDEX_BYTES))
}

fn check_width(table: &Table, columns: &[&str], most: u32) -> PortResult<()> {
    let widths = table.columns.iter().filter(|column| columns.contains(&column.name)).map(|column| bytes(column.kind));
    match widths.sum::<Option<u32>>() {
        Some(width) if width <= most => Ok(()),
        _ => Err(PortError::invalid(format!(
            "{}: the columns {} are wider than the {most} bytes of a key or index",
            table.name,
            columns.join(", ")
        ))),
    }
}

/// Takes the lock for as long as the transaction runs.
pub(super) async fn lock(session: &mut Session) -> Result<(), Failure> {
    let mut command = Command::new("sp_getapplock");
    command.bind_param("@Resource", LOCK);
    command.bind_param("@LockMode", "Exclusive");
    command.bind_param("@LockOwner", "Transaction");
    command.bind_param("@LockTimeout", LOCK_TIME_MS);
    let result = command.exec(session).await?.into_command_result().await?;
    // The procedure's status is negative when the lock was not given.
    match result.return_code().cast_signed() {
        0.. => Ok(()),
        _ => {
            let message = "another process has been migrating the reporting database for too long";
            Err(PortError::new(PortErrorKind::Throttled, message).into())
        }
    }
}

/// Makes a checked table, or what it lacks of columns and indexes.
pub(super) async fn bring_up(session: &mut Session, table: &Table) -> Result<(), Failure> {
    let stored = columns(session, table).await?;
    if stored.is_empty() {
        run(session, statements::create_table(table)).await?;
    } else {
        for column in table.columns {
            if let Some(statement) = missing(table, column, stored.get(column.name))? {
                run(session, statement).await?;
            }
        }
    }
    let existing = indexes(session, table).await?;
    for columns in table.indexes {
        let index = index_name(table, columns);
        if !existing.contains(&index) {
            run(session, statements::create_index(table, &index, columns)).await?;
        }
    }
    Ok(())
}

/// A statement without parameters or an answer. A batch of its own: what `sp_executesql` runs could not
/// leave a temporary table behind.
pub(super) async fn run(session: &mut Session, statement: String) -> Result<(), Failure> {
    session.simple_query(statement).await?.into_results().await?;
    Ok(())
}

/// A stored column: type, bytes of text (-1 without a bound), digits of a second.
struct Stored {
    kind: String,
    bytes: Option<i32>,
    digits: Option<i16>,
}

/// What brings a stored column up to its declaration.
fn missing(table: &Table, column: &Column, stored: Option<&Stored>) -> PortResult<Option<String>> {
    let Some(stored) = stored else { return Ok(Some(statements::add_column(table, column))) };
    let refused = |why: &str| Err(PortError::invalid(format!("{}.{} is stored as {why}", table.name, column.name)));
    let same = match column.kind {
        ColumnType::Text(_) => stored.kind == "varchar",
        ColumnType::Integer => stored.kind == "bigint",
        ColumnType::Real => stored.kind == "float",
        ColumnType::Timestamp => stored.kind == "datetime2" && stored.digits == Some(3),
    };
    if !same {
        return refused(&stored.kind);
    }
    let declared = bytes(column.kind).unwrap_or(u32::MAX);
    let held = stored.bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    match (column.kind, held) {
        (ColumnType::Text(_), Some(held)) if held < declared => match table.key.contains(&column.name) {
            true => refused("shorter text, which cannot be lengthened in a key"),
            false => Ok(Some(statements::widen_column(table, column))),
        },
        _ => Ok(None),
    }
}

/// Empty without a table.
async fn columns(session: &mut Session, table: &Table) -> Result<HashMap<String, Stored>, Failure> {
    let mut query = Query::new(statements::COLUMNS);
    query.bind(table.name);
    let rows = query.query(session).await?.into_first_result().await?;
    let mut columns = HashMap::with_capacity(rows.len());
    for row in rows {
        let (Some(name), Some(kind)) = (row.try_get::<&str, _>(0)?, row.try_get::<&str, _>(1)?) else { continue };
        let stored = Stored { kind: kind.to_ascii_lowercase(), bytes: row.try_get(2)?, digits: row.try_get(3)? };
        columns.insert(name.to_owned(), stored);
    }
    Ok(columns)
}

async fn indexes(session: &mut Session, table: &Table) -> Result<HashSet<String>, Failure> {
    let mut query = Query::new(statements::INDEXES);
    query.bind(table.name);
    let rows = query.query(session).await?.into_first_result().await?;
    let mut names = HashSet::with_capacity(rows.len());
    for row in rows {
        names.extend(row.try_get::<&str, _>(0)?.map(str::to_owned));
    }
    Ok(names)
}

/// Tells the table and the columns; cut, with a digest at its end, when that is longer than a name may be.
fn index_name(table: &Table, columns: &[&str]) -> String {
    let name = format!("{}_by_{}", table.name, columns.join("_"));
    if name.len() <= NAME_CHARACTERS {
        return name;
    }
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    let mark: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{mark}", &name[..NAME_CHARACTERS - mark.len() - 1])
}
