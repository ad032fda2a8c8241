//! What columns hold, and what goes out as text of a statement.

use pravis::ports::PortErrorKind;
use pravis::ports::reporting::{Cell, Column, ColumnType, Comparison, Projection, ReportingDb, Select, Table};

use super::{connect, quick, red, stored, with_sales};
use crate::conformance::reporting::{SALES, assert_invalid, column, nullable, sale, select, text};
use crate::support::sql_server::{SqlServer, Value};

const ID: Column = column("id", ColumnType::Text(20));

#[tokio::test]
async fn values_are_parameters_or_bulk_and_never_text() {
    let (server, db) = with_sales(quick()).await;
    let hostile = "x'); DROP TABLE [sales]; --";
    db.upsert(&SALES, vec![sale(hostile, "red", 424_242, Some(0.515_25), 0)]).await.unwrap();
    let filters = vec![Comparison::Equal("order", text(hostile)), Comparison::AtLeast("paise", Cell::Integer(424_242))];
    let rows = db.select(Select { filters: filters.clone(), ..select(&SALES, &["order"]) }).await.unwrap();
    assert_eq!(rows, [[text(hostile)]]);
    assert_eq!(db.delete(&SALES, filters).await.unwrap(), 1);
    let statements = server.statements();
    for statement in &statements {
        let quiet = !statement.text.contains(hostile)
            && !statement.text.contains("424242")
            && !statement.text.contains("51525");
        assert!(quiet, "{statement:?}");
    }
    let sent =
        |value: &Value| statements.iter().filter(|one| one.parameters.iter().any(|(.., given)| given == value)).count();
    assert_eq!((sent(&Value::Text(hostile.to_owned())), sent(&Value::Int(424_242))), (2, 2));
}

#[tokio::test]
async fn text_is_ordered_by_code_point() {
    let (_server, db) = with_sales(quick()).await;
    // In UTF-16 the last two change places.
    let ordered = ["", "A", "a", "é", "स", "\u{fffd}", "\u{10000}"];
    db.upsert(&SALES, ordered.iter().map(|order| red(order, 1)).collect()).await.unwrap();
    let rows = stored(&db).await;
    assert!(rows.iter().map(|(order, _)| order.as_str()).eq(ordered));
    let filters = vec![Comparison::AtLeast("order", text("\u{fffd}"))];
    let least = Select {
        projections: vec![Projection::Maximum("order"), Projection::Count],
        filters,
        order: vec![],
        ..select(&SALES, &[])
    };
    assert_eq!(db.select(least).await.unwrap(), [[text("\u{10000}"), Cell::Integer(2)]]);
}

#[tokio::test]
async fn rows_whose_keys_the_server_takes_for_the_same_are_one() {
    let (_server, db) = with_sales(quick()).await;
    db.upsert(&SALES, vec![red("a", 1), red("a  ", 2), red(" a", 3)]).await.unwrap();
    assert_eq!(stored(&db).await.into_iter().map(|(_, paise)| paise).collect::<Vec<_>>(), [3, 2]);
    db.upsert(&SALES, vec![red("a ", 4)]).await.unwrap();
    assert_eq!(stored(&db).await.into_iter().map(|(_, paise)| paise).collect::<Vec<_>>(), [3, 4]);
}

#[tokio::test]
async fn text_of_any_declared_length_is_kept() {
    static LETTERS: Table = Table {
        name: "letters",
        columns: &[
            ID,
            nullable("some", ColumnType::Text(1000)),
            nullable("more", ColumnType::Text(2000)),
            nullable("most", ColumnType::Text(u16::MAX)),
        ],
        key: &["id"],
        indexes: &[],
    };
    let server = SqlServer::start();
    let db = connect(&server.url(), quick());
    db.migrate(const { &[&LETTERS] }).await.unwrap();
    let long = |characters: usize| text(&"𑀓".repeat(characters));
    let rows = vec![
        vec![text("a"), long(1000), long(2000), long(65_535)],
        vec![text("b"), text(""), text(""), text("")],
        vec![text("c"), Cell::Null, Cell::Null, text(&"x".repeat(32_767))],
        vec![text("d"), Cell::Null, Cell::Null, text(&"x".repeat(32_768))],
        vec![text("e"), Cell::Null, Cell::Null, Cell::Null],
    ];
    db.upsert(&LETTERS, rows.clone()).await.unwrap();
    let all = Select { order: vec![(0, false)], ..select(&LETTERS, &["id", "some", "more", "most"]) };
    assert_eq!(db.select(all).await.unwrap(), rows);
    assert_eq!(server.count("INSERT INTO #"), 2, "what the bulk load does not take goes by itself");
}

