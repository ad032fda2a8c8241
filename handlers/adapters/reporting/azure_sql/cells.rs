//! Cells as the driver sends and receives them.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use tiberius::ColumnData;
use tiberius::time::{Date, DateTime2, Time};

use crate::ports::reporting::{Cell, Column, ColumnType, Row, Table};
use crate::ports::{PortError, PortResult};

const DAY_MS: i64 = 86_400_000;
/// `datetime2` counts days from the first of January of the year 1, and ends with the year 9999
/// (<https://learn.microsoft.com/sql/t-sql/data-types/datetime2-transact-sql>).
const DAYS_TO_1970: i64 = 719_162;
const DAYS_MAX: i64 = 3_652_058;
/// Digits of a second's fraction: milliseconds.
const SCALE: u8 = 3;

/// A checked cell as a parameter or a field of a bulk load.
///
/// # Errors
/// `InvalidRequest` for a time outside of the years 1 to 9999.
pub(super) fn sent<'a>(kind: ColumnType, cell: &'a Cell) -> PortResult<ColumnData<'a>> {
    Ok(match (cell, kind) {
        (Cell::Null, ColumnType::Text(_)) => ColumnData::String(None),
        (Cell::Null, ColumnType::Integer) => ColumnData::I64(None),
        (Cell::Null, ColumnType::Real) => ColumnData::F64(None),
        (Cell::Null, ColumnType::Timestamp) => ColumnData::DateTime2(None),
        (Cell::Text(text), _) => ColumnData::String(Some(Cow::Borrowed(text))),
        (Cell::Integer(value), _) => ColumnData::I64(Some(*value)),
        (Cell::Real(value), _) => ColumnData::F64(Some(*value)),
        (Cell::Timestamp(at), _) => ColumnData::DateTime2(Some(timestamp(at)?)),
    })
}

fn timestamp(at: &DateTime<Utc>) -> PortResult<DateTime2> {
    let millis = at.timestamp_millis();
    let days = millis.div_euclid(DAY_MS) + DAYS_TO_1970;
    match u32::try_from(days) {
        Ok(days) if i64::from(days) <= DAYS_MAX => {
            let time = Time::new(millis.rem_euclid(DAY_MS).unsigned_abs(), SCALE);
            Ok(DateTime2::new(Date::new(days), time))
        }
        _ => Err(PortError::invalid("a time outside of the years 1 to 9999")),
    }
}

/// A cell of an answer.
pub(super) fn received(kind: ColumnType, data: ColumnData<'static>) -> PortResult<Cell> {
    Ok(match (kind, data) {
        (ColumnType::Text(_), ColumnData::String(Some(text))) => Cell::Text(text.into_owned()),
        (ColumnType::Integer, ColumnData::I64(Some(value))) => Cell::Integer(value),
        (ColumnType::Real, ColumnData::F64(Some(value))) => Cell::Real(value),
        (ColumnType::Timestamp, ColumnData::DateTime2(Some(at))) => Cell::Timestamp(instant(at)?),
        (ColumnType::Text(_), ColumnData::String(None))
        | (ColumnType::Integer, ColumnData::I64(None))
        | (ColumnType::Real, ColumnData::F64(None))
        | (ColumnType::Timestamp, ColumnData::DateTime2(None)) => Cell::Null,
        (kind, _) => return Err(PortError::corrupt(format!("something else is stored where {kind:?} is declared"))),
    })
}

fn instant(at: DateTime2) -> PortResult<DateTime<Utc>> {
    let fraction = 10_i64.checked_pow(u32::from(at.time().scale())).unwrap_or(i64::MAX);
    let of_day = i64::try_from(at.time().increments()).ok().and_then(|count| count.checked_mul(1000));
    of_day
        .map(|count| (i64::from(at.date().days()) - DAYS_TO_1970) * DAY_MS + count / fraction)
        .and_then(DateTime::from_timestamp_millis)
        .ok_or_else(|| PortError::corrupt("a stored time is out of range"))
}

/// The part of a key by which the server tells rows apart: it overlooks spaces at the end of text
/// (<https://learn.microsoft.com/sql/t-sql/language-elements/string-comparison-assignment>) and has one zero.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum KeyPart<'a> {
    Null,
    Text(&'a str),
    Integer(i64),
    Real(u64),
}

impl<'a> KeyPart<'a> {
    fn of(cell: &'a Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Text(text) => Self::Text(text.trim_end_matches(' ')),
            Cell::Integer(value) => Self::Integer(*value),
            Cell::Real(value) => Self::Real(if *value == 0.0 { 0 } else { value.to_bits() }),
            Cell::Timestamp(at) => Self::Integer(at.timestamp_millis()),
        }
    }
}

/// The rows of which the last with each key is left, in their order.
pub(super) fn last_of_each_key<'a>(table: &Table, rows: &'a [Row]) -> Vec<&'a Row> {
    let keys: Vec<usize> = positions(table.columns, table.key);
    let mut seen = std::collections::HashSet::with_capacity(rows.len());
    let mut left: Vec<&Row> = rows
        .iter()
        .rev()
        .filter(|row| seen.insert(keys.iter().filter_map(|&at| row.get(at)).map(KeyPart::of).collect::<Vec<_>>()))
        .collect();
    left.reverse();
    left
}

fn positions(columns: &[Column], names: &[&str]) -> Vec<usize> {
    names.iter().filter_map(|name| columns.iter().position(|column| column.name == *name)).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn times_are_read_as_sent() {
        let early = Utc.with_ymd_and_hms(1, 1, 1, 0, 0, 0).unwrap();
        let late = Utc.with_ymd_and_hms(9999, 12, 31, 23, 59, 59).unwrap() + chrono::TimeDelta::milliseconds(999);
        for at in [early, late, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH - chrono::TimeDelta::milliseconds(1)] {
            assert_eq!(instant(timestamp(&at).unwrap()).unwrap(), at);
        }
        for at in [early - chrono::TimeDelta::milliseconds(1), late + chrono::TimeDelta::milliseconds(1)] {
            assert!(timestamp(&at).is_err(), "{at}");
        }
    }

    #[test]
    fn a_fraction_of_a_millisecond_is_cut_off() {
        let at = DateTime::UNIX_EPOCH + chrono::TimeDelta::microseconds(1999);
        assert_eq!(
            instant(timestamp(&at).unwrap()).unwrap(),
            DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(1)
        );
    }

    #[test]
    fn keys_are_told_apart_as_the_server_does() {
        const fn column(name: &'static str, kind: ColumnType) -> Column {
            Column { name, kind, nullable: false }
        }
        static TABLE: Table = Table {
            name: "t",
            columns: &[
                column("n", ColumnType::Integer),
                column("a", ColumnType::Text(9)),
                column("b", ColumnType::Real),
            ],
            key: &["a", "b"],
            indexes: &[],
        };
        let row = |n, a: &str, b| vec![Cell::Integer(n), Cell::Text(a.into()), Cell::Real(b)];
        let rows = [row(1, "a", 0.0), row(2, "A", 0.0), row(3, "a  ", -0.0), row(4, " a", 0.0), row(5, "a", 1.0)];
        let left: Vec<_> = last_of_each_key(&TABLE, &rows).into_iter().map(|row| row[0].clone()).collect();
        assert_eq!(left, [2, 3, 4, 5].map(Cell::Integer));
    }
}
