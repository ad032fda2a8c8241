//! Many callers at once.

use std::sync::Arc;

use futures_util::future::join_all;
use pravis::ports::documents::{DocumentStore, Operation, Query, Scope};
use pravis::ports::{Condition, PortErrorKind};
use serde_json::json;

use super::{PEOPLE, Subject, document, n_of, person};

pub async fn one_of_fifty_creations_wins(Subject { store, .. }: &Subject) {
    let partition = person();
    let creations = (0..50).map(|n| {
        let (store, partition) = (Arc::clone(store), partition.clone());
        tokio::spawn(async move { store.create(&PEOPLE, &partition, document("a", json!({ "n": n }))).await })
    });
    let outcomes = join_all(creations).await.into_iter().map(Result::unwrap);
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 49));
    for outcome in lost {
        assert_eq!(outcome.unwrap_err().kind(), PortErrorKind::Conflict);
    }
    let winner = n_of(won[0].as_ref().unwrap());
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), winner);
}

pub async fn fifty_increments_by_version_make_fifty(Subject { store, .. }: &Subject) {
    let partition = person();
    store.create(&PEOPLE, &partition, document("a", json!({ "n": 0 }))).await.unwrap();
    let increments = (0..50).map(|_| {
        let (store, partition) = (Arc::clone(store), partition.clone());
        tokio::spawn(async move {
            loop {
                let read = store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap();
                let next = document("a", json!({ "n": n_of(&read) + 1 }));
                match store.replace(&PEOPLE, &partition, next, Condition::IfMatch(read.etag)).await {
                    Ok(_) => return,
                    Err(error) => assert_eq!(error.kind(), PortErrorKind::PreconditionFailed),
                }
            }
        })
    });
    join_all(increments).await.into_iter().for_each(Result::unwrap);
    assert_eq!(n_of(&store.read(&PEOPLE, &partition, "a").await.unwrap().unwrap()), 50);
}

/// Two documents are always written together; no page may show one without the other.
pub async fn a_batch_is_never_seen_in_part(Subject { store, .. }: &Subject) {
    let partition = person();
    let pair = |n: i64| ["a", "b"].map(|id| Operation::Upsert(document(id, json!({ "n": n })))).to_vec();
    store.batch(&PEOPLE, &partition, pair(0)).await.unwrap();
    let writer = {
        let (store, partition): (Arc<dyn DocumentStore>, _) = (Arc::clone(store), partition.clone());
        tokio::spawn(async move {
            for n in 1..=50 {
                store.batch(&PEOPLE, &partition, pair(n)).await.unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let page = store.query(&PEOPLE, Scope::Partition(&partition), Query::default()).await.unwrap();
        assert_eq!(n_of(&page.items[0]), n_of(&page.items[1]));
    }
    writer.await.unwrap();
}
