//! T-SQL from checked declarations and questions. Names are quoted, values are parameters.
//!
//! Text is stored in UTF-8 under a binary collation, whose order is that of code points; UTF-16 under a
//! binary collation would put U+10000 before U+FFFF
//! (<https://learn.microsoft.com/sql/relational-databases/collations/collation-and-unicode-support>). The
//! driver speaks UTF-16 only, so text is converted on both ways, and its parameters to the column's very
//! type: otherwise the server would convert the column instead and could use no index.

use crate::adapters::reporting::shape;
use crate::ports::PortResult;
use crate::ports::reporting::{Cell, Column, ColumnType, Comparison, Projection, Select, Table};

const UTF_8: &str = "Latin1_General_100_BIN2_UTF8";
/// The temporary table in which rows wait for their `MERGE`. Each connection has its own.
pub(super) const STAGING: &str = "#pravis_rows";
/// The most bytes of a `VARCHAR` that is not `MAX`; four make any character.
const VARCHAR_BYTES: u32 = 8000;
/// The most characters of text in a staging column that is not `MAX`: beyond, the driver's bulk load
/// announces another type than it sends.
const STAGED_CHARACTERS: u16 = 1000;

/// The columns of a table and the bytes or digits that bound them.
pub(super) const COLUMNS: &str = "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, DATETIME_PRECISION \
     FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = SCHEMA_NAME() AND TABLE_NAME = @P1";
pub(super) const INDEXES: &str = "SELECT [name] FROM sys.indexes WHERE [object_id] = OBJECT_ID(@P1)";
pub(super) const PING: &str = "SELECT 1";

/// A checked name, quoted because it may be a keyword (`order`).
pub(super) fn name(plain: &str) -> String {
    format!("[{plain}]")
}

fn names(plain: &[&str]) -> String {
    plain.iter().map(|plain| name(plain)).collect::<Vec<_>>().join(", ")
}

fn listed<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The most bytes of a value in a key or index; `None` without a bound that the server accepts there.
pub(super) fn bytes(kind: ColumnType) -> Option<u32> {
    match kind {
        ColumnType::Text(characters) => Some(u32::from(characters) * 4).filter(|bytes| *bytes <= VARCHAR_BYTES),
        ColumnType::Integer | ColumnType::Real | ColumnType::Timestamp => Some(8),
    }
}

/// The type of a stored column.
pub(super) fn stored_type(kind: ColumnType) -> String {
    match (kind, bytes(kind)) {
        (ColumnType::Text(_), Some(bytes)) => format!("VARCHAR({bytes})"),
        (ColumnType::Text(_), None) => "VARCHAR(MAX)".to_owned(),
        (ColumnType::Integer, _) => "BIGINT".to_owned(),
        (ColumnType::Real, _) => "FLOAT(53)".to_owned(),
        (ColumnType::Timestamp, _) => "DATETIME2(3)".to_owned(),
    }
}

/// The type in which the driver sends and receives it: two units of UTF-16 make any character.
fn sent_type(kind: ColumnType) -> String {
    match kind {
        ColumnType::Text(characters) if characters <= STAGED_CHARACTERS => {
            format!("NVARCHAR({})", u32::from(characters) * 2)
        }
        ColumnType::Text(_) => "NVARCHAR(MAX)".to_owned(),
        ColumnType::Integer | ColumnType::Real | ColumnType::Timestamp => stored_type(kind),
    }
}

fn stored_column(column: &Column) -> String {
    let collation =
        if matches!(column.kind, ColumnType::Text(_)) { format!(" COLLATE {UTF_8}") } else { String::new() };
    let rest = match (column.nullable, column.kind) {
        (true, _) => "NULL",
        // A default, so that a column can join a table that has rows, and one that is no longer
        // declared does not hinder new rows.
        (false, ColumnType::Text(_)) => "NOT NULL DEFAULT ''",
        (false, ColumnType::Integer | ColumnType::Real) => "NOT NULL DEFAULT 0",
        (false, ColumnType::Timestamp) => "NOT NULL DEFAULT '1970-01-01T00:00:00'",
    };
    format!("{} {}{collation} {rest}", name(column.name), stored_type(column.kind))
}

pub(super) fn create_table(table: &Table) -> String {
    let columns = listed(table.columns, stored_column);
    format!("CREATE TABLE {} ({columns}, PRIMARY KEY ({}))", name(table.name), names(table.key))
}

pub(super) fn add_column(table: &Table, column: &Column) -> String {
    format!("ALTER TABLE {} ADD {}", name(table.name), stored_column(column))
}

/// Makes a column of text longer.
pub(super) fn widen_column(table: &Table, column: &Column) -> String {
    let kind = stored_type(column.kind);
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    format!("ALTER TABLE {} ALTER COLUMN {} {kind} COLLATE {UTF_8} {null}", name(table.name), name(column.name))
}

pub(super) fn create_index(table: &Table, index: &str, columns: &[&str]) -> String {
    format!("CREATE INDEX {} ON {} ({})", name(index), name(table.name), names(columns))
}

