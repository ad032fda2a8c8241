//! Containers that are made, changed and checked.

use pravis::containers::{DOCUMENT_CONTAINERS, containers_json};
use pravis::ports::PortErrorKind;
use pravis::ports::documents::{Container, DocumentStore, Indexing, OrderIndex, PartitionKey};
use serde_json::{Value, json};

use super::document;
use crate::support::cosmos::hosted::Hosted;
use crate::support::cosmos::{DATABASE, Emulator, Plan, documents, key};

static ORDERED: Container = Container {
    name: "things",
    partition_key: &["tenantId", "userId"],
    default_ttl: Some(60),
    indexing: Indexing::Only { fields: &["n"], orders: &[OrderIndex { equal: &[], by: "n" }] },
};
static PLAIN: Container = Container {
    name: "things",
    partition_key: &["tenantId", "userId"],
    default_ttl: None,
    indexing: Indexing::Everything,
};
static ANOTHER_KEY: Container =
    Container { name: "things", partition_key: &["tenantId"], default_ttl: None, indexing: Indexing::Everything };

static PLAIN_ONES: &[&Container] = &[&PLAIN];
static ORDERED_ONES: &[&Container] = &[&ORDERED];
static OTHERS: &[&Container] = &[&ANOTHER_KEY];

/// What the service holds of a container, as JSON.
async fn stored(emulator: &Emulator, name: &str) -> Value {
    let client = emulator.sdk_client().await;
    let container = client.database_client(DATABASE).container_client(name.to_owned(), None).await.unwrap();
    serde_json::to_value(container.read(None).await.unwrap().into_model().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_made_as_declared() {
    let emulator = Emulator::new(Plan::default());
    let store = emulator.documents(&DOCUMENT_CONTAINERS).await;
    for _ in 0..2 {
        store.migrate().await.unwrap();
        for declared in containers_json().as_array().unwrap() {
            let made = stored(&emulator, declared["id"].as_str().unwrap()).await;
            for property in ["id", "partitionKey", "defaultTtl", "indexingPolicy"] {
                assert_eq!(without_nothing(&made[property]), without_nothing(&declared[property]));
            }
        }
    }
    let ana = PartitionKey::of(["t1", "ana"]);
    store.create(DOCUMENT_CONTAINERS[0], &ana, document("a", json!({}))).await.unwrap();
}

/// Without empty lists, which the client leaves out.
fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| **value != json!([]))
            .map(|(n, v)| (n.clone(), without_nothing(v)))
            .collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_migrate_at_once() {
    let emulator = Emulator::new(Plan::default());
    let mut stores = Vec::new();
    for _ in 0..6 {
        stores.push(emulator.documents(&DOCUMENT_CONTAINERS).await);
    }
    for migrated in futures_util::future::join_all(stores.iter().map(|store| store.migrate())).await {
        migrated.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lifetimes_and_indexes_follow_their_declaration() {
    let emulator = Emulator::new(Plan::default());
    for (containers, lifetime, composites) in [(PLAIN_ONES, -1, 1), (ORDERED_ONES, 60, 2), (PLAIN_ONES, -1, 1)] {
        let store = emulator.documents(containers).await;
        store.migrate().await.unwrap();
        let found = stored(&emulator, "things").await;
        assert_eq!(found["defaultTtl"], json!(lifetime));
        assert_eq!(found["indexingPolicy"]["compositeIndexes"].as_array().unwrap().len(), composites);
        store.upsert(containers[0], &PartitionKey::of(["t1", "ana"]), document("a", json!({}))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_partition_key_is_refused() {
    let emulator = Emulator::new(Plan::default());
    emulator.documents(PLAIN_ONES).await.migrate().await.unwrap();
    let refused = emulator.documents(OTHERS).await.migrate().await.unwrap_err();
    assert_eq!(refused.kind(), PortErrorKind::InvalidRequest);
    assert!(refused.to_string().contains("things"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_credential_what_is_missing_is_told_and_not_made() {
    let emulator = Emulator::new(Plan::default());
    emulator.create(&DOCUMENT_CONTAINERS[..7], 1);
    let store = emulator.documents_with(&DOCUMENT_CONTAINERS, None, Vec::new()).await;
    let refused = store.migrate().await.unwrap_err();
    assert_eq!(refused.kind(), PortErrorKind::NotFound);
    let missing: Vec<&str> = DOCUMENT_CONTAINERS[7..].iter().map(|container| container.name).collect();
    assert!(refused.to_string().ends_with(&format!("lacks the containers {}", missing.join(", "))), "{refused}");
    let client = emulator.sdk_client().await;
    assert!(client.database_client(DATABASE).container_client("audit", None).await.is_err());
    emulator.create(&DOCUMENT_CONTAINERS[7..], 1);
    store.migrate().await.unwrap();
    emulator.documents_with(&DOCUMENT_CONTAINERS, None, Vec::new()).await.migrate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_finds_its_containers_once_they_are_made() {
    let hosted = Hosted::start(&[], 1);
    let store = documents(&hosted.settings(), Some(key()), &DOCUMENT_CONTAINERS).unwrap();
    let ana = PartitionKey::of(["t1", "ana"]);
    let missing = store.read(DOCUMENT_CONTAINERS[0], &ana, "a").await.unwrap_err();
    assert_eq!(missing.kind(), PortErrorKind::Unavailable, "{missing}");
    let another = documents(&hosted.settings(), Some(key()), &DOCUMENT_CONTAINERS).unwrap();
    another.migrate().await.unwrap();
    another.create(DOCUMENT_CONTAINERS[0], &ana, document("a", json!({}))).await.unwrap();
    assert!(store.read(DOCUMENT_CONTAINERS[0], &ana, "a").await.unwrap().is_some());
    // Made anew, under another identity.
    let emulator = hosted.emulator.sdk_client().await;
    let database = emulator.database_client(DATABASE);
    database.container_client("customers", None).await.unwrap().delete(None).await.unwrap();
    another.migrate().await.unwrap();
    assert!(store.read(DOCUMENT_CONTAINERS[0], &ana, "a").await.unwrap().is_none());
    store.create(DOCUMENT_CONTAINERS[0], &ana, document("a", json!({}))).await.unwrap();
}
