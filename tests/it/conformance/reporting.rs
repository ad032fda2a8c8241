//! What every adapter of the reporting port must do.
//!
//! A [`Subject`] begins without tables; cases use different ones where they can, but a real
//! database must be emptied before the suite runs on it. An adapter gives one line,
//! `reporting_suite!(subject)`, for all cases.

mod azure_sql;
mod migrations;
mod selects;
mod sqlite;
mod upserts;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use pravis::ports::reporting::{Cell, Column, ColumnType, Projection, ReportingDb, Row, Select, Table};
use pravis::ports::{PortErrorKind, PortResult};

/// For one case, so that a listing without end fails instead of hanging.
pub const TIME_LIMIT: Duration = Duration::from_secs(120);

/// What the suite tests.
pub struct Subject {
    pub db: Arc<dyn ReportingDb>,
    /// Lives as long as the database: a folder, a server.
    pub _kept: Box<dyn std::any::Any + Send + Sync>,
}

/// A test for each case, for one adapter: `subject` is an `async fn() -> Subject` without tables.
macro_rules! reporting_suite {
    ($subject:expr) => {
        reporting_suite! { @cases $subject;
            migrations:
                migrating_twice_is_harmless,
                new_columns_and_indexes_join_a_table_with_rows,
                columns_no_longer_declared_stay_and_do_not_hinder,
                a_column_of_another_type_is_refused,
                hostile_names_are_refused;
            upserts:
                every_type_is_read_as_written,
                a_row_replaces_the_one_with_its_key,
                the_last_of_several_with_one_key_wins,
                keys_differ_by_case_and_by_every_column,
                rows_of_another_shape_are_refused_and_none_is_written,
                a_table_of_keys_only_takes_rows_twice,
                thousands_of_rows_at_once,
                concurrent_writers_lose_nothing,
                deleting_takes_what_matches_and_tells_how_many,
                deleting_everything_is_refused;
            selects:
                filters_are_all_to_hold,
                null_equals_null_only,
                plain_columns_group_the_aggregates,
                aggregates_of_nothing,
                order_and_limit,
                nulls_come_first,
                hostile_text_is_only_text,
                questions_without_meaning_are_refused;
        }
    };
    (@cases $subject:expr; $($group:ident: $($case:ident),*;)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = $subject().await;
                let case = crate::conformance::reporting::$group::$case(&subject);
                tokio::time::timeout(crate::conformance::reporting::TIME_LIMIT, case).await.expect("a case that ends");
            }
        )*)*
    };
}
pub(crate) use reporting_suite;

pub const fn column(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind, nullable: false }
}

pub const fn nullable(name: &'static str, kind: ColumnType) -> Column {
    Column { name, kind, nullable: true }
}

/// A name of each type; `order` and `group` are words of SQL.
pub static SALES: Table = Table {
    name: "sales",
    columns: &[
        column("tenant", ColumnType::Text(32)),
        column("order", ColumnType::Text(40)),
        nullable("group", ColumnType::Text(20)),
        column("paise", ColumnType::Integer),
        nullable("rating", ColumnType::Real),
        column("at", ColumnType::Timestamp),
    ],
    key: &["tenant", "order"],
    indexes: &[&["tenant", "at"], &["group"]],
};

pub fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// Minutes into a certain hour.
pub fn minute(minute: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 15, 6, 0, 0).unwrap() + chrono::TimeDelta::minutes(minute)
}

pub fn sale(order: &str, group: &str, paise: i64, rating: Option<f64>, at: i64) -> Row {
    let rating = rating.map_or(Cell::Null, Cell::Real);
    vec![text("pravis"), text(order), text(group), Cell::Integer(paise), rating, Cell::Timestamp(minute(at))]
}

/// All rows of `table`, these columns, in their order.
pub fn select(table: &'static Table, columns: &[&'static str]) -> Select {
    Select {
        table,
        projections: columns.iter().map(|name| Projection::Column(name)).collect(),
        filters: Vec::new(),
        order: (0..columns.len()).map(|position| (position, false)).collect(),
        limit: 10_000,
    }
}

#[track_caller]
pub fn assert_invalid<T: std::fmt::Debug>(outcome: PortResult<T>) {
    assert_eq!(outcome.unwrap_err().kind(), PortErrorKind::InvalidRequest);
}

impl Subject {
    /// Makes [`SALES`] with these rows.
    pub async fn with_sales(&self, rows: Vec<Row>) {
        self.db.migrate(const { &[&SALES] }).await.unwrap();
        self.db.upsert(&SALES, rows).await.unwrap();
    }
}
