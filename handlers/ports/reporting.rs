//! The reporting database: facts in tables, written in bulk and read apart.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortResult;

/// The type of a column. Adapters map it to their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// At most this many characters.
    Text(u16),
    /// 64 bits, signed.
    Integer,
    /// 64 bits, floating, finite.
    Real,
    /// UTC, to the millisecond.
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Lower-case ASCII letters, digits and underscores, a letter first, at most 60.
    pub name: &'static str,
    pub kind: ColumnType,
    /// Not in a key. A column that may not be null and joins a table with rows is empty text,
    /// 0 or 1970 in these.
    pub nullable: bool,
}

/// A table, declared once for all adapters.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// As a column's.
    pub name: &'static str,
    pub columns: &'static [Column],
    /// The columns that identify a row: an upsert replaces the row with the same values. Text
    /// differs by case; that spaces at its end tell two keys apart is not promised (SQL Server
    /// overlooks them).
    pub key: &'static [&'static str],
    /// Further indexes, each over some columns.
    pub indexes: &'static [&'static [&'static str]],
}

/// A value in a row, of its column's type or `Null`.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Text(String),
    Integer(i64),
    Real(f64),
    Timestamp(DateTime<Utc>),
}

/// A row: a cell for each column, in the table's order.
pub type Row = Vec<Cell>;

/// What a report's column shows.
#[derive(Clone, Debug)]
pub enum Projection {
    Column(&'static str),
    /// The number of rows.
    Count,
    /// Of numbers, in the column's type; null over no values, as are the following.
    Sum(&'static str),
    /// Of numbers, as [`Cell::Real`].
    Average(&'static str),
    Minimum(&'static str),
    Maximum(&'static str),
}

/// A comparison of a column with a value of its type. Null passes none but equality with null,
/// and to compare its order is an `InvalidRequest`.
#[derive(Clone, Debug)]
pub enum Comparison {
    Equal(&'static str, Cell),
    /// At or after.
    AtLeast(&'static str, Cell),
    /// Before.
    Below(&'static str, Cell),
}

/// A question to one table. With aggregates the plain columns are the groups.
#[derive(Clone, Debug)]
pub struct Select {
    pub table: &'static Table,
    pub projections: Vec<Projection>,
    pub filters: Vec<Comparison>,
    /// Positions in `projections`, and whether descending. Null is less than all else, text compares by
    /// code point.
    pub order: Vec<(usize, bool)>,
    /// 1 to 10 000.
    pub limit: usize,
}

/// A relational store for reports. Writes go through one pool of connections, reads through
/// another, which may be a replica that lags.
#[async_trait]
pub trait ReportingDb: Send + Sync {
    /// Makes the tables, and adds columns and indexes that are new; never drops anything: a column that
    /// is declared no longer stays, and does not hinder new rows. Harmless when done twice. A
    /// malformed declaration, or a stored column of another type, is an `InvalidRequest`.
    async fn migrate(&self, tables: &'static [&'static Table]) -> PortResult<()>;

    /// Inserts rows, replacing those with the same key, all or none; the last of several with one
    /// key wins. A row of another shape is an `InvalidRequest`.
    async fn upsert(&self, table: &'static Table, rows: Vec<Row>) -> PortResult<()>;

    /// Deletes the rows for which all comparisons hold; gives their number. At least one comparison.
    async fn delete(&self, table: &'static Table, filters: Vec<Comparison>) -> PortResult<u64>;

    /// Answers from the read pool. What names no column, or asks it for what its type has not, is an
    /// `InvalidRequest`.
    async fn select(&self, select: Select) -> PortResult<Vec<Row>>;
}