pub(super) fn create_staging(table: &Table) -> String {
    let column = |column: &Column| format!("{} {} NULL", name(column.name), sent_type(column.kind));
    format!("CREATE TABLE {STAGING} ({})", listed(table.columns, column))
}

pub(super) fn insert_staged(table: &Table) -> String {
    let all: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let values: Vec<String> = (1..=all.len()).map(|number| format!("@P{number}")).collect();
    format!("INSERT INTO {STAGING} ({}) VALUES ({})", names(&all), values.join(", "))
}

pub(super) fn empty_staging() -> String {
    format!("TRUNCATE TABLE {STAGING}")
}

pub(super) fn drop_staging() -> String {
    format!("DROP TABLE {STAGING}")
}

/// Takes over the staged rows. `HOLDLOCK` keeps two writers from both missing a key and inserting it
/// (<https://learn.microsoft.com/sql/t-sql/statements/merge-transact-sql#concurrency-considerations-for-merge>).
pub(super) fn merge(table: &Table) -> String {
    let target = name(table.name);
    let all: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let staged = listed(table.columns, |column| match column.kind {
        ColumnType::Text(_) => format!("{} AS {}", stored_value(&name(column.name), column.kind), name(column.name)),
        ColumnType::Integer | ColumnType::Real | ColumnType::Timestamp => name(column.name),
    });
    let same: Vec<String> = table.key.iter().map(|key| format!("{target}.{0} = [staged].{0}", name(key))).collect();
    let others: Vec<&&str> = all.iter().filter(|column| !table.key.contains(column)).collect();
    let replace = match others.is_empty() {
        true => String::new(),
        false => format!(
            " WHEN MATCHED THEN UPDATE SET {}",
            listed(&others, |column| format!("{0} = [staged].{0}", name(column)))
        ),
    };
    format!(
        "MERGE INTO {target} WITH (HOLDLOCK) USING (SELECT {staged} FROM {STAGING}) AS [staged] ON {}{replace} \
         WHEN NOT MATCHED THEN INSERT ({}) VALUES ({});",
        same.join(" AND "),
        names(&all),
        listed(&all, |column| format!("[staged].{}", name(column))),
    )
}

/// A value that the driver sent, in the type of its column.
fn stored_value(value: &str, kind: ColumnType) -> String {
    match kind {
        // The collation of what is cast says in which encoding the result is
        // (https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql).
        ColumnType::Text(_) => format!("CAST({value} COLLATE {UTF_8} AS {})", stored_type(kind)),
        ColumnType::Timestamp => format!("CAST({value} AS {})", stored_type(kind)),
        ColumnType::Integer | ColumnType::Real => value.to_owned(),
    }
}

/// A statement and its parameters, `@P1` first, each with the type of its column.
pub(super) type Prepared = (String, Vec<(ColumnType, Cell)>);

pub(super) fn delete(table: &Table, filters: Vec<Comparison>) -> PortResult<Prepared> {
    let mut values = Vec::with_capacity(filters.len());
    let conditions = conditions(table, filters, &mut values)?;
    Ok((format!("DELETE FROM {}{conditions}", name(table.name)), values))
}

pub(super) fn select(select: Select) -> PortResult<Prepared> {
    let table = select.table;
    let most = i64::try_from(select.limit).unwrap_or(i64::MAX);
    let mut values = vec![(ColumnType::Integer, Cell::Integer(most))];
    let projections: Vec<_> = select.projections.iter().map(|one| projection(table, one)).collect::<PortResult<_>>()?;
    let answered = listed(&projections, |(expression, kind)| match kind {
        ColumnType::Text(_) => format!("CAST({expression} AS {})", sent_type(*kind)),
        ColumnType::Integer | ColumnType::Real | ColumnType::Timestamp => expression.clone(),
    });
    let groups = distinct(shape::groups(&select).into_iter().map(name));
    let order = order(&projections, &select.order);
    let conditions = conditions(table, select.filters, &mut values)?;
    let mut text = format!("SELECT TOP (@P1) {answered} FROM {}{conditions}", name(table.name));
    if !groups.is_empty() {
        text.push_str(&format!(" GROUP BY {}", groups.join(", ")));
    }
    if !order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", order.join(", ")));
    }
    Ok((text, values))
}

/// By what is stored, not by what is sent, for that is in UTF-16. The server refuses to order by the same
/// twice.
fn order(projections: &[(String, ColumnType)], order: &[(usize, bool)]) -> Vec<String> {
    let mut by: Vec<&str> = Vec::new();
    let mut texts = Vec::new();
    for (position, descending) in order {
        let Some((expression, _)) = projections.get(*position) else { continue };
        if !by.contains(&expression.as_str()) {
            by.push(expression);
            texts.push(format!("{expression} {}", if *descending { "DESC" } else { "ASC" }));
        }
    }
    texts
}

fn distinct(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    items.for_each(|item| {
        if !kept.contains(&item) {
            kept.push(item);
        }
    });
    kept
}

