//! What calls cost is booked, also where they fail.

use std::sync::{Arc, Mutex};

use azure_core::http::StatusCode;
use azure_data_cosmos::fault_injection::{
    CustomResponseBuilder, FaultInjectionConditionBuilder, FaultInjectionResultBuilder, FaultInjectionRuleBuilder,
    FaultOperationType,
};
use pravis::ports::documents::{DocumentStore, Filter, Operation, Order, Query, Scope};
use pravis::ports::spent::{Spent, counted};
use serde_json::json;

use super::{CONTAINERS, PEOPLE, document, person, rule, twenty};
use crate::support::cosmos::{Emulator, Observer, Plan, key};

async fn spent(work: impl Future) -> Spent {
    counted(work).await.1.remove("cosmos").unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_booked_with_its_charge() {
    let emulator = Emulator::with(CONTAINERS);
    let store = emulator.documents(CONTAINERS).await;
    let ana = person("ana");
    twenty(&store).await;
    let create = || store.create(&PEOPLE, &ana, document("a", json!({ "n": 1 })));
    let created = spent(create()).await;
    assert!(created.calls == 1 && created.request_units > 5.0, "{created:?}");
    let read = spent(store.read(&PEOPLE, &ana, "a")).await;
    assert_eq!((read.calls, read.request_units), (1, 1.0));
    let batch = vec![Operation::Upsert(document("a", json!({}))), Operation::Create(document("a", json!({})))];
    let batch = spent(store.batch(&PEOPLE, &ana, batch)).await;
    assert!(batch.calls == 1 && batch.request_units > 0.0, "{batch:?}");
    // Of two partitions, each is asked.
    let query = Query { order: Some(Order::Ascending("n")), ..Query::default() };
    let query = spent(store.query(&PEOPLE, Scope::Container, query)).await;
    assert!(query.calls == 1 && query.request_units >= 2.0, "{query:?}");
    let changes = spent(store.changes(&PEOPLE, None, 10)).await;
    assert!(changes.calls == 1 && changes.request_units > 0.0, "{changes:?}");
    let refused_here = spent(store.read(&PEOPLE, &ana, "a/b")).await;
    assert_eq!(refused_here, Spent::default(), "nothing was asked");
}

/// The service prices its refusals too; the emulator does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_booked_with_their_charge() {
    let emulator = Emulator::with(CONTAINERS);
    let condition = FaultInjectionConditionBuilder::new().with_operation_type(FaultOperationType::CreateItem).build();
    let answer = CustomResponseBuilder::new(StatusCode::Conflict).with_header("x-ms-request-charge", "2.5").build();
    let answer = FaultInjectionResultBuilder::new().with_custom_response(answer).build();
    let refusing = rule(FaultInjectionRuleBuilder::new("refusing", answer).with_condition(condition));
    let store = emulator.documents_with(CONTAINERS, Some(key()), vec![refusing]).await;
    let refused = spent(store.create(&PEOPLE, &person("ana"), document("a", json!({})))).await;
    assert_eq!((refused.calls, refused.request_units), (1, 2.5));
}

/// What a shopper waits for: one request, to one partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_one_partition_is_one_request() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let observer = Observer(move |request: &azure_core::http::Request| {
        *count.lock().unwrap() += usize::from(request.url().path().ends_with("/docs"));
    });
    let emulator = Emulator::new(Plan { observer: Some(Arc::new(observer)), ..Plan::default() });
    emulator.create(CONTAINERS, 4);
    let store = emulator.documents(CONTAINERS).await;
    let ana = person("ana");
    let kinds = |n: i32| json!({ "kind": "x", "createdAt": format!("2026-11-{:02}", n + 1) });
    for n in 0..10 {
        store.create(&PEOPLE, &ana, document(&n.to_string(), kinds(n))).await.unwrap();
    }
    let filters = vec![Filter::Equal("kind", json!("x"))];
    let mut query = Query { filters, order: Some(Order::Descending("createdAt")), limit: 5, ..Query::default() };
    for last in [false, true] {
        *asked.lock().unwrap() = 0;
        let page = store.query(&PEOPLE, Scope::Partition(&ana), query.clone()).await.unwrap();
        assert_eq!((page.items.len(), page.next.is_none()), (5, last));
        assert_eq!(*asked.lock().unwrap(), 1);
        query.continuation = page.next;
    }
}
