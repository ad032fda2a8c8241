//! Single writes and point reads.

use pravis::ports::documents::{PartitionKey, Ttl};
use pravis::ports::{Condition, ETag, PortErrorKind};
use serde_json::{Value, json};

use super::{CLAIMS, PEOPLE, Subject, VISITS, assert_refused, document, n_of, person, tenant};

pub async fn what_is_created_is_read(Subject { store, .. }: &Subject) {
    let body = json!({ "text": "रेशम की साड़ी 🧵 \"\\\u{0}", "list": [1, 2.5, null, true, { "a": [] }], "big": 9007199254740991i64 });
    let partition = person();
    let created = store.create(&PEOPLE, &partition, document("a", body.clone())).await.unwrap();
    let read = store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap();
    assert_eq!(read.id, "a");
    assert_eq!(read.partition, partition);
    assert_eq!(read.etag, created.etag);
    assert_eq!(read.modified_at, created.modified_at);
    assert_eq!(read.modified_at.timestamp_subsec_millis(), 0);
    let mut expected = body;
    expected["id"] = json!("a");
    expected["tenantId"] = json!(partition.0[0]);
    expected["userId"] = json!("usr_1");
    assert_eq!(read.read::<Value>().unwrap(), expected);
    assert_eq!(created.read::<Value>().unwrap(), expected);
}

pub async fn an_absent_document_is_none(Subject { store, .. }: &Subject) {
    assert!(store.read(&PEOPLE, &person(), "a").await.unwrap().is_none());
}

pub async fn a_taken_id_conflicts(Subject { store, .. }: &Subject) {
    let partition = person();
    store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    let second = store.create(&PEOPLE, &partition, document("a", json!({ "n": 2 }))).await;
    assert_refused(second, PortErrorKind::Conflict);
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 1);
}

pub async fn one_id_in_two_partitions_is_two_documents(Subject { store, .. }: &Subject) {
    let tenant = tenant();
    let (one, two) = (PartitionKey::of([&tenant, "u1"]), PartitionKey::of([&tenant, "u2"]));
    store.create(&PEOPLE, &one, document("a", json!({ "n": 1 }))).await.unwrap();
    store.create(&PEOPLE, &two, document("a", json!({ "n": 2 }))).await.unwrap();
    store.delete(&PEOPLE, &one, "a", Condition::None).await.unwrap();
    assert!(store.read(&PEOPLE, &one, "a").await.unwrap().is_none());
    assert_eq!(n_of(&store.read(&PEOPLE, &two, "a").await.unwrap().unwrap()), 2);
}

pub async fn the_call_wins_over_the_body(Subject { store, .. }: &Subject) {
    let partition = person();
    let lying = json!({ "id": "b", "tenantId": "other", "userId": 7, "ttl": "soon" });
    store.create(&PEOPLE, &partition, document("a", lying).with_ttl(Ttl::Seconds(500))).await.unwrap();
    let stored: Value = store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap().read().unwrap();
    assert_eq!(stored, json!({ "id": "a", "tenantId": partition.0[0], "userId": "usr_1", "ttl": 500 }));
}

pub async fn replacing_what_is_absent_is_not_found(Subject { store, .. }: &Subject) {
    let partition = person();
    for condition in [Condition::None, Condition::IfMatch(ETag("none".into()))] {
        let replaced = store.replace(&PEOPLE, &partition, document("a", json!({})), condition).await;
        assert_refused(replaced, PortErrorKind::NotFound);
    }
    assert!(store.read(&PEOPLE, &partition, "a").await.unwrap().is_none());
}

pub async fn replacing_takes_the_present_version_only(Subject { store, .. }: &Subject) {
    let partition = person();
    let first = store.create(&PEOPLE, &partition, document("a", json!({ "n": 1, "old": true }))).await.unwrap();
    let fresh = Condition::IfMatch(first.etag.clone());
    let second = store.replace(&PEOPLE, &partition, document("a", json!({ "n": 2 })), fresh).await.unwrap();
    let stale = Condition::IfMatch(first.etag);
    let third = store.replace(&PEOPLE, &partition, document("a", json!({ "n": 3 })), stale).await;
    assert_refused(third, PortErrorKind::PreconditionFailed);
    let stored = store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap();
    assert_eq!((n_of(&stored), &stored.etag), (2, &second.etag));
    assert_eq!(stored.read::<Value>().unwrap().get("old"), None, "a replacement does not merge");
    store.replace(&PEOPLE, &partition, document("a", json!({ "n": 4 })), Condition::None).await.unwrap();
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 4);
}

pub async fn upserting_creates_and_replaces(Subject { store, .. }: &Subject) {
    let partition = person();
    for n in 1..=2 {
        store.upsert(&PEOPLE, &partition, document("a", json!({ "n": n }))).await.unwrap();
        assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), n);
    }
}

pub async fn every_write_changes_the_etag(Subject { store, .. }: &Subject) {
    let partition = person();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let written = store.upsert(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
        assert!(!seen.contains(&written.etag), "the same content is a new version all the same");
        seen.push(written.etag);
    }
    store.delete(&PEOPLE, &partition, "a", Condition::None).await.unwrap();
    let anew = store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    assert!(!seen.contains(&anew.etag), "nor is a version used again after a deletion");
}

pub async fn deleting_takes_the_present_version_only(Subject { store, .. }: &Subject) {
    let partition = person();
    let first = store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    let second = store.upsert(&PEOPLE, &partition, document("a", json!({ "n": 2 }))).await.unwrap();
    let stale = store.delete(&PEOPLE, &partition, "a", Condition::IfMatch(first.etag)).await;
    assert_refused(stale, PortErrorKind::PreconditionFailed);
    store.delete(&PEOPLE, &partition, "a", Condition::IfMatch(second.etag)).await.unwrap();
    assert!(store.read(&PEOPLE, &partition, "a").await.unwrap().is_none());
}

