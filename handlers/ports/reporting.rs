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
    /// 64 bits, floating.
    Real,
    /// UTC, to the millisecond.
    Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Lower-case ASCII letters, digits and underscores.
    pub name: &'static str,
    pub kind: ColumnType,
    pub nullable: bool,
}

/// A table, declared once for all adapters.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
    /// The columns that identify a row: an upsert replaces the row with the same values.
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
    Sum(&'static str),
    Average(&'static str),
    Minimum(&'static str),
    Maximum(&'static str),
}

/// A comparison of a column with a value.
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
    /// Positions in `projections`, and whether descending.
    pub order: Vec<(usize, bool)>,
    /// 1 to 10 000.
    pub limit: usize,
}

/// A relational store for reports. Writes go through one pool of connections, reads through
/// another, which may be a replica that lags.
#[async_trait]
pub trait ReportingDb: Send + Sync {
    /// Makes the tables, and adds columns that are new; never drops anything. Harmless when done twice.
    async fn migrate(&self, tables: &'static [&'static Table]) -> PortResult<()>;

    /// Inserts rows, replacing those with the same key, all or none; the last of several with one
    /// key wins. A row of another shape is an `InvalidRequest`.
    async fn upsert(&self, table: &'static Table, rows: Vec<Row>) -> PortResult<()>;

    /// Deletes the rows for which all comparisons hold; gives their number. At least one comparison.
    async fn delete(&self, table: &'static Table, filters: Vec<Comparison>) -> PortResult<u64>;

    /// Answers from the read pool.
    async fn select(&self, select: Select) -> PortResult<Vec<Row>>;
}
