//! What the embedded store does beyond the port: several instances, clean-up, news of writes.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use pravis::adapters::blobs::directory::DirectoryBlobs;
use pravis::ports::PortErrorKind;
use pravis::ports::blobs::{AccessTier, BlobName, BlobStore, PutOptions, whole};
use pravis::ports::clock::Clock;
use tokio::sync::broadcast::error::TryRecvError;

use super::{CONTAINER, Fixture, KEY, collect, kind, on, open, pieces, put, read, unique};
use crate::support::clock::ManualClock;
use pravis::ports::Condition;

#[tokio::test]
async fn blobs_survive_a_restart() {
    let fixture = Fixture::new();
    let name = unique("kept");
    let etag = put(&*fixture.store, &name, "content").await;
    let Fixture { store, clock, place } = fixture;
    drop(store);
    let store = open(&place, clock);
    assert_eq!(read(&*store, &name).await, b"content");
    assert_eq!(store.properties(&name).await.unwrap().unwrap().etag, etag);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_instances_share_one_directory() {
    let fixture = Fixture::new();
    let stores = [fixture.store.clone(), open(&fixture.place, fixture.clock.clone())];
    let names: Vec<BlobName> = (0..20).map(|_| unique("raced")).collect();
    let writes = (0..80).map(|write: usize| {
        let (store, name) = (stores[write % 2].clone(), names[write / 4].clone());
        tokio::spawn(async move { store.put(&name, whole(format!("{write}")), on(Condition::IfAbsent)).await.is_ok() })
    });
    let won = join_all(writes).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, names.len());
    for name in &names {
        assert_eq!(read(&*stores[0], name).await, read(&*stores[1], name).await);
    }
    assert_eq!(fixture.content_files(), names.len(), "a refused write left its content");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replaced_deleted_and_failed_contents_leave_no_file() {
    let fixture = Fixture::new();
    let name = unique("replaced");
    for content in ["one", "two", "three"] {
        put(&*fixture.store, &name, content).await;
    }
    assert_eq!(fixture.content_files(), 1);
    let stuck = Box::pin(pieces(vec![Ok(vec![1; 1 << 20].into())]).chain(stream::pending()));
    let write = fixture.store.put(&name, stuck, PutOptions::default());
    assert!(tokio::time::timeout(Duration::from_millis(100), write).await.is_err());
    assert_eq!(fixture.content_files(), 1, "a dropped write left its content");
    fixture.store.delete(&name, Condition::None).await.unwrap();
    assert_eq!(fixture.content_files(), 0);
}

#[tokio::test]
async fn a_reader_reads_on_when_the_blob_is_replaced() {
    let fixture = Fixture::new();
    let name = unique("read");
    fixture.store.put(&name, whole(vec![1; 1 << 20]), PutOptions::default()).await.unwrap();
    let old = fixture.store.get(&name, None).await.unwrap().unwrap();
    put(&*fixture.store, &name, "new").await;
    assert_eq!(collect(old.stream).await, vec![1; 1 << 20]);
}

#[tokio::test]
async fn clean_up_removes_old_orphans_only() {
    let fixture = Fixture::new();
    let name = unique("live");
    put(&*fixture.store, &name, "live").await;
    let contents = fixture.place.path().join("content").join(CONTAINER);
    let now: SystemTime = fixture.clock.now().into();
    let aged = |file: &str, minutes: u64| {
        let file = File::create(contents.join(file)).unwrap();
        file.set_modified(now - Duration::from_secs(minutes * 60)).unwrap();
        file
    };
    drop(aged("old-orphan", 61));
    drop(aged("young-orphan", 59));
    let in_progress = aged("in-progress", 300);
    in_progress.lock().unwrap();
    for entry in std::fs::read_dir(&contents).unwrap() {
        let file = File::options().write(true).open(entry.unwrap().path()).unwrap();
        if file.metadata().unwrap().len() == 4 {
            file.set_modified(now - Duration::from_secs(86400)).unwrap();
        }
    }

    assert_eq!(fixture.store.clean_up().await.unwrap(), 1);
    assert!(!contents.join("old-orphan").exists());
    assert!(contents.join("young-orphan").exists());
    assert!(contents.join("in-progress").exists());
    assert_eq!(read(&*fixture.store, &name).await, b"live");

    drop(in_progress);
    fixture.clock.advance(TimeDelta::hours(1));
    assert_eq!(fixture.store.clean_up().await.unwrap(), 2);
}

#[tokio::test]
async fn completed_writes_are_told_and_no_others() {
    let fixture = Fixture::new();
    let mut writes = fixture.store.writes();
    let name = unique("told");
    put(&*fixture.store, &name, "content").await;
    fixture.store.put(&name, whole("x"), on(Condition::IfAbsent)).await.unwrap_err();
    fixture.store.set_tier(&name, AccessTier::Cool).await.unwrap();
    assert_eq!(writes.try_recv().unwrap(), name);
    assert_eq!(writes.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test]
async fn an_archived_blob_takes_no_changes() {
    let fixture = Fixture::new();
    let name = unique("archived");
    put(&*fixture.store, &name, "content").await;
    fixture.store.set_tier(&name, AccessTier::Archive).await.unwrap();
    let overwritten = fixture.store.put(&name, whole("new"), PutOptions::default()).await;
    assert_eq!(kind(overwritten), PortErrorKind::Conflict);
    assert_eq!(kind(fixture.store.set_metadata(&name, Default::default()).await), PortErrorKind::Conflict);
    fixture.store.set_tier(&name, AccessTier::Hot).await.unwrap();
    assert_eq!(read(&*fixture.store, &name).await, b"content");
}

#[tokio::test]
async fn damaged_content_is_corrupt_not_short() {
    let fixture = Fixture::new();
    let (cut, gone) = (unique("cut"), unique("gone"));
    let contents = fixture.place.path().join("content").join(CONTAINER);
    let files = || std::fs::read_dir(&contents).unwrap().map(|entry| entry.unwrap().path());
    put(&*fixture.store, &cut, "content").await;
    let cut_file = files().next().unwrap();
    File::options().write(true).open(&cut_file).unwrap().set_len(3).unwrap();
    put(&*fixture.store, &gone, "content").await;
    std::fs::remove_file(files().find(|file| *file != cut_file).unwrap()).unwrap();
    for name in [&cut, &gone] {
        assert_eq!(kind(fixture.store.get(name, None).await), PortErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn a_continuation_serves_its_own_listing_only() {
    let fixture = Fixture::new();
    let name = unique("");
    for path in ["a/1", "a/2", "b/1"] {
        put(&*fixture.store, &BlobName::new(CONTAINER, format!("{}{path}", name.path)), path).await;
    }
    let token = fixture.store.list(CONTAINER, &name.path, 1, None).await.unwrap().next.unwrap();
    let elsewhere = format!("{}a/", name.path);
    assert_eq!(
        kind(fixture.store.list(CONTAINER, &elsewhere, 1, Some(token.clone())).await),
        PortErrorKind::InvalidRequest
    );
    assert_eq!(
        kind(fixture.store.list("other", &name.path, 1, Some(token.clone())).await),
        PortErrorKind::InvalidRequest
    );
    assert_eq!(fixture.store.list(CONTAINER, &name.path, 5, Some(token)).await.unwrap().items.len(), 2);
}

#[test]
fn a_short_key_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let opened = DirectoryBlobs::open(place.path(), &KEY[..31], "http://localhost", clock);
    assert_eq!(kind(opened), PortErrorKind::InvalidRequest);
}
