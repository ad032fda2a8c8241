//! The suite on the embedded store, and what only that promises.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use pravis::adapters::documents::SqliteDocuments;
use pravis::ports::PortErrorKind;
use pravis::ports::clock::SystemClock;
use pravis::ports::documents::{Container, Document, DocumentStore, Indexing, PartitionKey, Ttl};
use serde_json::json;
use tempfile::TempDir;

use super::{Advance, CONTAINERS, PEOPLE, Subject, assert_refused, document, document_suite, n_of, person, tenant};
use crate::support::clock::ManualClock;

document_suite!(subject);

async fn subject() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let store = SqliteDocuments::open(&folder.path().join("documents.db"), CONTAINERS, clock.clone()).unwrap();
    let advance: Advance = Box::new(move |seconds| {
        clock.advance(TimeDelta::seconds(i64::from(seconds)));
        Box::pin(std::future::ready(()))
    });
    Subject { store: Arc::new(store), advance: Some(advance), _kept: Box::new(folder) }
}

fn file() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents.db");
    (folder, path)
}

pub fn open(path: &Path) -> SqliteDocuments {
    SqliteDocuments::open(path, CONTAINERS, Arc::new(SystemClock)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_see_each_other() {
    let (_folder, path) = file();
    let (one, two) = (open(&path), open(&path));
    let partition = person();
    one.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    let taken = two.create(&PEOPLE, &partition, document("a", json!({ "n": 2 }))).await.unwrap_err();
    assert_eq!(taken.kind(), PortErrorKind::Conflict);
    let writes = async |store: &SqliteDocuments, name: &str| {
        let write = |n| store.create(&PEOPLE, &partition, document(&format!("{name}{n}"), json!({ "n": n })));
        join_all((0..50).map(write)).await
    };
    let start = two.changes(&PEOPLE, None, 100).await.unwrap().next;
    let (left, right) = tokio::join!(writes(&one, "one"), writes(&two, "two"));
    assert!(left.iter().chain(&right).all(Result::is_ok));
    for reader in [&one, &two] {
        let changed = reader.changes(&PEOPLE, start.clone(), 1000).await.unwrap().items;
        assert_eq!(changed.len(), 100);
    }
}

#[tokio::test]
async fn opening_at_the_same_time_makes_one_file() {
    let (_folder, path) = file();
    let opened = (0..8).map(|_| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || open(&path))
    });
    let stores: Vec<_> = join_all(opened).await.into_iter().map(Result::unwrap).collect();
    stores[0].create(&PEOPLE, &person(), document("a", json!({}))).await.unwrap();
    assert_eq!(stores[7].changes(&PEOPLE, None, 10).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn what_is_dropped_is_found_again() {
    let (_folder, path) = file();
    let partition = person();
    let first = open(&path);
    let written = first.create(&PEOPLE, &partition, document("a", json!({ "n": 1 }))).await.unwrap();
    let position = first.changes(&PEOPLE, None, 10).await.unwrap().next;
    drop(first);
    let second = open(&path);
    let read: Document = second.read(&PEOPLE, &partition, "a").await.unwrap().unwrap();
    assert_eq!((n_of(&read), &read.etag), (1, &written.etag));
    assert!(second.changes(&PEOPLE, position.clone(), 10).await.unwrap().items.is_empty());
    second.create(&PEOPLE, &partition, document("b", json!({}))).await.unwrap();
    assert_eq!(second.changes(&PEOPLE, position, 10).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_container_that_was_not_declared_is_refused() {
    static STRAY: Container =
        Container { name: "stray", partition_key: &["tenantId"], default_ttl: None, indexing: Indexing::Everything };
    static ANOTHER_KEY: Container =
        Container { name: "people", partition_key: &["tenantId"], default_ttl: None, indexing: Indexing::Everything };
    let (_folder, path) = file();
    let store = open(&path);
    for container in [&STRAY, &ANOTHER_KEY] {
        let partition = PartitionKey(vec![tenant()]);
        let created = store.create(container, &partition, document("a", json!({}))).await;
        assert_refused(created, PortErrorKind::InvalidRequest);
        assert_refused(store.changes(container, None, 1).await, PortErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn commits_wake_who_waits_for_them() {
    let (_folder, path) = file();
    let store = open(&path);
    let mut writes = store.writes();
    store.create(&PEOPLE, &person(), document("a", json!({}))).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), writes.changed()).await.unwrap().unwrap();
    assert_eq!(store.changes(&PEOPLE, None, 10).await.unwrap().items.len(), 1, "what woke is there to be read");
}

#[tokio::test]
async fn purging_removes_what_is_expired_and_nothing_else() {
    let (_folder, path) = file();
    let clock = Arc::new(ManualClock::new());
    let store = SqliteDocuments::open(&path, CONTAINERS, clock.clone()).unwrap();
    let partition = person();
    for n in 0..5 {
        let brief = document(&format!("brief{n}"), json!({})).with_ttl(Ttl::Seconds(5));
        store.create(&PEOPLE, &partition, brief).await.unwrap();
    }
    store.create(&PEOPLE, &partition, document("long", json!({}))).await.unwrap();
    assert_eq!(store.purge_expired(100).await.unwrap(), 0);
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(store.purge_expired(3).await.unwrap(), 3);
    assert_eq!(store.purge_expired(3).await.unwrap(), 2);
    assert_eq!(store.purge_expired(3).await.unwrap(), 0);
    assert!(store.read(&PEOPLE, &partition, "long").await.unwrap().is_some());
}

/// Prints the figures; asserts only what holds on any machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_writes_share_a_commit() {
    const WRITES: usize = 640;
    let (_folder, path) = file();
    let store = Arc::new(open(&path));
    let partition = PartitionKey::of([&tenant(), "u"]);
    let body = json!({ "name": "Banarasi silk saree", "pricePaise": 449_900, "colors": ["red", "gold"] });
    let commits = store.writes();
    let write = |id: String| {
        let (store, partition, body) = (Arc::clone(&store), partition.clone(), body.clone());
        async move { store.create(&PEOPLE, &partition, document(&id, body)).await.unwrap() }
    };

    let started = Instant::now();
    for n in 0..WRITES {
        write(format!("sequential{n}")).await;
    }
    let sequential = started.elapsed();
    let alone = *commits.borrow();

    let started = Instant::now();
    let callers = (0..64).map(|caller| {
        let writes: Vec<_> = (0..WRITES / 64).map(|n| write(format!("concurrent{caller}-{n}"))).collect();
        tokio::spawn(async move {
            for write in writes {
                write.await;
            }
        })
    });
    join_all(callers).await.into_iter().for_each(Result::unwrap);
    let concurrent = started.elapsed();
    let grouped = *commits.borrow() - alone;

    let started = Instant::now();
    for n in 0..WRITES {
        store.read(&PEOPLE, &partition, &format!("sequential{n}")).await.unwrap().unwrap();
    }
    let reads = started.elapsed();

    let started = Instant::now();
    let again = open(&path);
    let opening = started.elapsed();
    drop(again);

    let rate = |time: Duration| WRITES as f64 / time.as_secs_f64();
    println!("{:.0} writes/s one after another, {alone} commits", rate(sequential));
    println!("{:.0} writes/s from 64 callers, {grouped} commits", rate(concurrent));
    println!("{:.0} point reads/s one after another; opened in {opening:?}", rate(reads));
    assert_eq!(alone, WRITES as u64);
    assert!(grouped < alone / 2, "{grouped} commits for {WRITES} concurrent writes");
}
