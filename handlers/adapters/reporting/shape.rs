//! What every adapter checks before it writes SQL: names are plain, cells are of their
//! column's type, a question makes sense.

use crate::ports::reporting::{Cell, Column, ColumnType, Comparison, Projection, Row, Select, Table};
use crate::ports::{PortError, PortResult};

/// The longest name that SQL Server and SQLite both take is 128 characters; an index's name is
/// made of several.
const NAME_CHARS: usize = 60;
const ROWS_MAX: usize = 10_000;

pub(super) fn check_table(table: &Table) -> PortResult<()> {
    check_name(table.name)?;
    for (position, column) in table.columns.iter().enumerate() {
        check_name(column.name)?;
        if table.columns[..position].iter().any(|other| other.name == column.name) {
            return Err(PortError::invalid(format!("{} has two columns {}", table.name, column.name)));
        }
    }
    if table.key.is_empty() {
        return Err(PortError::invalid(format!("{} has no key", table.name)));
    }
    for name in table.key {
        if column(table, name)?.nullable {
            return Err(PortError::invalid(format!("the key column {}.{name} may be null", table.name)));
        }
    }
    table.indexes.iter().copied().flatten().try_for_each(|name| column(table, name).map(drop))
}

fn check_name(name: &str) -> PortResult<()> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    let begins = name.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
    match begins && name.len() <= NAME_CHARS && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(PortError::invalid(format!("{name:?} is no name of a table or column"))),
    }
}

pub(super) fn column(table: &Table, name: &str) -> PortResult<&'static Column> {
    let columns: &'static [Column] = table.columns;
    columns
        .iter()
        .find(|column| column.name == name)
        .ok_or_else(|| PortError::invalid(format!("{} has no column {name}", table.name)))
}

pub(super) fn check_row(table: &Table, row: &Row) -> PortResult<()> {
    if row.len() != table.columns.len() {
        return Err(PortError::invalid(format!(
            "a row of {} cells for the {} columns of {}",
            row.len(),
            table.columns.len(),
            table.name
        )));
    }
    table.columns.iter().zip(row).try_for_each(|(column, cell)| match cell {
        Cell::Null if column.nullable => Ok(()),
        Cell::Null => Err(PortError::invalid(format!("{}.{} may not be null", table.name, column.name))),
        cell => check_value(table, column, cell),
    })
}

/// Checks a cell that is not null.
fn check_value(table: &Table, column: &Column, cell: &Cell) -> PortResult<()> {
    let refused = |why: String| Err(PortError::invalid(format!("{}.{}: {why}", table.name, column.name)));
    match (column.kind, cell) {
        (ColumnType::Text(most), Cell::Text(text)) => match text.chars().count() {
            chars if chars > usize::from(most) => refused(format!("{chars} characters, not at most {most}")),
            _ => Ok(()),
        },
        (ColumnType::Real, Cell::Real(value)) if !value.is_finite() => refused(format!("{value} is not finite")),
        (ColumnType::Integer, Cell::Integer(_))
        | (ColumnType::Real, Cell::Real(_))
        | (ColumnType::Timestamp, Cell::Timestamp(_)) => Ok(()),
        (ColumnType::Text(_) | ColumnType::Integer | ColumnType::Real | ColumnType::Timestamp, other) => {
            refused(format!("{other:?} is of another type"))
        }
    }
}

/// Checks the conditions of a question or a deletion.
pub(super) fn check_filters(table: &Table, filters: &[Comparison]) -> PortResult<()> {
    filters.iter().try_for_each(|filter| match filter {
        Comparison::Equal(name, Cell::Null) => column(table, name).map(drop),
        Comparison::Equal(name, cell) | Comparison::AtLeast(name, cell) | Comparison::Below(name, cell) => {
            check_value(table, column(table, name)?, cell)
        }
    })
}

/// Checks a question; gives the type of each answered column.
pub(super) fn check_select(select: &Select) -> PortResult<Vec<ColumnType>> {
    if select.projections.is_empty() {
        return Err(PortError::invalid("a question that asks for nothing"));
    }
    if !(1..=ROWS_MAX).contains(&select.limit) {
        return Err(PortError::invalid(format!("{} rows, not 1 to 10000", select.limit)));
    }
    if let Some((position, _)) = select.order.iter().find(|(position, _)| *position >= select.projections.len()) {
        return Err(PortError::invalid(format!("an order by the answer's column {position}, which it lacks")));
    }
    check_filters(select.table, &select.filters)?;
    select.projections.iter().map(|projection| answered(select.table, projection)).collect()
}

fn answered(table: &Table, projection: &Projection) -> PortResult<ColumnType> {
    let numeric = |name| match column(table, name)?.kind {
        kind @ (ColumnType::Integer | ColumnType::Real) => Ok(kind),
        ColumnType::Text(_) | ColumnType::Timestamp => {
            Err(PortError::invalid(format!("{}.{name} is not a number", table.name)))
        }
    };
    match projection {
        Projection::Column(name) | Projection::Minimum(name) | Projection::Maximum(name) => {
            Ok(column(table, name)?.kind)
        }
        Projection::Count => Ok(ColumnType::Integer),
        Projection::Sum(name) => numeric(name),
        Projection::Average(name) => numeric(name).map(|_| ColumnType::Real),
    }
}

/// The columns by which the answer is grouped: the plain ones, when there are aggregates.
pub(super) fn groups(select: &Select) -> Vec<&'static str> {
    let plain: Vec<_> = select
        .projections
        .iter()
        .filter_map(|projection| match projection {
            Projection::Column(name) => Some(*name),
            Projection::Count
            | Projection::Sum(_)
            | Projection::Average(_)
            | Projection::Minimum(_)
            | Projection::Maximum(_) => None,
        })
        .collect();
    if plain.len() == select.projections.len() { Vec::new() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Column = Column { name: "a", kind: ColumnType::Integer, nullable: false };

    fn refused(table: &Table) -> bool {
        check_table(table).is_err()
    }

    #[test]
    fn declarations_are_checked() {
        static SANE: Table = Table { name: "t_1", columns: &[PLAIN], key: &["a"], indexes: &[&["a"]] };
        static DROPPING: Table = Table { name: "t; drop", columns: &[PLAIN], key: &["a"], indexes: &[] };
        static TWICE: Table = Table { name: "t", columns: &[PLAIN, PLAIN], key: &["a"], indexes: &[] };
        static KEYLESS: Table = Table { name: "t", columns: &[PLAIN], key: &[], indexes: &[] };
        static STRAY_KEY: Table = Table { name: "t", columns: &[PLAIN], key: &["b"], indexes: &[] };
        static STRAY_INDEX: Table = Table { name: "t", columns: &[PLAIN], key: &["a"], indexes: &[&["b"]] };
        static NULLABLE_KEY: Table =
            Table { name: "t", columns: &[Column { nullable: true, ..PLAIN }], key: &["a"], indexes: &[] };
        assert!(!refused(&SANE));
        for table in [&DROPPING, &TWICE, &KEYLESS, &STRAY_KEY, &STRAY_INDEX, &NULLABLE_KEY] {
            assert!(refused(table), "{table:?}");
        }
    }
}