#[tokio::test]
async fn what_the_server_cannot_index_is_refused_at_once() {
    static WIDE_KEY: Table =
        Table { name: "wide", columns: &[column("id", ColumnType::Text(226))], key: &["id"], indexes: &[] };
    static WIDE_INDEX: Table = Table {
        name: "wide",
        columns: &[ID, column("a", ColumnType::Text(400)), column("b", ColumnType::Text(26))],
        key: &["id"],
        indexes: &[&["a", "b"]],
    };
    static MAX_INDEX: Table =
        Table { name: "wide", columns: &[ID, column("a", ColumnType::Text(2001))], key: &["id"], indexes: &[&["a"]] };
    let server = SqlServer::start();
    let db = connect(&server.url(), quick());
    for tables in const { [&[&WIDE_KEY], &[&WIDE_INDEX], &[&MAX_INDEX]] } {
        assert_invalid(db.migrate(tables).await);
    }
    assert!(server.logins().is_empty());
}

#[tokio::test]
async fn names_of_indexes_are_cut_to_what_the_server_takes() {
    const LONG: &str = "a_name_of_sixty_characters_which_is_the_most_that_is_allowed";
    const OTHER: &str = "b_name_of_sixty_characters_which_is_the_most_that_is_allowed";
    static LONG_NAMES: Table = Table {
        name: LONG,
        columns: &[column(LONG, ColumnType::Integer), column(OTHER, ColumnType::Integer)],
        key: &[LONG],
        indexes: &[&[LONG, OTHER], &[OTHER, LONG]],
    };
    let server = SqlServer::start();
    let db = connect(&server.url(), quick());
    for _ in 0..2 {
        db.migrate(const { &[&LONG_NAMES] }).await.unwrap();
    }
    let made: Vec<_> = server.statements().into_iter().filter(|one| one.text.starts_with("CREATE INDEX")).collect();
    assert_eq!(made.len(), 2);
    for statement in made {
        let name = statement.text.split(['[', ']']).nth(1).unwrap().to_owned();
        assert_eq!(name.len(), 128, "{name}");
    }
}

#[tokio::test]
async fn text_that_is_declared_longer_is_lengthened() {
    const fn notes(characters: u16, id: u16) -> [Column; 2] {
        [column("id", ColumnType::Text(id)), nullable("note", ColumnType::Text(characters))]
    }
    static SHORT: Table = Table { name: "notes", columns: &notes(20, 20), key: &["id"], indexes: &[] };
    static LONGER: Table = Table { name: "notes", columns: &notes(60, 20), key: &["id"], indexes: &[] };
    static LONGEST: Table = Table { name: "notes", columns: &notes(5000, 20), key: &["id"], indexes: &[] };
    static LONGER_KEY: Table = Table { name: "notes", columns: &notes(60, 21), key: &["id"], indexes: &[] };
    let server = SqlServer::start();
    let db = connect(&server.url(), quick());
    db.migrate(const { &[&SHORT] }).await.unwrap();
    db.migrate(const { &[&LONGER] }).await.unwrap();
    db.upsert(&LONGER, vec![vec![text("a"), text(&"é".repeat(60))]]).await.unwrap();
    db.migrate(const { &[&LONGEST] }).await.unwrap();
    db.upsert(&LONGEST, vec![vec![text("b"), text(&"é".repeat(5000))]]).await.unwrap();
    // A process of an older version that starts once more changes nothing.
    let changes = server.count("ALTER TABLE");
    db.migrate(const { &[&SHORT] }).await.unwrap();
    assert_eq!((server.count("ALTER TABLE"), changes), (2, 2));
    assert_invalid(db.migrate(const { &[&LONGER_KEY] }).await);
    assert_eq!(db.select(select(&LONGEST, &["id"])).await.unwrap().len(), 2);
}

#[tokio::test]
async fn times_beyond_the_calendar_of_the_server_are_refused() {
    let (server, db) = with_sales(quick()).await;
    let before = server.statements().len();
    for at in [chrono::DateTime::<chrono::Utc>::MAX_UTC, chrono::DateTime::<chrono::Utc>::MIN_UTC] {
        let mut row = red("a", 1);
        row[5] = Cell::Timestamp(at);
        assert_invalid(db.upsert(&SALES, vec![red("b", 1), row]).await);
        assert_invalid(db.delete(&SALES, vec![Comparison::Below("at", Cell::Timestamp(at))]).await);
    }
    assert_eq!(server.count("MERGE"), 0);
    assert!(server.statements().len() <= before + 4);
}

#[tokio::test]
async fn a_sum_beyond_64_bits_is_refused() {
    let (_server, db) = with_sales(quick()).await;
    db.upsert(&SALES, vec![red("a", i64::MAX), red("b", 1)]).await.unwrap();
    let sum = Select { projections: vec![Projection::Sum("paise")], order: vec![], ..select(&SALES, &[]) };
    assert_eq!(db.select(sum).await.unwrap_err().kind(), PortErrorKind::InvalidRequest);
}

#[tokio::test]
async fn the_same_order_given_twice_is_one() {
    let (_server, db) = with_sales(quick()).await;
    db.upsert(&SALES, vec![red("a", 1), red("b", 2)]).await.unwrap();
    let twice = Select { order: vec![(0, true), (1, false), (0, false)], ..select(&SALES, &["paise", "paise"]) };
    assert_eq!(db.select(twice).await.unwrap(), [[2, 2], [1, 1]].map(|row| row.map(Cell::Integer)));
}
