//! Partitions that split and regions that fail, under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azure_data_cosmos::fault_injection::{
    FaultInjectionConditionBuilder, FaultInjectionResultBuilder, FaultInjectionRuleBuilder, FaultOperationType,
};
use azure_data_cosmos::options::Region;

use pravis::ports::documents::{DocumentStore, Filter, Order, Query, Scope};
use serde_json::json;

use super::{CONTAINERS, PEOPLE, document, elsewhere, person, rule, twenty};
use crate::support::cosmos::{Emulator, Plan, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_goes_on_over_a_split() {
    let orders = [None, Some(Order::Ascending("n")), Some(Order::Descending("n"))];
    for partitions in [1, 3] {
        for order in orders {
            let emulator = Emulator::new(Plan::default());
            emulator.create(CONTAINERS, partitions);
            let store = emulator.documents(CONTAINERS).await;
            twenty(&store).await;
            let mut listed = Vec::new();
            let mut query = Query { order, limit: 5, ..Query::default() };
            loop {
                let page = store.query(&PEOPLE, Scope::Container, query.clone()).await.unwrap();
                listed.extend(page.items.into_iter().map(|document| document.id));
                match page.next {
                    Some(next) => query.continuation = Some(next),
                    None => break,
                }
                if listed.len() == 5 {
                    emulator.split(&PEOPLE).await;
                }
            }
            let mut expected: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
            if matches!(order, Some(Order::Descending(_))) {
                expected.reverse();
            }
            assert_eq!(listed, expected, "{partitions} partitions, {order:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_of_one_partition_goes_on_over_a_split() {
    let emulator = Emulator::new(Plan::default());
    emulator.create(CONTAINERS, 1);
    let store = emulator.documents(CONTAINERS).await;
    let ana = person("ana");
    for n in 0..20 {
        store.create(&PEOPLE, &ana, document(&format!("{n:02}"), json!({ "kind": "x", "n": n }))).await.unwrap();
    }
    let filters = vec![Filter::Equal("kind", json!("x"))];
    let mut query = Query { filters, order: Some(Order::Descending("n")), limit: 6, ..Query::default() };
    let mut listed = Vec::new();
    loop {
        let page = store.query(&PEOPLE, Scope::Partition(&ana), query.clone()).await.unwrap();
        listed.extend(page.items.into_iter().map(|document| document.id));
        match page.next {
            Some(next) => query.continuation = Some(next),
            None => break,
        }
        emulator.split_partition(&PEOPLE, listed.len() as u32 / 6 - 1).await;
    }
    assert_eq!(listed, (0..20).rev().map(|n| format!("{n:02}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_feed_goes_on_over_a_split() {
    for split_after in [0, 1, 3] {
        let emulator = Emulator::new(Plan::default());
        emulator.create(CONTAINERS, 2);
        let store = emulator.documents(CONTAINERS).await;
        let mut continuation = store.changes(&PEOPLE, None, 3).await.unwrap().next;
        twenty(&store).await;
        let mut seen = Vec::new();
        for pages in 0.. {
            if pages == split_after {
                emulator.split(&PEOPLE).await;
                store.create(&PEOPLE, &person("late"), document("late", json!({}))).await.unwrap();
            }
            let page = store.changes(&PEOPLE, continuation, 3).await.unwrap();
            if page.items.is_empty() {
                break;
            }
            seen.extend(page.items.into_iter().map(|document| document.id));
            continuation = page.next;
        }
        let found: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), found.len()), (21, 21), "split after {split_after}: {seen:?}");
    }
}

/// A range with many changes does not keep those of another one waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_partition_leaves_the_others_their_turn() {
    let emulator = Emulator::new(Plan::default());
    emulator.create(CONTAINERS, 4);
    let store = emulator.documents(CONTAINERS).await;
    for n in 0..20 {
        store.create(&PEOPLE, &elsewhere(100), document(&format!("{n:02}"), json!({}))).await.unwrap();
    }
    for n in 0..12 {
        store.create(&PEOPLE, &elsewhere(n), document("other", json!({}))).await.unwrap();
    }
    let mut continuation = None;
    let mut others = 0;
    for _ in 0..8 {
        let page = store.changes(&PEOPLE, continuation, 1).await.unwrap();
        others += page.items.iter().filter(|document| document.id == "other").count();
        continuation = page.next;
    }
    assert!(others >= 4, "{others} of 8");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_fails_while_a_region_does() {
    let emulator = Emulator::new(Plan { regions: &["Central India", "South India"], ..Plan::default() });
    emulator.create(CONTAINERS, 2);
    let store = Arc::new(emulator.documents(CONTAINERS).await);
    twenty(&*store).await;
    emulator.store().drain_pending_replications().await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8)
        .map(|reader| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) {
                    let n = (reader + reads) % 20;
                    let read = store.read(&PEOPLE, &elsewhere(n), &format!("{n:02}")).await.unwrap();
                    assert!(read.is_some(), "{n}");
                    let listed = store.query(&PEOPLE, Scope::Partition(&elsewhere(n)), Query::default()).await.unwrap();
                    assert_eq!(listed.items.len(), 1);
                    reads += 1;
                    // What happens within the process alone would never make way for other readers.
                    tokio::task::yield_now().await;
                }
                reads
            })
        })
        .collect();
    let progress = async |reads: usize| {
        for n in 0..reads {
            store.read(&PEOPLE, &elsewhere(n % 20), &format!("{:02}", n % 20)).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    progress(50).await;
    emulator.store().set_region_offline("Central India").unwrap();
    progress(200).await;
    emulator.store().set_region_online("Central India").unwrap();
    progress(50).await;
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

/// A read that takes long in the nearest region is answered by the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_region_is_not_waited_for() {
    let emulator = Emulator::new(Plan { regions: &["Central India", "South India"], ..Plan::default() });
    emulator.create(CONTAINERS, 1);
    let condition = FaultInjectionConditionBuilder::new()
        .with_operation_type(FaultOperationType::ReadItem)
        .with_region(Region::CENTRAL_INDIA);
    let result = FaultInjectionResultBuilder::new().with_delay(Duration::from_secs(3)).build();
    let slow = rule(FaultInjectionRuleBuilder::new("slow", result).with_condition(condition.build()));
    let store = emulator.documents_with(CONTAINERS, Some(key()), vec![slow.clone()]).await;
    let ana = person("ana");
    store.create(&PEOPLE, &ana, document("a", json!({}))).await.unwrap();
    emulator.store().drain_pending_replications().await;
    let started = Instant::now();
    assert!(store.read(&PEOPLE, &ana, "a").await.unwrap().is_some());
    let elapsed = started.elapsed();
    assert!(slow.hit_count() > 0, "the nearest region is asked first");
    assert!((Duration::from_millis(400)..Duration::from_secs(2)).contains(&elapsed), "{elapsed:?}");
}

/// Replication to the region that is read from has stopped, and still a write is read by who wrote it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_read_in_its_session_although_a_replica_lags() {
    let emulator = Emulator::new(Plan { regions: &["Central India", "South India"], ..Plan::default() });
    emulator.create(CONTAINERS, 1);
    let mut settings = emulator.settings();
    settings.regions.reverse();
    let store = emulator.documents_by(&settings, CONTAINERS).await;
    let ana = person("ana");
    store.create(&PEOPLE, &ana, document("a", json!({ "n": 0 }))).await.unwrap();
    emulator.store().drain_pending_replications().await;
    emulator.store().pause_replication("South India");
    for n in 1..5 {
        let written = store.upsert(&PEOPLE, &ana, document("a", json!({ "n": n }))).await.unwrap();
        let read = store.read(&PEOPLE, &ana, "a").await.unwrap().unwrap();
        assert_eq!(read.etag, written.etag);
    }
    emulator.store().resume_replication("South India");
}
