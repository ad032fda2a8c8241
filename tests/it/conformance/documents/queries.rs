//! Queries: filters.

use pravis::ports::PortErrorKind;
use pravis::ports::documents::{Document, Filter, Order, PartitionKey, Query, Scope};
use serde_json::{Value, json};

use super::{PEOPLE, Subject, assert_refused, document, ids, person};

pub fn filtered(filters: impl Into<Vec<Filter>>) -> Query {
    Query { filters: filters.into(), ..Query::default() }
}

pub fn ordered(order: Order, limit: usize) -> Query {
    Query { order: Some(order), limit, ..Query::default() }
}

/// A document `{ "v": value }` of each type, and one without `v`.
async fn mixed(subject: &Subject) -> PartitionKey {
    let partition = subject
        .with_values(&[
            ("array", json!([5])),
            ("false", json!(false)),
            ("five", json!(5)),
            ("five-real", json!(5.0)),
            ("five-text", json!("5")),
            ("minus", json!(-1.5)),
            ("null", json!(null)),
            ("object", json!({ "v": 5 })),
            ("six", json!(6)),
            ("six-text", json!("6")),
            ("true", json!(true)),
            ("zero", json!(0)),
            ("zero-text", json!("")),
        ])
        .await;
    subject.store.create(&PEOPLE, &partition, document("absent", json!({ "w": 5 }))).await.unwrap();
    partition
}

#[track_caller]
pub fn assert_ids(found: &[Document], expected: &[&str]) {
    assert_eq!(ids(found), expected);
}

async fn found(subject: &Subject, partition: &PartitionKey, filters: impl Into<Vec<Filter>>) -> Vec<Document> {
    subject.all(&PEOPLE, Scope::Partition(partition), filtered(filters)).await
}

pub async fn without_filters_all_come_by_id(subject: &Subject) {
    let partition = subject.with_values(&[("b", json!(1)), ("é", json!(2)), ("a", json!(3)), ("B", json!(4))]).await;
    assert_ids(&found(subject, &partition, []).await, &["B", "a", "b", "é"]);
    assert_ids(&found(subject, &person(), []).await, &[]);
}

pub async fn equality_is_between_values_of_one_type(subject: &Subject) {
    let partition = mixed(subject).await;
    let cases: [(Value, &[&str]); 8] = [
        (json!(5), &["five", "five-real"]),
        (json!(5.0), &["five", "five-real"]),
        (json!("5"), &["five-text"]),
        (json!(-1.5), &["minus"]),
        (json!(""), &["zero-text"]),
        (json!(null), &["null"]),
        (json!(true), &["true"]),
        (json!(false), &["false"]),
    ];
    for (value, expected) in cases {
        assert_ids(&found(subject, &partition, [Filter::Equal("v", value)]).await, expected);
    }
    assert_ids(&found(subject, &partition, [Filter::Equal("nowhere", json!(null))]).await, &[]);
}

pub async fn inequality_is_between_values_of_one_type(subject: &Subject) {
    let partition = mixed(subject).await;
    let cases: [(Value, &[&str]); 4] = [
        (json!(5), &["minus", "six", "zero"]),
        (json!("5"), &["six-text", "zero-text"]),
        (json!(true), &["false"]),
        (json!(false), &["true"]),
    ];
    for (value, expected) in cases {
        assert_ids(&found(subject, &partition, [Filter::NotEqual("v", value)]).await, expected);
    }
}

pub async fn order_comparisons_are_between_values_of_one_type(subject: &Subject) {
    let partition = mixed(subject).await;
    let cases: [(Filter, &[&str]); 8] = [
        (Filter::Less("v", json!(5)), &["minus", "zero"]),
        (Filter::LessOrEqual("v", json!(5)), &["five", "five-real", "minus", "zero"]),
        (Filter::Greater("v", json!(4.5)), &["five", "five-real", "six"]),
        (Filter::GreaterOrEqual("v", json!(5)), &["five", "five-real", "six"]),
        (Filter::Less("v", json!("6")), &["five-text", "zero-text"]),
        (Filter::LessOrEqual("v", json!("5")), &["five-text", "zero-text"]),
        (Filter::Greater("v", json!("")), &["five-text", "six-text"]),
        (Filter::GreaterOrEqual("v", json!("6")), &["six-text"]),
    ];
    for (filter, expected) in cases {
        assert_ids(&found(subject, &partition, [filter]).await, expected);
    }
}

pub async fn in_takes_values_of_several_types(subject: &Subject) {
    let partition = mixed(subject).await;
    let some = vec![json!("5"), json!(6), json!(null), json!(false), json!("nothing")];
    let expected = ["false", "five-text", "null", "six"];
    assert_ids(&found(subject, &partition, [Filter::In("v", some)]).await, &expected);
    assert_ids(&found(subject, &partition, [Filter::In("v", vec![])]).await, &[]);
    let many: Vec<_> = (0..100).map(|n| json!(n + 5)).collect();
    assert_ids(&found(subject, &partition, [Filter::In("v", many)]).await, &["five", "five-real", "six"]);
}

