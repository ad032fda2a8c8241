//! Tables from declarations.

use pravis::ports::reporting::{Cell, ColumnType, Table};

use super::{SALES, Subject, assert_invalid, column, minute, nullable, sale, select, text};

pub async fn migrating_twice_is_harmless(subject: &Subject) {
    subject.with_sales(vec![sale("a", "red", 100, None, 0)]).await;
    subject.db.migrate(const { &[&SALES] }).await.unwrap();
    subject.db.migrate(&[]).await.unwrap();
    assert_eq!(subject.db.select(select(&SALES, &["order"])).await.unwrap(), [[text("a")]]);
}

static BEFORE: Table =
    Table { name: "visits", columns: &[column("id", ColumnType::Text(20))], key: &["id"], indexes: &[] };
static AFTER: Table = Table {
    name: "visits",
    columns: &[
        column("id", ColumnType::Text(20)),
        nullable("page", ColumnType::Text(20)),
        column("label", ColumnType::Text(20)),
        column("clicks", ColumnType::Integer),
        column("seconds", ColumnType::Real),
        column("at", ColumnType::Timestamp),
    ],
    key: &["id"],
    indexes: &[&["at"]],
};

pub async fn new_columns_and_indexes_join_a_table_with_rows(Subject { db, .. }: &Subject) {
    db.migrate(const { &[&BEFORE] }).await.unwrap();
    db.upsert(&BEFORE, vec![vec![text("old")]]).await.unwrap();
    db.migrate(const { &[&AFTER] }).await.unwrap();
    let new =
        vec![text("young"), text("home"), text("l"), Cell::Integer(3), Cell::Real(1.5), Cell::Timestamp(minute(0))];
    db.upsert(&AFTER, vec![new.clone()]).await.unwrap();
    let epoch = Cell::Timestamp(chrono::DateTime::UNIX_EPOCH);
    let old = vec![text("old"), Cell::Null, text(""), Cell::Integer(0), Cell::Real(0.0), epoch];
    let all = select(&AFTER, &["id", "page", "label", "clicks", "seconds", "at"]);
    assert_eq!(db.select(all).await.unwrap(), [old, new]);
}

pub async fn columns_no_longer_declared_stay_and_do_not_hinder(Subject { db, .. }: &Subject) {
    db.migrate(const { &[&AFTER] }).await.unwrap();
    let row = vec![text("a"), text("home"), text("l"), Cell::Integer(3), Cell::Real(1.5), Cell::Timestamp(minute(0))];
    db.upsert(&AFTER, vec![row]).await.unwrap();
    db.migrate(const { &[&BEFORE] }).await.unwrap();
    db.upsert(&BEFORE, vec![vec![text("a")], vec![text("b")]]).await.unwrap();
    let kept = db.select(select(&AFTER, &["id", "clicks"])).await.unwrap();
    assert_eq!(kept, [[text("a"), Cell::Integer(3)], [text("b"), Cell::Integer(0)]]);
}

pub async fn a_column_of_another_type_is_refused(Subject { db, .. }: &Subject) {
    static OTHER: Table = Table {
        name: "visits",
        columns: &[column("id", ColumnType::Text(20)), column("clicks", ColumnType::Text(9))],
        key: &["id"],
        indexes: &[],
    };
    db.migrate(const { &[&AFTER] }).await.unwrap();
    assert_invalid(db.migrate(const { &[&OTHER] }).await);
}

pub async fn hostile_names_are_refused(Subject { db, .. }: &Subject) {
    static HOSTILE: Table = Table {
        name: "visits\" (id TEXT); DROP TABLE sales; --",
        columns: &[column("id", ColumnType::Text(20))],
        key: &["id"],
        indexes: &[],
    };
    static HOSTILE_COLUMN: Table =
        Table { name: "visits", columns: &[column("id]; --", ColumnType::Text(20))], key: &["id]; --"], indexes: &[] };
    for table in [&HOSTILE, &HOSTILE_COLUMN] {
        assert_invalid(db.upsert(table, vec![vec![text("a")]]).await);
        assert_invalid(db.select(select(table, &["id"])).await);
    }
    assert_invalid(db.migrate(const { &[&HOSTILE] }).await);
    assert_invalid(db.migrate(const { &[&HOSTILE_COLUMN] }).await);
}
