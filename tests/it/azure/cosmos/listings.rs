//! Orders over several partitions, which the port's suite looks at in passing only.

use pravis::containers::{CUSTOMERS, DOCUMENT_CONTAINERS};
use pravis::ports::documents::{DocumentStore, Filter, Order, PartitionKey, Query, Scope};
use serde_json::{Value, json};

use super::{CONTAINERS, PEOPLE, document, person};
use crate::support::cosmos::Emulator;

async fn listed(store: &dyn DocumentStore, scope: Scope<'_>, mut query: Query) -> Vec<(String, String)> {
    let mut listed = Vec::new();
    loop {
        let page = store.query(&PEOPLE, scope.clone(), query.clone()).await.unwrap();
        listed.extend(page.items.into_iter().map(|document| (document.id, document.partition.0[1].clone())));
        match page.next {
            Some(next) => query.continuation = Some(next),
            None => return listed,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_types_have_one_order_over_several_partitions() {
    let values: [Option<Value>; 9] = [
        None,
        Some(json!(null)),
        Some(json!(false)),
        Some(json!(true)),
        Some(json!(-1.5)),
        Some(json!(7)),
        Some(json!("a")),
        Some(json!("b")),
        Some(json!([1])),
    ];
    let emulator = Emulator::with(CONTAINERS);
    let store = emulator.documents(CONTAINERS).await;
    let mut expected = Vec::new();
    for (rank, value) in values.iter().enumerate() {
        // Two ids, each in two partitions: ties go by id, then by partition key.
        for id in ["x", "y"] {
            for user in ["u1", "u2"] {
                let body = value.as_ref().map_or(json!({}), |value| json!({ "v": value }));
                let id = format!("{id}{}", 9 - rank);
                store.create(&PEOPLE, &person(user), document(&id, body)).await.unwrap();
                expected.push((id, user.to_owned()));
            }
        }
    }
    // Arrays and objects are ties.
    for (id, user) in [("x0", "u1"), ("y2", "u3")] {
        store.create(&PEOPLE, &person(user), document(id, json!({ "v": { "n": 1 } }))).await.unwrap();
        expected.push((id.to_owned(), user.to_owned()));
    }
    let first_tie = expected.len() - 6;
    expected[first_tie..].sort();
    let tenant = ["t1".to_owned()];
    for scope in [Scope::Container, Scope::Prefix(&tenant)] {
        for limit in [1, 2, 3, 7, 100] {
            let query = |order| Query { order: Some(order), limit, ..Query::default() };
            let ascending = listed(&store, scope.clone(), query(Order::Ascending("v"))).await;
            assert_eq!(ascending, expected, "{limit} a page");
            let descending = listed(&store, scope.clone(), query(Order::Descending("v"))).await;
            assert!(descending.iter().eq(expected.iter().rev()), "{limit} a page: {descending:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_words_of_the_query_language_are_fields() {
    let emulator = Emulator::with(CONTAINERS);
    let store = emulator.documents(CONTAINERS).await;
    let ana = person("ana");
    let body = |n: i32| json!({ "value": n, "order": { "by": n, "1st": n }, "Select": n, "_x": n });
    for n in 0..3 {
        let mut body = body(n);
        body.as_object_mut().unwrap().remove("_x");
        store.create(&PEOPLE, &ana, document(&n.to_string(), body)).await.unwrap();
    }
    for field in ["value", "order.by", "order.1st", "Select"] {
        let filters = vec![Filter::GreaterOrEqual(field, json!(1))];
        let query = Query { filters, order: Some(Order::Descending(field)), ..Query::default() };
        let found = listed(&store, Scope::Partition(&ana), query).await;
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["2", "1"], "{field}");
    }
}

/// The comparisons that an index begins with become a part of the order, and change nothing in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_along_a_composite_index_is_the_same_order() {
    let emulator = Emulator::with(&DOCUMENT_CONTAINERS);
    let store = emulator.documents(&DOCUMENT_CONTAINERS).await;
    let ana = PartitionKey::of(["t1", "ana"]);
    for n in 0..12 {
        let kind = if n % 3 == 0 { "other" } else { "sample" };
        let body = json!({ "kind": kind, "status": "queued", "createdAt": format!("2026-11-{:02}", n / 2 + 1) });
        store.create(&CUSTOMERS, &ana, document(&format!("{n:02}"), body)).await.unwrap();
    }
    for filters in [vec!["kind"], vec!["kind", "status"]] {
        let values = [("kind", "sample"), ("status", "queued")];
        let filters: Vec<_> = values
            .into_iter()
            .filter(|(field, _)| filters.contains(field))
            .map(|(field, value)| Filter::Equal(field, json!(value)))
            .collect();
        let mut query = Query { filters, order: Some(Order::Descending("createdAt")), limit: 3, ..Query::default() };
        let mut found = Vec::new();
        loop {
            let page = store.query(&CUSTOMERS, Scope::Partition(&ana), query.clone()).await.unwrap();
            found.extend(page.items.into_iter().map(|document| document.id));
            match page.next {
                Some(next) => query.continuation = Some(next),
                None => break,
            }
        }
        assert_eq!(found, ["11", "10", "08", "07", "05", "04", "02", "01"]);
    }
}