/// What is asked for, as it is stored, and its type.
fn projection(table: &Table, projection: &Projection) -> PortResult<(String, ColumnType)> {
    let kind = |column: &str| shape::column(table, column).map(|column| column.kind);
    Ok(match projection {
        Projection::Column(column) => (name(column), kind(column)?),
        Projection::Count => ("COUNT_BIG(*)".to_owned(), ColumnType::Integer),
        Projection::Sum(column) => (format!("SUM({})", name(column)), kind(column)?),
        // An average of integers would be cut off to one.
        Projection::Average(column) => (format!("AVG(CAST({} AS FLOAT(53)))", name(column)), ColumnType::Real),
        Projection::Minimum(column) => (format!("MIN({})", name(column)), kind(column)?),
        Projection::Maximum(column) => (format!("MAX({})", name(column)), kind(column)?),
    })
}

fn conditions(table: &Table, filters: Vec<Comparison>, values: &mut Vec<(ColumnType, Cell)>) -> PortResult<String> {
    let mut texts = Vec::with_capacity(filters.len());
    for filter in filters {
        let (column, operator, cell) = match filter {
            Comparison::Equal(column, Cell::Null) => {
                texts.push(format!("{} IS NULL", name(column)));
                continue;
            }
            Comparison::Equal(column, cell) => (column, "=", cell),
            Comparison::AtLeast(column, cell) => (column, ">=", cell),
            Comparison::Below(column, cell) => (column, "<", cell),
        };
        let kind = shape::column(table, column)?.kind;
        values.push((kind, cell));
        texts.push(format!("{} {operator} {}", name(column), stored_value(&format!("@P{}", values.len()), kind)));
    }
    Ok(if texts.is_empty() { String::new() } else { format!(" WHERE {}", texts.join(" AND ")) })
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::MsSqlDialect;
    use sqlparser::parser::Parser;

    use super::*;

    const fn column(name: &'static str, kind: ColumnType, nullable: bool) -> Column {
        Column { name, kind, nullable }
    }

    static TABLE: Table = Table {
        name: "order",
        columns: &[
            column("key", ColumnType::Text(20), false),
            column("group", ColumnType::Text(2001), true),
            column("sum", ColumnType::Integer, false),
            column("real", ColumnType::Real, true),
            column("at", ColumnType::Timestamp, false),
        ],
        key: &["key", "at"],
        indexes: &[&["sum", "at"]],
    };

    fn filters() -> Vec<Comparison> {
        vec![
            Comparison::Equal("group", Cell::Null),
            Comparison::Equal("group", Cell::Text("x".into())),
            Comparison::AtLeast("at", Cell::Timestamp(chrono::DateTime::UNIX_EPOCH)),
            Comparison::Below("real", Cell::Real(1.5)),
        ]
    }

    fn question(projections: Vec<Projection>) -> Select {
        let order = (0..projections.len()).map(|position| (position, position % 2 == 0)).collect();
        Select { table: &TABLE, projections, filters: filters(), order, limit: 10 }
    }

    #[test]
    fn every_statement_is_t_sql() {
        let aggregates = vec![
            Projection::Column("group"),
            Projection::Count,
            Projection::Sum("sum"),
            Projection::Average("sum"),
            Projection::Minimum("group"),
            Projection::Maximum("at"),
        ];
        let mut statements = vec![
            COLUMNS.to_owned(),
            INDEXES.to_owned(),
            PING.to_owned(),
            create_table(&TABLE),
            create_index(&TABLE, "by", TABLE.indexes[0]),
            create_staging(&TABLE),
            insert_staged(&TABLE),
            empty_staging(),
            drop_staging(),
            merge(&TABLE),
            delete(&TABLE, filters()).unwrap().0,
            select(question(aggregates)).unwrap().0,
            select(question(vec![Projection::Column("key"), Projection::Column("at")])).unwrap().0,
        ];
        statements.extend(TABLE.columns.iter().map(|column| add_column(&TABLE, column)));
        for statement in statements {
            let parsed = Parser::parse_sql(&MsSqlDialect {}, &statement);
            assert_eq!(parsed.unwrap_or_else(|error| panic!("{statement}: {error}")).len(), 1, "{statement}");
        }
        // The parser does not know this form of ALTER TABLE, so that its text is held here.
        let widened = "ALTER TABLE [order] ALTER COLUMN [group] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8 NULL";
        assert_eq!(widen_column(&TABLE, &TABLE.columns[1]), widened);
    }

    #[test]
    fn text_is_compared_as_it_is_stored_and_sent_as_the_driver_takes_it() {
        let (text, values) = select(question(vec![Projection::Column("key")])).unwrap();
        let expected = "SELECT TOP (@P1) CAST([key] AS NVARCHAR(40)) FROM [order] WHERE [group] IS NULL \
             AND [group] = CAST(@P2 COLLATE Latin1_General_100_BIN2_UTF8 AS VARCHAR(MAX)) \
             AND [at] >= CAST(@P3 AS DATETIME2(3)) AND [real] < @P4 ORDER BY [key] DESC";
        assert_eq!((text.as_str(), values.len()), (expected, 4));
    }
}
