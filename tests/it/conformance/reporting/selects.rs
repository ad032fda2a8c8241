//! Questions.

use pravis::ports::reporting::{Cell, Comparison, Projection, Row, Select};

use super::{SALES, Subject, assert_invalid, minute, sale, select, text};

fn sales() -> Vec<Row> {
    vec![
        sale("a", "red", 100, Some(4.0), 0),
        sale("b", "red", 300, Some(5.0), 1),
        sale("c", "blue", 200, None, 2),
        sale("d", "blue", 201, Some(1.0), 3),
        sale("e", "green", 50, None, 4),
    ]
}

async fn orders(subject: &Subject, filters: Vec<Comparison>) -> String {
    let rows = subject.db.select(Select { filters, ..select(&SALES, &["order"]) }).await.unwrap();
    let order = |row: &Row| match &row[0] {
        Cell::Text(order) => order.clone(),
        other => panic!("{other:?}"),
    };
    rows.iter().map(order).collect()
}

pub async fn filters_are_all_to_hold(subject: &Subject) {
    subject.with_sales(sales()).await;
    let at = |n| Cell::Timestamp(minute(n));
    let cases = [
        (vec![], "abcde"),
        (vec![Comparison::Equal("group", text("red"))], "ab"),
        (vec![Comparison::Equal("group", text("Red"))], ""),
        (vec![Comparison::AtLeast("at", at(1)), Comparison::Below("at", at(3))], "bc"),
        (vec![Comparison::AtLeast("paise", Cell::Integer(201))], "bd"),
        (vec![Comparison::Below("rating", Cell::Real(4.5))], "ad"),
        (vec![Comparison::Equal("rating", Cell::Real(5.0)), Comparison::Below("paise", Cell::Integer(300))], ""),
    ];
    for (filters, expected) in cases {
        assert_eq!(orders(subject, filters.clone()).await, expected, "{filters:?}");
    }
}

pub async fn null_equals_null_only(subject: &Subject) {
    subject.with_sales(sales()).await;
    assert_eq!(orders(subject, vec![Comparison::Equal("rating", Cell::Null)]).await, "ce");
    assert_eq!(orders(subject, vec![Comparison::Equal("group", Cell::Null)]).await, "");
    for comparison in [Comparison::AtLeast("rating", Cell::Null), Comparison::Below("rating", Cell::Null)] {
        let filters = vec![comparison];
        assert_invalid(subject.db.select(Select { filters, ..select(&SALES, &["order"]) }).await);
    }
}

pub async fn plain_columns_group_the_aggregates(subject: &Subject) {
    subject.with_sales(sales()).await;
    let report = Select {
        projections: vec![
            Projection::Column("group"),
            Projection::Count,
            Projection::Sum("paise"),
            Projection::Average("paise"),
            Projection::Average("rating"),
            Projection::Minimum("at"),
            Projection::Maximum("order"),
        ],
        filters: vec![Comparison::AtLeast("paise", Cell::Integer(100))],
        order: vec![(2, true), (0, false)],
        ..select(&SALES, &[])
    };
    let at = |n| Cell::Timestamp(minute(n));
    let blue =
        [text("blue"), Cell::Integer(2), Cell::Integer(401), Cell::Real(200.5), Cell::Real(1.0), at(2), text("d")];
    let red = [text("red"), Cell::Integer(2), Cell::Integer(400), Cell::Real(200.0), Cell::Real(4.5), at(0), text("b")];
    assert_eq!(subject.db.select(report).await.unwrap(), [blue, red]);
}

pub async fn aggregates_of_nothing(subject: &Subject) {
    subject.with_sales(vec![]).await;
    let projections =
        vec![Projection::Count, Projection::Sum("paise"), Projection::Average("rating"), Projection::Maximum("at")];
    let whole = Select { projections, order: vec![], ..select(&SALES, &[]) };
    assert_eq!(subject.db.select(whole).await.unwrap(), [[Cell::Integer(0), Cell::Null, Cell::Null, Cell::Null]]);
    let projections = vec![Projection::Column("group"), Projection::Count];
    let grouped = Select { projections, order: vec![], ..select(&SALES, &[]) };
    assert!(subject.db.select(grouped).await.unwrap().is_empty());
}

pub async fn order_and_limit(subject: &Subject) {
    subject.with_sales(sales()).await;
    let top = Select { order: vec![(1, true), (0, false)], limit: 3, ..select(&SALES, &["group", "paise"]) };
    let rows = subject.db.select(top).await.unwrap();
    let expected = [("red", 300), ("blue", 201), ("blue", 200)];
    assert_eq!(rows, expected.map(|(group, paise)| [text(group), Cell::Integer(paise)]));
}

pub async fn nulls_come_first(subject: &Subject) {
    subject.with_sales(sales()).await;
    let by_rating =
        |descending| Select { order: vec![(0, descending), (1, false)], ..select(&SALES, &["rating", "order"]) };
    let order = |rows: Vec<Row>| rows.into_iter().map(|row| row[1].clone()).collect::<Vec<_>>();
    let ascending = order(subject.db.select(by_rating(false)).await.unwrap());
    assert_eq!(ascending, ["c", "e", "d", "a", "b"].map(text));
    let descending = order(subject.db.select(by_rating(true)).await.unwrap());
    assert_eq!(descending, ["b", "a", "d", "c", "e"].map(text));
}

pub async fn hostile_text_is_only_text(subject: &Subject) {
    let hostile = ["' OR 1=1 --", "\"; --", "%", "@P1", "?1", "$1"];
    let rows = hostile.iter().map(|&group| sale(group, group, 1, None, 0)).collect();
    subject.with_sales(rows).await;
    for group in hostile {
        assert_eq!(orders(subject, vec![Comparison::Equal("group", text(group))]).await, group);
    }
}

pub async fn questions_without_meaning_are_refused(subject: &Subject) {
    subject.with_sales(sales()).await;
    let orders = || select(&SALES, &["order"]);
    let projecting = |projection| Select { projections: vec![projection], ..orders() };
    let filtering = |filter| Select { filters: vec![filter], ..orders() };
    for question in [
        Select { projections: vec![], order: vec![], ..orders() },
        Select { limit: 0, ..orders() },
        Select { limit: 10_001, ..orders() },
        Select { order: vec![(1, false)], ..orders() },
        projecting(Projection::Column("nowhere")),
        projecting(Projection::Column("order\" --")),
        projecting(Projection::Sum("at")),
        projecting(Projection::Sum("order")),
        projecting(Projection::Average("group")),
        filtering(Comparison::Equal("nowhere", Cell::Integer(1))),
        filtering(Comparison::Equal("paise", text("1"))),
        filtering(Comparison::AtLeast("at", Cell::Integer(1))),
        filtering(Comparison::Below("rating", Cell::Real(f64::NAN))),
    ] {
        assert_invalid(subject.db.select(question).await);
    }
}
