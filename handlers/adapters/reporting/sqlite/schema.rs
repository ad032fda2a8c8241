//! Tables from their declarations.

use std::collections::HashMap;

use rusqlite::Connection;

use super::sql::{name, names};
use crate::adapters::sqlite::failed;
use crate::ports::reporting::{Column, ColumnType, Table};
use crate::ports::{PortError, PortResult};

/// Makes a checked table, or what it lacks of columns and indexes.
pub(super) fn bring_up(conn: &Connection, table: &Table) -> PortResult<()> {
    let existing = columns(conn, table)?;
    if existing.is_empty() {
        let columns: Vec<String> = table.columns.iter().map(column).collect();
        let sql = format!(
            "CREATE TABLE {}({}, PRIMARY KEY({})) STRICT",
            name(table.name),
            columns.join(", "),
            names(table.key)
        );
        conn.execute_batch(&sql).map_err(failed)?;
    }
    for declared in table.columns.iter().filter(|_| !existing.is_empty()) {
        match existing.get(declared.name) {
            Some(kind) if kind == storage(declared.kind) => {}
            Some(kind) => {
                return Err(PortError::invalid(format!("{}.{} is stored as {kind}", table.name, declared.name)));
            }
            None => {
                let sql = format!("ALTER TABLE {} ADD COLUMN {}", name(table.name), column(declared));
                conn.execute_batch(&sql).map_err(failed)?;
            }
        }
    }
    for columns in table.indexes {
        let index = format!("{}_by_{}", table.name, columns.join("_"));
        let sql = format!("CREATE INDEX IF NOT EXISTS {} ON {}({})", name(&index), name(table.name), names(columns));
        conn.execute_batch(&sql).map_err(failed)?;
    }
    Ok(())
}

/// The stored columns and their types; empty without a table.
fn columns(conn: &Connection, table: &Table) -> PortResult<HashMap<String, String>> {
    let read = || -> rusqlite::Result<_> {
        let mut rows = conn.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
        rows.query_map([table.name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    read().map_err(failed)
}

/// A column's definition. What may not be null has a default, so that a column can join a table
/// that has rows, and one that is no longer declared does not hinder new rows.
fn column(column: &Column) -> String {
    let kind = storage(column.kind);
    match (column.nullable, column.kind) {
        (true, _) => format!("{} {kind}", name(column.name)),
        (false, ColumnType::Text(_)) => format!("{} {kind} NOT NULL DEFAULT ''", name(column.name)),
        (false, ColumnType::Integer | ColumnType::Real | ColumnType::Timestamp) => {
            format!("{} {kind} NOT NULL DEFAULT 0", name(column.name))
        }
    }
}

fn storage(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text(_) => "TEXT",
        ColumnType::Integer | ColumnType::Timestamp => "INTEGER",
        ColumnType::Real => "REAL",
    }
}
