//! Queries: order, pages, scopes.

use pravis::ports::documents::{Filter, Order, PartitionKey, Query, Scope};
use pravis::ports::{Condition, Continuation, PortErrorKind};
use serde_json::json;

use super::queries::{assert_ids, filtered, ordered};
use super::{PEOPLE, Subject, assert_refused, document, ids, person, tenant};

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