pub async fn nested_fields_are_named_by_dots(subject: &Subject) {
    let values = [
        ("a", json!({ "b": { "c": 1 } })),
        ("b", json!({ "b": { "c": 2 } })),
        ("c", json!({ "b": 1 })),
        ("d", json!({ "b.c": 1 })),
        ("e", json!({ "b": { "1": 1 } })),
        ("f", json!({ "b": [0, 1] })),
    ];
    let partition = subject.with_values(&values).await;
    assert_ids(&found(subject, &partition, [Filter::Equal("v.b.c", json!(1))]).await, &["a"]);
    assert_ids(&found(subject, &partition, [Filter::Greater("v.b.c", json!(0))]).await, &["a", "b"]);
    assert_ids(&found(subject, &partition, [Filter::Equal("v.b.1", json!(1))]).await, &["e"]);
}

pub async fn prefixes_of_text_are_found(subject: &Subject) {
    let values = [
        ("a", json!("साड़ी लाल")),
        ("b", json!("साड़ी")),
        ("c", json!("लाल साड़ी")),
        ("d", json!("100%")),
        ("e", json!("100x")),
        ("f", json!(100)),
        ("g", json!("Red")),
        ("h", json!("red")),
    ];
    let partition = subject.with_values(&values).await;
    let cases: [(&str, &[&str]); 4] =
        [("साड़ी", &["a", "b"]), ("100%", &["d"]), ("re", &["h"]), ("", &["a", "b", "c", "d", "e", "g", "h"])];
    for (start, expected) in cases {
        assert_ids(&found(subject, &partition, [Filter::StartsWith("v", start.into())]).await, expected);
    }
}

pub async fn members_of_arrays_are_found(subject: &Subject) {
    let values = [
        ("a", json!(["red", 5, null, true])),
        ("b", json!(["5", "RED", ["red"], { "red": "red" }])),
        ("c", json!("red")),
        ("d", json!({ "red": "red" })),
        ("e", json!([])),
    ];
    let partition = subject.with_values(&values).await;
    for (value, expected) in
        [(json!("red"), "a"), (json!(5), "a"), (json!("5"), "b"), (json!(null), "a"), (json!(true), "a")]
    {
        assert_ids(&found(subject, &partition, [Filter::ArrayContains("v", value)]).await, &[expected]);
    }
    assert_ids(&found(subject, &partition, [Filter::ArrayContains("v", json!(false))]).await, &[]);
}

pub async fn filters_are_all_to_hold(subject: &Subject) {
    let partition = mixed(subject).await;
    let between = [Filter::Greater("v", json!(0)), Filter::Less("v", json!(6))];
    assert_ids(&found(subject, &partition, between).await, &["five", "five-real"]);
    let never = [Filter::Equal("v", json!(5)), Filter::Equal("w", json!(5))];
    assert_ids(&found(subject, &partition, never).await, &[]);
}

pub async fn text_compares_by_code_point(subject: &Subject) {
    let values = [("1", json!("Z")), ("2", json!("a")), ("3", json!("é")), ("4", json!("आ")), ("5", json!("👗"))];
    let partition = subject.with_values(&values).await;
    assert_ids(&found(subject, &partition, [Filter::Greater("v", json!("a"))]).await, &["3", "4", "5"]);
    let order = ordered(Order::Descending("v"), 0);
    assert_ids(&subject.all(&PEOPLE, Scope::Partition(&partition), order).await, &["5", "4", "3", "2", "1"]);
}

pub async fn hostile_values_are_only_values(subject: &Subject) {
    let hostile = ["' OR 1=1 --", "\" OR true", "%", "_", "@p0", "?1", "\\", "\u{202e}", "null"];
    let values: Vec<_> = hostile.iter().enumerate().map(|(n, text)| (n.to_string(), json!(text))).collect();
    let values: Vec<_> = values.iter().map(|(id, value)| (id.as_str(), value.clone())).collect();
    let partition = subject.with_values(&values).await;
    for (id, value) in &values {
        let text = value.as_str().unwrap().to_owned();
        for filter in
            [Filter::Equal("v", value.clone()), Filter::In("v", vec![value.clone()]), Filter::StartsWith("v", text)]
        {
            assert_ids(&found(subject, &partition, [filter]).await, &[id]);
        }
    }
}

pub async fn hostile_fields_are_refused(Subject { store, .. }: &Subject) {
    let partition = person();
    for field in ["", ".", "v.", ".v", "v..w", "v w", "v'", "v\"", "v) OR (1=1", "v[0]", "$.v", "न"] {
        let invalid = PortErrorKind::InvalidRequest;
        for query in [
            filtered([Filter::Equal(field, json!(1))]),
            filtered([Filter::ArrayContains(field, json!(1))]),
            filtered([Filter::StartsWith(field, "a".into())]),
            ordered(Order::Ascending(field), 1),
        ] {
            assert_refused(store.query(&PEOPLE, Scope::Partition(&partition), query).await, invalid);
        }
    }
}

pub async fn comparisons_without_meaning_are_refused(Subject { store, .. }: &Subject) {
    let partition = person();
    for filter in [
        Filter::Equal("v", json!([1])),
        Filter::Equal("v", json!({})),
        Filter::NotEqual("v", json!(null)),
        Filter::Less("v", json!(true)),
        Filter::Greater("v", json!(null)),
        Filter::In("v", vec![json!([])]),
        Filter::In("v", vec![json!(1); 101]),
        Filter::ArrayContains("v", json!([1])),
    ] {
        let outcome = store.query(&PEOPLE, Scope::Partition(&partition), filtered([filter])).await;
        assert_refused(outcome, PortErrorKind::InvalidRequest);
    }
}
