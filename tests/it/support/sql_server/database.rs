//! The tables behind the server: a SQLite file, of which each session has a connection of its own, with
//! its own transactions and temporary tables.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, params};

use super::expressions::Column;
use super::merge::Merge;
use super::tokens::Refusal;
use super::translate::{self, Plan, temporary};
use super::values::{Type, Value};

/// How long a writer waits for another.
const LOCK_TIME: Duration = Duration::from_secs(20);

const CATALOGUE: &str = "
    CREATE TABLE \"INFORMATION_SCHEMA.COLUMNS\"(
        TABLE_SCHEMA TEXT, TABLE_NAME TEXT, COLUMN_NAME TEXT, DATA_TYPE TEXT,
        CHARACTER_MAXIMUM_LENGTH INTEGER, DATETIME_PRECISION INTEGER, nullable INTEGER, is_key INTEGER);
    CREATE TABLE \"sys.indexes\"(object_id TEXT, name TEXT);";

/// Makes the file.
pub fn create(path: &Path) {
    let conn = open(path);
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    conn.execute_batch(CATALOGUE).unwrap();
}

fn open(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.busy_timeout(LOCK_TIME).unwrap();
    conn.pragma_update(None, "synchronous", "off").unwrap();
    conn
}

/// Copies what is committed, for a replica that lags.
pub fn copy(path: &Path, to: &Path) {
    open(path).execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
}

/// What a statement answers.
pub enum Outcome {
    Rows {
        columns: Vec<(String, Type)>,
        rows: Vec<Vec<Value>>,
    },
    Changed(u64),
    /// The columns of the rows that are to follow.
    BulkLoad {
        table: String,
        columns: Vec<String>,
    },
}

/// Named parameters with their types.
pub type Parameters = Vec<(String, Option<Type>, Value)>;

/// One session's view.
pub struct Database {
    conn: Connection,
    temporary: HashMap<String, Vec<Column>>,
    read_only: bool,
    pub in_transaction: bool,
}

impl Database {
    pub fn open(path: &Path, read_only: bool) -> Self {
        Self { conn: open(path), temporary: HashMap::new(), read_only, in_transaction: false }
    }

    pub fn begin(&mut self) -> Result<(), Refusal> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(refused)?;
        self.in_transaction = true;
        Ok(())
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// There is none.
    pub fn end(&mut self, commit: bool) -> Result<(), Refusal> {
        if !std::mem::take(&mut self.in_transaction) {
            return Err(Refusal::new(3902, "The request has no corresponding BEGIN TRANSACTION."));
        }
        self.conn.execute_batch(if commit { "COMMIT" } else { "ROLLBACK" }).map_err(refused)
    }

    /// Runs one statement. Temporary tables are the caller's to make in a batch: in a procedure they would be
    /// gone at its end.
    pub fn run(&mut self, text: &str, parameters: &Parameters, procedure: bool) -> Result<Outcome, Refusal> {
        let types = parameters.iter().map(|(name, kind, _)| (name.clone(), *kind)).collect();
        let plan = translate::plan(text, &types, &|table| self.columns(table))?;
        let reads = matches!(plan, Plan::Ping | Plan::Describe(_) | Plan::Select { .. });
        if self.read_only && !reads {
            return Err(Refusal::new(3906, "Failed to update database because the database is read-only."));
        }
        match plan {
            Plan::Ping => {
                Ok(Outcome::Rows { columns: vec![(String::new(), Type::Int(4))], rows: vec![vec![Value::Int(1)]] })
            }
            Plan::Describe(columns) => Ok(Outcome::Rows { columns, rows: Vec::new() }),
            Plan::Select { sql, columns } => self.select(&sql, columns, parameters),
            Plan::Change { sql } => self.change(&sql, parameters),
            Plan::CreateTable { table, .. } if procedure && temporary(&table) => {
                Err(Refusal::new(208, format!("{table} would not outlive the procedure")))
            }
            Plan::CreateTable { table, columns, sql } => self.create_table(table, columns, &sql),
            Plan::AddColumn { table, column, sql } => {
                self.conn.execute_batch(&sql).map_err(refused)?;
                self.describe(&table, &column)
            }
            Plan::WidenColumn { table, column, kind } => self.widen(&table, &column, kind),
            Plan::CreateIndex { table, index, sql } => {
                self.conn.execute_batch(&sql).map_err(refused)?;
                self.conn.execute("INSERT INTO \"sys.indexes\" VALUES (?1, ?2)", [table, index]).map_err(refused)?;
                Ok(Outcome::Changed(0))
            }
            Plan::DropTable { table } => {
                self.temporary.remove(&table).ok_or_else(|| Refusal::new(3701, "only temporary tables are dropped"))?;
                self.conn.execute_batch(&format!("DROP TABLE temp.\"{table}\"")).map_err(refused)?;
                Ok(Outcome::Changed(0))
            }
            Plan::Merge(merge) => self.merge(&merge),
            Plan::BulkLoad { table, columns } => Ok(Outcome::BulkLoad { table, columns }),
        }
    }

