//! The reporting database in one SQLite file: writes through one thread, reads through
//! connections that cannot write.

mod schema;
mod sql;

use std::path::Path;

use async_trait::async_trait;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};

use super::shape;
use crate::adapters::sqlite::{Readers, Writer, failed, open_for_writing};
use crate::ports::reporting::{Cell, ColumnType, Comparison, ReportingDb, Row, Select, Table};
use crate::ports::{PortError, PortResult};

/// [`ReportingDb`] in a file. Dropping it finishes the writes that wait.
pub struct SqliteReporting {
    // Dropped before the writer, whose connection, the last to close, clears the log away.
    readers: Readers,
    writer: Writer,
}

impl SqliteReporting {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// [`crate::ports::PortErrorKind::Unavailable`] when the file cannot be made or opened,
    /// [`crate::ports::PortErrorKind::Corrupt`] when it is not a database.
    pub fn open(path: &Path) -> PortResult<Self> {
        let writer = Writer::start(open_for_writing(path)?, "reporting")?;
        Ok(Self { readers: Readers::new(path), writer })
    }
}

#[async_trait]
impl ReportingDb for SqliteReporting {
    async fn migrate(&self, tables: &'static [&'static Table]) -> PortResult<()> {
        tables.iter().try_for_each(|table| shape::check_table(table))?;
        self.writer.call(move |conn| tables.iter().try_for_each(|table| schema::bring_up(conn, table))).await?
    }

    async fn upsert(&self, table: &'static Table, rows: Vec<Row>) -> PortResult<()> {
        shape::check_table(table)?;
        rows.iter().try_for_each(|row| shape::check_row(table, row))?;
        if rows.is_empty() {
            return Ok(());
        }
        let work = move |conn: &Connection| {
            let mut upsert = conn.prepare_cached(&sql::upsert(table))?;
            rows.into_iter().try_for_each(|row| upsert.execute(params_from_iter(row.into_iter().map(stored))).map(drop))
        };
        self.writer.call(work).await?.map_err(failed)
    }

    async fn delete(&self, table: &'static Table, filters: Vec<Comparison>) -> PortResult<u64> {
        shape::check_table(table)?;
        shape::check_filters(table, &filters)?;
        if filters.is_empty() {
            return Err(PortError::invalid(format!("a deletion of the whole of {}", table.name)));
        }
        let (text, values) = sql::delete(table, filters);
        let work = move |conn: &Connection| conn.prepare_cached(&text)?.execute(params_from_iter(values));
        self.writer.call(work).await?.map(|rows| rows as u64).map_err(failed)
    }

    async fn select(&self, select: Select) -> PortResult<Vec<Row>> {
        shape::check_table(select.table)?;
        let kinds = shape::check_select(&select)?;
        let (text, values) = sql::select(select);
        self.readers.call(move |conn| answer(conn, &text, values, &kinds)).await
    }
}

fn answer(conn: &Connection, text: &str, values: Vec<SqlValue>, kinds: &[ColumnType]) -> PortResult<Vec<Row>> {
    let mut select = conn.prepare_cached(text).map_err(failed)?;
    let mut rows = select.query(params_from_iter(values)).map_err(failed)?;
    let mut answered = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let cell = |(position, kind): (usize, &ColumnType)| read(*kind, row.get(position).map_err(failed)?);
        answered.push(kinds.iter().enumerate().map(cell).collect::<PortResult<Row>>()?);
    }
    Ok(answered)
}

/// A cell as it is stored: times as milliseconds since 1970.
fn stored(cell: Cell) -> SqlValue {
    match cell {
        Cell::Null => SqlValue::Null,
        Cell::Text(text) => SqlValue::Text(text),
        Cell::Integer(value) => SqlValue::Integer(value),
        Cell::Real(value) => SqlValue::Real(value),
        Cell::Timestamp(at) => SqlValue::Integer(at.timestamp_millis()),
    }
}

fn read(kind: ColumnType, value: SqlValue) -> PortResult<Cell> {
    match (kind, value) {
        (_, SqlValue::Null) => Ok(Cell::Null),
        (ColumnType::Text(_), SqlValue::Text(text)) => Ok(Cell::Text(text)),
        (ColumnType::Integer, SqlValue::Integer(value)) => Ok(Cell::Integer(value)),
        (ColumnType::Real, SqlValue::Real(value)) => Ok(Cell::Real(value)),
        (ColumnType::Timestamp, SqlValue::Integer(millis)) => chrono::DateTime::from_timestamp_millis(millis)
            .map(Cell::Timestamp)
            .ok_or_else(|| PortError::corrupt("a stored time is out of range")),
        (kind, value) => Err(PortError::corrupt(format!("{value:?} is stored where {kind:?} is declared"))),
    }
}
