//! Random documents and queries, against a plain reading of the contract.

use std::cmp::Ordering;

use pravis::ports::documents::{Filter, Operation, Order, Query, Scope};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{PEOPLE, Subject, document, ids, person};

const CASES: usize = 100;

/// Numbers that lose their last bit in a careless conversion from decimal digits, or their sign.
const AWKWARD: &[f64] = &[
    0.1 + 0.2,
    0.3,
    1.0 / 3.0,
    2e-7,
    9007199254740993.0,
    123456789.12345679,
    1.7976931348623157e308,
    1e23,
    8.41e21,
    5e-324,
    -0.0,
];

pub async fn random_queries_answer_as_the_contract_reads(subject: &Subject) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..CASES {
        let documents =
            prop::collection::vec(prop::option::of(value()), 1..20).new_tree(&mut runner).unwrap().current();
        let partition = person();
        let bodies: Vec<_> = documents.iter().map(|v| v.as_ref().map_or(json!({}), |v| json!({ "v": v }))).collect();
        let creation = |(n, body): (usize, &Value)| Operation::Create(document(&id(n), body.clone()));
        let creations = bodies.iter().enumerate().map(creation).collect();
        subject.store.batch(&PEOPLE, &partition, creations).await.unwrap();
        for _ in 0..5 {
            let query = query().new_tree(&mut runner).unwrap().current();
            let listed = subject.all(&PEOPLE, Scope::Partition(&partition), query.clone()).await;
            assert_eq!(ids(&listed), expected(&documents, &query), "{query:?} of {documents:?}");
        }
    }
}

fn id(n: usize) -> String {
    format!("{n:02}")
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..4i64).prop_map(Value::from),
        (-2..4i32).prop_map(|n| json!(f64::from(n) / 2.0)),
        select(AWKWARD).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        select(vec!["", "1", "a", "A", "ab", "b", "é", "साड़ी", "सा", "👗", "\u{ffff}", "null", "%"])
            .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => scalar(),
        1 => prop::collection::vec(scalar(), 0..4).prop_map(Value::from),
        1 => scalar().prop_map(|v| json!({ "v": v })),
    ]
}

fn comparable() -> impl Strategy<Value = Value> {
    scalar().prop_filter("numbers and text have an order", |value| value.is_number() || value.is_string())
}

fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        scalar().prop_map(|v| Filter::Equal("v", v)),
        scalar().prop_filter("not null", |v| !v.is_null()).prop_map(|v| Filter::NotEqual("v", v)),
        comparable().prop_map(|v| Filter::Less("v", v)),
        comparable().prop_map(|v| Filter::LessOrEqual("v", v)),
        comparable().prop_map(|v| Filter::Greater("v", v)),
        comparable().prop_map(|v| Filter::GreaterOrEqual("v", v)),
        prop::collection::vec(scalar(), 0..5).prop_map(|v| Filter::In("v", v)),
        select(vec!["", "a", "सा", "%"]).prop_map(|v| Filter::StartsWith("v", v.into())),
        scalar().prop_map(|v| Filter::ArrayContains("v", v)),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let order = select(vec![None, Some(Order::Ascending("v")), Some(Order::Descending("v"))]);
    (prop::collection::vec(filter(), 0..3), order, 1..8usize).prop_map(|(filters, order, limit)| Query {
        filters,
        order,
        limit,
        continuation: None,
    })
}

fn expected(documents: &[Option<Value>], query: &Query) -> Vec<String> {
    let mut found: Vec<(usize, Option<&Value>)> = documents
        .iter()
        .map(Option::as_ref)
        .enumerate()
        .filter(|(_, value)| query.filters.iter().all(|filter| value.is_some_and(|value| holds(filter, value))))
        .collect();
    match query.order {
        None => {}
        Some(Order::Ascending(_)) => found.sort_by(|a, b| sorted(a.1, b.1).then(a.0.cmp(&b.0))),
        Some(Order::Descending(_)) => found.sort_by(|a, b| sorted(b.1, a.1).then(b.0.cmp(&a.0))),
    }
    found.into_iter().map(|(n, _)| id(n)).collect()
}

fn holds(filter: &Filter, value: &Value) -> bool {
    let is = |other: &Value, wanted: &[Ordering]| compared(value, other).is_some_and(|order| wanted.contains(&order));
    match filter {
        Filter::Equal(_, other) => is(other, &[Ordering::Equal]),
        Filter::NotEqual(_, other) => is(other, &[Ordering::Less, Ordering::Greater]),
        Filter::Less(_, other) => is(other, &[Ordering::Less]),
        Filter::LessOrEqual(_, other) => is(other, &[Ordering::Less, Ordering::Equal]),
        Filter::Greater(_, other) => is(other, &[Ordering::Greater]),
        Filter::GreaterOrEqual(_, other) => is(other, &[Ordering::Greater, Ordering::Equal]),
        Filter::In(_, others) => others.iter().any(|other| is(other, &[Ordering::Equal])),
        Filter::StartsWith(_, start) => value.as_str().is_some_and(|text| text.starts_with(start)),
        Filter::ArrayContains(_, other) => value
            .as_array()
            .is_some_and(|members| members.iter().any(|member| compared(member, other) == Some(Ordering::Equal))),
    }
}

/// The order of two scalars of one type.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// The order of all values, absent ones included.
fn sorted(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None => 0,
        Some(Value::Null) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::Number(_)) => 3,
        Some(Value::String(_)) => 4,
        Some(Value::Array(_) | Value::Object(_)) => 5,
    };
    let within = || one.zip(other).and_then(|(one, other)| compared(one, other)).unwrap_or(Ordering::Equal);
    rank(one).cmp(&rank(other)).then_with(within)
}
