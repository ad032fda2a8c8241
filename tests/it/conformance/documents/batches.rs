//! Transactional batches.

use pravis::ports::documents::{Operation, Query, Scope};
use pravis::ports::{Condition, PortErrorKind};
use serde_json::json;

use super::{PEOPLE, Subject, document, ids, n_of, person};

fn create(id: &str, n: i64) -> Operation {
    Operation::Create(document(id, json!({ "n": n })))
}

pub async fn a_batch_does_all_and_tells_what_it_wrote(Subject { store, .. }: &Subject) {
    let partition = person();
    let old = store.create(&PEOPLE, &partition, document("old", json!({ "n": 0 }))).await.unwrap();
    store.create(&PEOPLE, &partition, document("gone", json!({}))).await.unwrap();
    let operations = vec![
        create("new", 1),
        Operation::Upsert(document("put", json!({ "n": 2 }))),
        Operation::Replace(document("old", json!({ "n": 3 })), Condition::IfMatch(old.etag)),
        Operation::Delete("gone".into(), Condition::None),
    ];
    let written = store.batch(&PEOPLE, &partition, operations).await.unwrap();
    let told: Vec<_> = written.iter().map(|document| document.as_ref().map(|d| (d.id.as_str(), n_of(d)))).collect();
    assert_eq!(told, [Some(("new", 1)), Some(("put", 2)), Some(("old", 3)), None]);
    for document in written.into_iter().flatten() {
        let stored = store.read(&PEOPLE, &partition, &document.id).await.unwrap().unwrap();
        assert_eq!((n_of(&stored), stored.etag), (n_of(&document), document.etag));
    }
    assert!(store.read(&PEOPLE, &partition, "gone").await.unwrap().is_none());
}

pub async fn a_failing_operation_undoes_the_batch_and_is_named(subject: &Subject) {
    let store = &subject.store;
    let failures = [
        (create("taken", 9), PortErrorKind::Conflict),
        (Operation::Replace(document("absent", json!({})), Condition::None), PortErrorKind::NotFound),
        (Operation::Delete("absent".into(), Condition::None), PortErrorKind::NotFound),
        (create("a/b", 9), PortErrorKind::InvalidRequest),
    ];
    for (failure, kind) in failures {
        let partition = person();
        store.create(&PEOPLE, &partition, document("taken", json!({ "n": 1 }))).await.unwrap();
        let operations = vec![
            create("new", 1),
            Operation::Delete("taken".into(), Condition::None),
            create("taken", 2),
            failure,
            create("later", 4),
        ];
        let error = store.batch(&PEOPLE, &partition, operations).await.unwrap_err();
        assert_eq!((error.index, error.error.kind()), (3, kind));
        let left = subject.all(&PEOPLE, Scope::Partition(&partition), Query::default()).await;
        assert_eq!(ids(&left), ["taken"]);
        assert_eq!(n_of(&left[0]), 1);
    }
}

pub async fn a_stale_version_in_a_batch_undoes_it(Subject { store, .. }: &Subject) {
    let partition = person();
    let first = store.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    store.upsert(&PEOPLE, &partition, document("a", json!({ "n": 2 }))).await.unwrap();
    for stale in [
        Operation::Replace(document("a", json!({ "n": 3 })), Condition::IfMatch(first.etag.clone())),
        Operation::Delete("a".into(), Condition::IfMatch(first.etag)),
    ] {
        let error = store.batch(&PEOPLE, &partition, vec![create("event", 1), stale]).await.unwrap_err();
        assert_eq!((error.index, error.error.kind()), (1, PortErrorKind::PreconditionFailed));
        assert!(store.read(&PEOPLE, &partition, "event").await.unwrap().is_none());
        assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 2);
    }
}

pub async fn a_batch_may_touch_one_document_twice(Subject { store, .. }: &Subject) {
    let partition = person();
    let operations = vec![
        create("a", 1),
        Operation::Replace(document("a", json!({ "n": 2 })), Condition::None),
        create("b", 1),
        Operation::Delete("b".into(), Condition::None),
    ];
    store.batch(&PEOPLE, &partition, operations).await.unwrap();
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 2);
    assert!(store.read(&PEOPLE, &partition, "b").await.unwrap().is_none());
}

pub async fn a_batch_has_1_to_100_operations(subject: &Subject) {
    let partition = person();
    let many = |count: i64| (0..count).map(|n| create(&format!("{n:03}"), n)).collect::<Vec<_>>();
    for count in [0, 101] {
        let error = subject.store.batch(&PEOPLE, &partition, many(count)).await.unwrap_err();
        assert_eq!((error.index, error.error.kind()), (0, PortErrorKind::InvalidRequest));
    }
    assert_eq!(subject.store.batch(&PEOPLE, &partition, many(100)).await.unwrap().len(), 100);
    let stored = subject.all(&PEOPLE, Scope::Partition(&partition), Query::default()).await;
    assert_eq!(stored.len(), 100);
}

pub async fn a_batch_of_more_than_2_mb_is_too_large(Subject { store, .. }: &Subject) {
    let partition = person();
    let text = "x".repeat(1_200_000);
    let large = |id| Operation::Create(document(id, json!({ "text": text })));
    let error = store.batch(&PEOPLE, &partition, vec![large("a"), large("b")]).await.unwrap_err();
    assert_eq!(error.error.kind(), PortErrorKind::TooLarge);
    assert!(store.read(&PEOPLE, &partition, "a").await.unwrap().is_none());
}