    /// Takes rows of a bulk load.
    pub fn load(&mut self, table: &str, columns: &[String], rows: Vec<Vec<Value>>) -> Result<u64, Refusal> {
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!(
            "INSERT INTO temp.\"{table}\" ({}) VALUES ({marks})",
            translate::listed(columns, |name| format!("\"{name}\""))
        );
        let mut insert = self.conn.prepare(&sql).map_err(refused)?;
        for row in &rows {
            insert.execute(rusqlite::params_from_iter(row.iter().map(stored))).map_err(refused)?;
        }
        Ok(rows.len() as u64)
    }

    fn columns(&self, table: &str) -> Option<Vec<Column>> {
        let text =
            |name: &str| Column { name: name.into(), kind: Type::NVarChar(Some(128)), nullable: true, key: false };
        let number = |name: &str, size| Column { kind: Type::Int(size), ..text(name) };
        match table {
            "INFORMATION_SCHEMA.COLUMNS" => {
                let texts = ["TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE"].map(text);
                Some(
                    texts
                        .into_iter()
                        .chain([number("CHARACTER_MAXIMUM_LENGTH", 4), number("DATETIME_PRECISION", 2)])
                        .collect(),
                )
            }
            "sys.indexes" => Some(vec![number("object_id", 4), text("name")]),
            table if temporary(table) => self.temporary.get(table).cloned(),
            table => Some(self.stored_columns(table)).filter(|columns| !columns.is_empty()),
        }
    }

