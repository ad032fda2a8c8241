//! Queries: filters, order, pages, scopes.

use pravis::ports::documents::{Document, Filter, Order, PartitionKey, Query, Scope};
use pravis::ports::{Condition, Continuation, PortErrorKind};
use serde_json::{Value, json};

use super::{PEOPLE, Subject, assert_refused, document, ids, person, tenant};

fn filtered(filters: impl Into<Vec<Filter>>) -> Query {
    Query { filters: filters.into(), ..Query::default() }
}

fn ordered(order: Order, limit: usize) -> Query {
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
fn assert_ids(found: &[Document], expected: &[&str]) {
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

pub async fn mixed_types_have_one_order(subject: &Subject) {
    let values = [
        ("a", json!("b")),
        ("b", json!("10")),
        ("c", json!(10)),
        ("d", json!(9.5)),
        ("e", json!(-3)),
        ("f", json!(true)),
        ("g", json!(false)),
        ("h", json!(null)),
    ];
    let partition = subject.with_values(&values).await;
    subject.store.create(&PEOPLE, &partition, document("i", json!({}))).await.unwrap();
    let mut expected = ["i", "h", "g", "f", "e", "d", "c", "b", "a"];
    for limit in [1, 2, 100] {
        let query = ordered(Order::Ascending("v"), limit);
        assert_ids(&subject.all(&PEOPLE, Scope::Partition(&partition), query).await, &expected);
    }
    expected.reverse();
    for limit in [1, 2, 100] {
        let query = ordered(Order::Descending("v"), limit);
        assert_ids(&subject.all(&PEOPLE, Scope::Partition(&partition), query).await, &expected);
    }
}

pub async fn ties_are_broken_by_id(subject: &Subject) {
    let values = [("d", json!(1)), ("b", json!(2)), ("a", json!(1)), ("c", json!(1)), ("e", json!(1.0))];
    let partition = subject.with_values(&values).await;
    for limit in [1, 2, 3, 100] {
        let ascending = ordered(Order::Ascending("v"), limit);
        let ascending = subject.all(&PEOPLE, Scope::Partition(&partition), ascending).await;
        assert_ids(&ascending, &["a", "c", "d", "e", "b"]);
        let descending = ordered(Order::Descending("v"), limit);
        let descending = subject.all(&PEOPLE, Scope::Partition(&partition), descending).await;
        assert_ids(&descending, &["b", "e", "d", "c", "a"]);
    }
}

pub async fn pages_of_every_size_make_the_same_list(subject: &Subject) {
    let values: Vec<_> = (0..23).map(|n| (format!("{n:02}"), json!(f64::from(n % 7) / 3.0))).collect();
    let values: Vec<_> = values.iter().map(|(id, value)| (id.as_str(), value.clone())).collect();
    let partition = subject.with_values(&values).await;
    for order in [None, Some(Order::Ascending("v")), Some(Order::Descending("v"))] {
        let whole = Query { order, ..filtered([Filter::Less("v", json!(1.9))]) };
        let expected = subject.all(&PEOPLE, Scope::Partition(&partition), whole.clone()).await;
        assert_eq!(expected.len(), 20);
        for limit in 1..=21 {
            let pages = Query { limit, ..whole.clone() };
            let first = subject.store.query(&PEOPLE, Scope::Partition(&partition), pages.clone()).await.unwrap();
            assert_eq!(first.items.len(), limit.min(20));
            let listed = subject.all(&PEOPLE, Scope::Partition(&partition), pages).await;
            assert_eq!(ids(&listed), ids(&expected), "{limit} a page");
        }
    }
}

pub async fn pages_hold_while_documents_change(subject: &Subject) {
    let (store, partition) = (&subject.store, person());
    let put = async |id: &str, n: i64| {
        store.upsert(&PEOPLE, &partition, document(id, json!({ "n": n }))).await.unwrap();
    };
    for n in 0..20 {
        put(&format!("stays{n:02}"), n * 10).await;
        put(&format!("goes{n:02}"), n * 10 + 5).await;
    }
    for order in [None, Some(Order::Ascending("n")), Some(Order::Descending("n"))] {
        let mut listed = Vec::new();
        let mut query = Query { order, limit: 3, ..Query::default() };
        for round in 0.. {
            let page = store.query(&PEOPLE, Scope::Partition(&partition), query.clone()).await.unwrap();
            listed.extend(page.items);
            if page.next.is_none() {
                break;
            }
            query.continuation = page.next;
            // Before and after the position: a deletion, a creation, a move.
            let last = &listed.last().unwrap().id;
            if last.starts_with("goes") {
                store.delete(&PEOPLE, &partition, last, Condition::None).await.unwrap();
            }
            put(&format!("comes{round:02}"), -1).await;
            put(&format!("zomes{round:02}"), 95).await;
            put("goes19", if round % 2 == 0 { -7 } else { 700 }).await;
        }
        let stayed: Vec<_> = listed.iter().filter(|d| d.id.starts_with("stays")).cloned().collect();
        let mut expected: Vec<_> = (0..20).map(|n| format!("stays{n:02}")).collect();
        if matches!(order, Some(Order::Descending(_))) {
            expected.reverse();
        }
        assert_eq!(ids(&stayed), expected);
    }
}

pub async fn a_page_of_large_documents_may_be_short_but_nothing_is_lost(subject: &Subject) {
    let partition = person();
    let text = "x".repeat(1_500_000);
    for id in ["a", "b", "c", "d", "e"] {
        subject.store.create(&PEOPLE, &partition, document(id, json!({ "text": text }))).await.unwrap();
    }
    let listed = subject.all(&PEOPLE, Scope::Partition(&partition), Query { limit: 5, ..Query::default() }).await;
    assert_ids(&listed, &["a", "b", "c", "d", "e"]);
}

pub async fn prefixes_of_the_partition_key_cover_its_partitions(subject: &Subject) {
    let store = &subject.store;
    let own = tenant();
    // Names that only begin like the tenant's are other tenants.
    let others =
        [format!("{own}x"), format!("{own}\",\"u"), own[..own.len() - 1].to_owned(), format!("{own}\u{10ffff}")];
    for (n, user) in ["u3", "u1", "u2"].iter().enumerate() {
        let partition = PartitionKey::of([&own, user]);
        store.create(&PEOPLE, &partition, document("same", json!({ "n": n }))).await.unwrap();
        store.create(&PEOPLE, &partition, document(&format!("id{n}"), json!({ "n": n }))).await.unwrap();
    }
    for other in &others {
        store.create(&PEOPLE, &PartitionKey::of([other, "u1"]), document("other", json!({}))).await.unwrap();
    }
    let prefix = [own.clone()];
    for limit in [1, 2, 100] {
        let query = Query { limit, ..Query::default() };
        let listed = subject.all(&PEOPLE, Scope::Prefix(&prefix), query).await;
        assert_ids(&listed, &["id0", "id1", "id2", "same", "same", "same"]);
        let mut users: Vec<_> = listed[3..].iter().map(|document| document.partition.0[1].as_str()).collect();
        users.sort_unstable();
        assert_eq!(users, ["u1", "u2", "u3"]);
    }
    let whole_key = [own.clone(), "u1".to_owned()];
    assert_ids(&subject.all(&PEOPLE, Scope::Prefix(&whole_key), Query::default()).await, &["id1", "same"]);
    for values in [vec![], vec![own.clone(); 3]] {
        let outcome = store.query(&PEOPLE, Scope::Prefix(&values), Query::default()).await;
        assert_refused(outcome, PortErrorKind::InvalidRequest);
    }
}

pub async fn a_container_is_queried_over_all_partitions(subject: &Subject) {
    let mark = tenant();
    for n in 0..5 {
        let body = json!({ "mark": mark, "n": n });
        subject.store.create(&PEOPLE, &person(), document(&format!("id{n}"), body)).await.unwrap();
    }
    let marked = filtered([Filter::Equal("mark", json!(mark))]);
    for limit in [2, 100] {
        let query = Query { limit, order: Some(Order::Descending("n")), ..marked.clone() };
        let listed = subject.all(&PEOPLE, Scope::Container, query).await;
        assert_ids(&listed, &["id4", "id3", "id2", "id1", "id0"]);
    }
}

pub async fn a_token_of_another_query_is_refused(subject: &Subject) {
    let (one, other) = (subject.with_values(&[("a", json!(1)), ("b", json!(2))]).await, person());
    let first = Query { limit: 1, ..filtered([Filter::Greater("v", json!(0))]) };
    let token = subject.store.query(&PEOPLE, Scope::Partition(&one), first.clone()).await.unwrap().next.unwrap();
    let with = |token: &Continuation, query: Query| Query { continuation: Some(token.clone()), limit: 1, ..query };
    let prefix = [one.0[0].clone()];
    let strays = [
        (Scope::Partition(&other), with(&token, first.clone())),
        (Scope::Prefix(&prefix), with(&token, first.clone())),
        (Scope::Partition(&one), with(&token, filtered([Filter::Greater("v", json!(1))]))),
        (Scope::Partition(&one), with(&token, filtered([]))),
        (Scope::Partition(&one), Query { order: Some(Order::Ascending("v")), ..with(&token, first.clone()) }),
        (Scope::Partition(&one), with(&Continuation("garbage".into()), first.clone())),
        (Scope::Partition(&one), with(&Continuation("\u{1f457}".into()), first.clone())),
        (Scope::Partition(&one), with(&Continuation(String::new()), first.clone())),
    ];
    for (scope, query) in strays {
        let outcome = subject.store.query(&PEOPLE, scope, query).await;
        assert_refused(outcome, PortErrorKind::InvalidRequest);
    }
    let larger_page = Query { limit: 50, ..with(&token, first) };
    let rest = subject.store.query(&PEOPLE, Scope::Partition(&one), larger_page).await.unwrap();
    assert_ids(&rest.items, &["b"]);
}

pub async fn page_sizes_out_of_range_are_refused(Subject { store, .. }: &Subject) {
    let invalid = PortErrorKind::InvalidRequest;
    let query = Query { limit: 1001, ..Query::default() };
    assert_refused(store.query(&PEOPLE, Scope::Partition(&person()), query).await, invalid);
    assert_refused(store.changes(&PEOPLE, None, 1001).await, invalid);
}