pub async fn deleting_what_is_absent_is_not_found(Subject { store, .. }: &Subject) {
    for condition in [Condition::None, Condition::IfMatch(ETag("none".into()))] {
        assert_refused(store.delete(&PEOPLE, &person(), "a", condition).await, PortErrorKind::NotFound);
    }
}

pub async fn a_condition_of_absence_suits_creation_only(Subject { store, .. }: &Subject) {
    let partition = person();
    store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    let replaced = store.replace(&PEOPLE, &partition, document("a", json!({ "n": 2 })), Condition::IfAbsent).await;
    assert_refused(replaced, PortErrorKind::InvalidRequest);
    let deleted = store.delete(&PEOPLE, &partition, "a", Condition::IfAbsent).await;
    assert_refused(deleted, PortErrorKind::InvalidRequest);
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 1);
}

pub async fn malformed_ids_are_refused(Subject { store, .. }: &Subject) {
    let partition = person();
    let long = "é".repeat(256);
    for id in ["", "a/b", "a\\b", "a?b", "a#b", "/", &long] {
        let invalid = PortErrorKind::InvalidRequest;
        assert_refused(store.create(&PEOPLE, &partition, document(id, json!({}))).await, invalid);
        assert_refused(store.upsert(&PEOPLE, &partition, document(id, json!({}))).await, invalid);
        assert_refused(store.replace(&PEOPLE, &partition, document(id, json!({})), Condition::None).await, invalid);
        assert_refused(store.read(&PEOPLE, &partition, id).await, invalid);
        assert_refused(store.delete(&PEOPLE, &partition, id, Condition::None).await, invalid);
    }
}

pub async fn unusual_ids_are_kept_apart(Subject { store, .. }: &Subject) {
    let partition = person();
    let long = "é".repeat(255);
    let unusual =
        ["a", "A", "a'; DROP TABLE documents; --", "\"a\"", "%", "%2F", "_", "साड़ी", "👗", "e\u{301}", "é", &long];
    for (n, id) in unusual.iter().enumerate() {
        store.create(&PEOPLE, &partition, document(id, json!({ "n": n }))).await.unwrap();
    }
    for (n, id) in unusual.iter().enumerate() {
        let stored = store.read(&PEOPLE, &partition, id).await.unwrap().unwrap();
        assert_eq!((stored.id.as_str(), n_of(&stored)), (*id, n as i64));
    }
}

pub async fn unusual_partition_values_are_kept_apart(Subject { store, .. }: &Subject) {
    let tenant = tenant();
    let unusual = ["a", "a\",\"b", "a,b", "", "'", "\\", "\u{1f457}", "]", "[\"a\"]"];
    for (n, user) in unusual.iter().enumerate() {
        let partition = PartitionKey::of([&tenant, user]);
        store.create(&PEOPLE, &partition, document("a", json!({ "n": n }))).await.unwrap();
    }
    for (n, user) in unusual.iter().enumerate() {
        let partition = PartitionKey::of([&tenant, user]);
        let stored = store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap();
        assert_eq!((&stored.partition, n_of(&stored)), (&partition, n as i64));
    }
}

pub async fn partition_keys_of_another_arity_are_refused(Subject { store, .. }: &Subject) {
    for values in [vec![], vec!["t"], vec!["t", "u", "v"]] {
        let partition = PartitionKey(values.into_iter().map(str::to_owned).collect());
        let invalid = PortErrorKind::InvalidRequest;
        assert_refused(store.create(&PEOPLE, &partition, document("a", json!({}))).await, invalid);
        assert_refused(store.read(&PEOPLE, &partition, "a").await, invalid);
        assert_refused(store.delete(&PEOPLE, &partition, "a", Condition::None).await, invalid);
    }
}

pub async fn where_the_id_is_the_partition_key_they_agree(Subject { store, .. }: &Subject) {
    let (id, other) = (tenant(), tenant());
    let own = PartitionKey::of([&id]);
    store.create(&CLAIMS, &own, document(&id, json!({ "n": 1 }))).await.unwrap();
    assert_eq!(n_of(&store.read(&CLAIMS, &own, &id).await.unwrap().unwrap()), 1);
    let foreign = store.create(&CLAIMS, &own, document(&other, json!({}))).await;
    assert_refused(foreign, PortErrorKind::InvalidRequest);
}

pub async fn names_of_the_service_are_refused(Subject { store, .. }: &Subject) {
    let etag = json!({ "_etag": "mine" });
    assert_refused(store.create(&PEOPLE, &person(), document("a", etag)).await, PortErrorKind::InvalidRequest);
    let nested = json!({ "meta": { "_mine": 1 } });
    store.create(&PEOPLE, &person(), document("a", nested)).await.unwrap();
}

pub async fn large_bodies_pass_and_larger_ones_do_not(Subject { store, .. }: &Subject) {
    let partition = PartitionKey(vec![tenant()]);
    let text = "x".repeat(1_900_000);
    store.create(&VISITS, &partition, document("a", json!({ "text": text }))).await.unwrap();
    let stored: Value = store.read(&VISITS, &partition, "a").await.unwrap().unwrap().read().unwrap();
    assert_eq!(stored["text"].as_str().unwrap().len(), text.len());
    let larger = json!({ "text": "é".repeat(1_100_000) });
    assert_refused(store.create(&VISITS, &partition, document("b", larger)).await, PortErrorKind::TooLarge);
    assert!(store.read(&VISITS, &partition, "b").await.unwrap().is_none());
}
