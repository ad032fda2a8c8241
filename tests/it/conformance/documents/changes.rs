//! The change feed.

use std::collections::HashMap;

use pravis::ports::documents::{Container, Document, PartitionKey};
use pravis::ports::{Condition, Continuation, PortErrorKind};
use serde_json::json;
use tokio::task::JoinSet;

use super::{PEOPLE, Subject, VISITS, assert_refused, document, ids, n_of, person, tenant};

impl Subject {
    /// Where the feed of `container` ends now.
    pub async fn end_of_feed(&self, container: &'static Container) -> Continuation {
        let mut continuation = None;
        loop {
            let page = self.store.changes(container, continuation, 1000).await.unwrap();
            match page.items.is_empty() {
                true => return page.next.unwrap(),
                false => continuation = page.next,
            }
        }
    }

    /// What the feed shows of one tenant from `continuation` to its end, and where that is.
    pub async fn changes_of(
        &self,
        container: &'static Container,
        partition: &PartitionKey,
        mut continuation: Option<Continuation>,
    ) -> (Vec<Document>, Continuation) {
        let mut changed = Vec::new();
        loop {
            let page = self.store.changes(container, continuation, 3).await.unwrap();
            let next = page.next.expect("the feed always goes on");
            if page.items.is_empty() {
                return (changed, next);
            }
            assert!(page.items.len() <= 3);
            changed.extend(page.items.into_iter().filter(|document| document.partition.0[0] == partition.0[0]));
            continuation = Some(next);
        }
    }
}

pub async fn changes_come_in_the_order_of_writing(subject: &Subject) {
    let partition = person();
    let start = subject.end_of_feed(&PEOPLE).await;
    for id in ["c", "a", "d", "b"] {
        subject.store.create(&PEOPLE, &partition, document(id, json!({ "n": 1 }))).await.unwrap();
    }
    let rewritten = document("a", json!({ "n": 2 }));
    let rewritten = subject.store.replace(&PEOPLE, &partition, rewritten, Condition::None).await.unwrap();
    let (changed, _) = subject.changes_of(&PEOPLE, &partition, Some(start)).await;
    assert_eq!(ids(&changed), ["c", "d", "b", "a"]);
    assert_eq!((n_of(&changed[3]), &changed[3].etag), (2, &rewritten.etag));
    let (from_the_beginning, _) = subject.changes_of(&PEOPLE, &partition, None).await;
    assert_eq!(ids(&from_the_beginning), ["c", "d", "b", "a"]);
}

pub async fn changes_go_on_where_a_page_ended(subject: &Subject) {
    let partition = person();
    let mut position = subject.end_of_feed(&PEOPLE).await;
    for round in 0..3 {
        for n in 0..5 {
            let written = document(&format!("{round}{n}"), json!({}));
            subject.store.create(&PEOPLE, &partition, written).await.unwrap();
        }
        let (changed, next) = subject.changes_of(&PEOPLE, &partition, Some(position.clone())).await;
        assert_eq!(changed.len(), 5);
        let (again, _) = subject.changes_of(&PEOPLE, &partition, Some(position)).await;
        assert_eq!(ids(&again), ids(&changed), "a position may be used again");
        position = next;
    }
}

pub async fn overwritten_versions_and_deletions_are_not_shown(subject: &Subject) {
    let (store, partition) = (&subject.store, person());
    let start = subject.end_of_feed(&PEOPLE).await;
    for n in 0..7 {
        store.upsert(&PEOPLE, &partition, document("a", json!({ "n": n }))).await.unwrap();
        store.upsert(&PEOPLE, &partition, document("gone", json!({ "n": n }))).await.unwrap();
    }
    store.delete(&PEOPLE, &partition, "gone", Condition::None).await.unwrap();
    let (changed, next) = subject.changes_of(&PEOPLE, &partition, Some(start)).await;
    assert_eq!(ids(&changed), ["a"]);
    assert_eq!(n_of(&changed[0]), 6);
    store.delete(&PEOPLE, &partition, "a", Condition::None).await.unwrap();
    let (changed, _) = subject.changes_of(&PEOPLE, &partition, Some(next)).await;
    assert!(changed.is_empty());
}

pub async fn a_token_of_another_feed_is_refused(Subject { store, .. }: &Subject) {
    store.create(&VISITS, &PartitionKey(vec![tenant()]), document("a", json!({}))).await.unwrap();
    let other = store.changes(&VISITS, None, 1).await.unwrap().next.unwrap();
    for token in [other, Continuation("garbage".into()), Continuation(String::new()), Continuation("\u{1f457}".into())]
    {
        assert_refused(store.changes(&PEOPLE, Some(token), 1).await, PortErrorKind::InvalidRequest);
    }
}

/// Eight writers in eight partitions, while a reader follows: in the end it has the last version of
/// every document, and within a partition it never went back.
pub async fn nothing_is_missed_under_concurrent_writers(subject: &Subject) {
    const WRITERS: i64 = 8;
    const WRITES: i64 = 40;
    let tenant = tenant();
    let mut position = subject.end_of_feed(&PEOPLE).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, partition) = (subject.store.clone(), PartitionKey::of([&tenant, &format!("u{writer}")]));
        writers.spawn(async move {
            for n in 0..WRITES {
                let written = document(&format!("d{}", n % 5), json!({ "n": n }));
                store.upsert(&PEOPLE, &partition, written).await.unwrap();
            }
        });
    }
    let mut latest: HashMap<(PartitionKey, String), i64> = HashMap::new();
    let mut reached: HashMap<PartitionKey, i64> = HashMap::new();
    let whole = PartitionKey::of([&tenant]);
    loop {
        let finished = writers.is_empty();
        let (changed, next) = subject.changes_of(&PEOPLE, &whole, Some(position)).await;
        position = next;
        for document in changed {
            let (n, partition) = (n_of(&document), document.partition.clone());
            assert!(reached.insert(partition.clone(), n).is_none_or(|before| before < n), "out of order");
            latest.insert((partition, document.id), n);
        }
        if finished {
            break;
        }
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    assert_eq!(latest.len() as i64, WRITERS * 5);
    assert!(latest.values().all(|n| (WRITES - 5..WRITES).contains(n)), "{latest:?}");
}