    fn stored_columns(&self, table: &str) -> Vec<Column> {
        let sql = "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, DATETIME_PRECISION, nullable, is_key \
                   FROM \"INFORMATION_SCHEMA.COLUMNS\" WHERE TABLE_NAME = ?1 ORDER BY rowid";
        let mut select = self.conn.prepare_cached(sql).unwrap();
        let column = |row: &rusqlite::Row<'_>| {
            let length: Option<i64> = row.get(2)?;
            let kind = match row.get::<_, String>(1)?.as_str() {
                "varchar" => Type::VarChar(length.and_then(|length| u32::try_from(length).ok())),
                "bigint" => Type::Int(8),
                "float" => Type::Float,
                "datetime2" => Type::DateTime2(row.get(3)?),
                other => panic!("{other}"),
            };
            Ok(Column { name: row.get(0)?, kind, nullable: row.get(4)?, key: row.get(5)? })
        };
        select.query_map([table], column).unwrap().map(Result::unwrap).collect()
    }

    fn create_table(&mut self, table: String, columns: Vec<Column>, sql: &str) -> Result<Outcome, Refusal> {
        self.conn.execute_batch(sql).map_err(refused)?;
        if temporary(&table) {
            self.temporary.insert(table, columns);
            return Ok(Outcome::Changed(0));
        }
        columns.iter().try_for_each(|column| self.describe(&table, column).map(drop))?;
        Ok(Outcome::Changed(0))
    }

    fn describe(&self, table: &str, column: &Column) -> Result<Outcome, Refusal> {
        let (length, digits) = match column.kind {
            Type::VarChar(length) => (Some(length.map_or(-1, i64::from)), None),
            Type::DateTime2(digits) => (None, Some(digits)),
            Type::NVarChar(_) | Type::Int(_) | Type::Float => (None, None),
        };
        let row =
            params!["dbo", table, column.name, column.kind.to_string(), length, digits, column.nullable, column.key];
        let sql = "INSERT INTO \"INFORMATION_SCHEMA.COLUMNS\" VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        self.conn.execute(sql, row).map_err(refused)?;
        Ok(Outcome::Changed(0))
    }

    fn widen(&self, table: &str, column: &str, kind: Type) -> Result<Outcome, Refusal> {
        let Type::VarChar(length) = kind else { return Err(Refusal::new(4928, "only text is lengthened")) };
        let sql = "UPDATE \"INFORMATION_SCHEMA.COLUMNS\" SET CHARACTER_MAXIMUM_LENGTH = ?3 \
                   WHERE TABLE_NAME = ?1 AND COLUMN_NAME = ?2 AND NOT is_key AND DATA_TYPE = 'varchar'";
        match self.conn.execute(sql, params![table, column, length.map_or(-1, i64::from)]).map_err(refused)? {
            1 => Ok(Outcome::Changed(0)),
            _ => Err(Refusal::new(4924, "ALTER TABLE ALTER COLUMN failed")),
        }
    }

    fn select(&self, sql: &str, columns: Vec<(String, Type)>, parameters: &Parameters) -> Result<Outcome, Refusal> {
        let mut select = self.conn.prepare_cached(sql).map_err(refused)?;
        bind(&mut select, parameters)?;
        let mut answered = select.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = answered.next().map_err(refused)? {
            let value = |(at, (_, kind)): (usize, &(String, Type))| read(*kind, row.get_ref(at).unwrap());
            rows.push(columns.iter().enumerate().map(value).collect());
        }
        Ok(Outcome::Rows { columns, rows })
    }

    fn change(&self, sql: &str, parameters: &Parameters) -> Result<Outcome, Refusal> {
        let mut change = self.conn.prepare_cached(sql).map_err(refused)?;
        bind(&mut change, parameters)?;
        change.raw_execute().map(|rows| Outcome::Changed(rows as u64)).map_err(refused)
    }

    fn merge(&self, merge: &Merge) -> Result<Outcome, Refusal> {
        let found =
            |sql: &str| self.conn.query_row(sql, [], |_| Ok(())).optional().map(|row| row.is_some()).map_err(refused);
        if found(&merge.duplicates)? {
            let message = "The MERGE statement attempted to UPDATE or DELETE the same row more than once.";
            return Err(Refusal::new(8672, message));
        }
        for query in &merge.too_long {
            if found(query)? {
                return Err(Refusal::new(2628, "String or binary data would be truncated"));
            }
        }
        self.conn.execute(&merge.sql, []).map(|rows| Outcome::Changed(rows as u64)).map_err(refused)
    }
}

fn bind(statement: &mut rusqlite::Statement<'_>, parameters: &Parameters) -> Result<(), Refusal> {
    for (name, _, value) in parameters {
        if let Some(at) = statement.parameter_index(name).map_err(refused)? {
            statement.raw_bind_parameter(at, stored(value)).map_err(refused)?;
        }
    }
    Ok(())
}

fn stored(value: &Value) -> impl ToSql {
    match value {
        Value::Null => Stored::Null,
        Value::Text(text) => Stored::Text(text.clone()),
        Value::Int(value) | Value::Time(value) => Stored::Integer(*value),
        Value::Float(value) => Stored::Real(*value),
    }
}

fn read(kind: Type, value: ValueRef<'_>) -> Value {
    match (kind, value) {
        (_, ValueRef::Null) => Value::Null,
        (Type::NVarChar(_), ValueRef::Text(text)) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
        (Type::Int(_), ValueRef::Integer(value)) => Value::Int(value),
        (Type::DateTime2(_), ValueRef::Integer(millis)) => Value::Time(millis),
        (Type::Float, ValueRef::Real(value)) => Value::Float(value),
        (kind, value) => panic!("{value:?} where {kind:?} is stored"),
    }
}

/// What SQL Server would say.
fn refused(error: rusqlite::Error) -> Refusal {
    let message = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Refusal::new(1222, "Lock request time out period exceeded.")
        }
        Some(ErrorCode::ConstraintViolation) if message.starts_with("NOT NULL") => Refusal::new(515, message),
        Some(ErrorCode::ConstraintViolation) => Refusal::new(2627, message),
        _ if message.contains("integer overflow") => Refusal::new(8115, message),
        _ if message.contains("already exists") => Refusal::new(2714, message),
        _ => Refusal::new(100_002, message),
    }
}
