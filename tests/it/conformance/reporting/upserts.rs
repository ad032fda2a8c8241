//! Writes.

use std::sync::Arc;

use chrono::{TimeDelta, TimeZone, Utc};
use futures_util::future::join_all;
use pravis::ports::reporting::{Cell, ColumnType, Comparison, Projection, Select, Table};

use super::{SALES, Subject, assert_invalid, column, minute, sale, select, text};

pub async fn every_type_is_read_as_written(Subject { db, .. }: &Subject) {
    db.migrate(const { &[&SALES] }).await.unwrap();
    let late = Utc.with_ymd_and_hms(2099, 12, 31, 23, 59, 59).unwrap() + TimeDelta::milliseconds(987);
    let early = Utc.with_ymd_and_hms(1969, 7, 20, 20, 17, 40).unwrap() + TimeDelta::milliseconds(3);
    let rows = vec![
        vec![
            text("t"),
            text("a"),
            text("साड़ी 👗 'x' \"y\""),
            Cell::Integer(i64::MAX),
            Cell::Real(0.1),
            Cell::Timestamp(late),
        ],
        vec![text("t"), text("b"), Cell::Null, Cell::Integer(i64::MIN), Cell::Null, Cell::Timestamp(early)],
        vec![text(""), text(""), text(""), Cell::Integer(0), Cell::Real(-1e300), Cell::Timestamp(minute(0))],
    ];
    db.upsert(&SALES, rows.clone()).await.unwrap();
    let all = select(&SALES, &["tenant", "order", "group", "paise", "rating", "at"]);
    assert_eq!(db.select(all).await.unwrap(), [rows[2].clone(), rows[0].clone(), rows[1].clone()]);
}

pub async fn a_row_replaces_the_one_with_its_key(subject: &Subject) {
    subject.with_sales(vec![sale("a", "red", 100, Some(4.0), 0), sale("b", "red", 200, None, 0)]).await;
    subject.db.upsert(&SALES, vec![sale("a", "blue", 300, None, 1)]).await.unwrap();
    let rows = subject.db.select(select(&SALES, &["order", "group", "paise", "rating"])).await.unwrap();
    let expected = [("a", "blue", 300), ("b", "red", 200)];
    assert_eq!(
        rows,
        expected.map(|(order, group, paise)| [text(order), text(group), Cell::Integer(paise), Cell::Null])
    );
    subject.db.upsert(&SALES, vec![]).await.unwrap();
}

pub async fn the_last_of_several_with_one_key_wins(subject: &Subject) {
    let rows = (0..10).map(|n| sale("a", "red", n, None, n)).collect();
    subject.with_sales(rows).await;
    let rows = subject.db.select(select(&SALES, &["order", "paise"])).await.unwrap();
    assert_eq!(rows, [[text("a"), Cell::Integer(9)]]);
}

pub async fn keys_differ_by_case_and_by_every_column(subject: &Subject) {
    let mut other_tenant = sale("a", "red", 3, None, 0);
    other_tenant[0] = text("other");
    subject.with_sales(vec![sale("a", "red", 1, None, 0), sale("A", "red", 2, None, 0), other_tenant]).await;
    let rows = subject.db.select(select(&SALES, &["paise"])).await.unwrap();
    assert_eq!(rows, [1, 2, 3].map(|paise| [Cell::Integer(paise)]));
}

pub async fn rows_of_another_shape_are_refused_and_none_is_written(subject: &Subject) {
    subject.with_sales(vec![]).await;
    let good = sale("a", "red", 100, None, 0);
    let with = |position: usize, cell: Cell| {
        let mut row = good.clone();
        row[position] = cell;
        row
    };
    for bad in [
        vec![],
        good[..5].to_vec(),
        [good.clone(), vec![Cell::Null]].concat(),
        with(0, Cell::Null),
        with(3, Cell::Null),
        with(3, text("100")),
        with(3, Cell::Real(100.0)),
        with(4, Cell::Integer(4)),
        with(4, Cell::Real(f64::NAN)),
        with(4, Cell::Real(f64::INFINITY)),
        with(5, Cell::Integer(0)),
        with(0, text(&"é".repeat(33))),
    ] {
        assert_invalid(subject.db.upsert(&SALES, vec![good.clone(), bad]).await);
    }
    assert!(subject.db.select(select(&SALES, &["order"])).await.unwrap().is_empty());
    subject.db.upsert(&SALES, vec![with(0, text(&"é".repeat(32)))]).await.unwrap();
}

pub async fn a_table_of_keys_only_takes_rows_twice(Subject { db, .. }: &Subject) {
    static PAIRS: Table = Table {
        name: "pairs",
        columns: &[column("a", ColumnType::Integer), column("b", ColumnType::Integer)],
        key: &["a", "b"],
        indexes: &[],
    };
    db.migrate(const { &[&PAIRS] }).await.unwrap();
    let rows = vec![vec![Cell::Integer(1), Cell::Integer(2)], vec![Cell::Integer(2), Cell::Integer(1)]];
    for _ in 0..2 {
        db.upsert(&PAIRS, rows.clone()).await.unwrap();
    }
    assert_eq!(db.select(select(&PAIRS, &["a", "b"])).await.unwrap(), rows);
}

pub async fn thousands_of_rows_at_once(subject: &Subject) {
    let rows: Vec<_> = (0..5000).map(|n| sale(&format!("{n:05}"), "red", n, Some(1.0), n)).collect();
    subject.with_sales(rows).await;
    let summed =
        Select { projections: vec![Projection::Count, Projection::Sum("paise")], order: vec![], ..select(&SALES, &[]) };
    let expected = [Cell::Integer(5000), Cell::Integer(5000 * 4999 / 2)];
    assert_eq!(subject.db.select(summed).await.unwrap(), [expected]);
}

pub async fn concurrent_writers_lose_nothing(subject: &Subject) {
    subject.with_sales(vec![]).await;
    let writers = (0..16).map(|writer| {
        let db = Arc::clone(&subject.db);
        tokio::spawn(async move {
            for n in 0..10 {
                db.upsert(&SALES, vec![sale(&format!("{writer}-{n}"), "red", 1, None, 0)]).await.unwrap();
                db.upsert(&SALES, vec![sale("shared", "red", writer, None, 0)]).await.unwrap();
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    assert_eq!(subject.db.select(select(&SALES, &["order"])).await.unwrap().len(), 161);
}

pub async fn deleting_takes_what_matches_and_tells_how_many(subject: &Subject) {
    let rows = (0..10).map(|n| sale(&n.to_string(), if n < 5 { "red" } else { "blue" }, n, None, n)).collect();
    subject.with_sales(rows).await;
    let before = |at: i64| Comparison::Below("at", Cell::Timestamp(minute(at)));
    let red = Comparison::Equal("group", text("red"));
    assert_eq!(subject.db.delete(&SALES, vec![red.clone(), before(3)]).await.unwrap(), 3);
    assert_eq!(subject.db.delete(&SALES, vec![red, before(3)]).await.unwrap(), 0);
    assert_eq!(subject.db.select(select(&SALES, &["order"])).await.unwrap().len(), 7);
}

pub async fn deleting_everything_is_refused(subject: &Subject) {
    subject.with_sales(vec![sale("a", "red", 1, None, 0)]).await;
    assert_invalid(subject.db.delete(&SALES, vec![]).await);
    assert_eq!(subject.db.select(select(&SALES, &["order"])).await.unwrap().len(), 1);
}
