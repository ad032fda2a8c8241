//! Uploads in blocks to the embedded store.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::future::join_all;
use pravis::adapters::blobs::directory::blocks::StagedBlock;
use pravis::ports::blobs::{BlobStore, PutOptions, whole};
use pravis::ports::{Condition, PortError, PortErrorKind};

use super::{Fixture, kind, on, open, pieces, put, read, unique};

const MAX: u64 = 1000;

fn id(number: usize) -> String {
    STANDARD.encode(format!("{number:04}"))
}

#[tokio::test]
async fn blocks_in_any_order_become_a_blob() {
    let fixture = Fixture::new();
    let (store, name) = (&fixture.store, unique("upload"));
    for (number, content) in [(2, "c"), (0, "a"), (1, "b"), (9, "unused")] {
        store.stage_block(&name, &id(number), whole(content), MAX).await.unwrap();
    }
    assert!(store.properties(&name).await.unwrap().is_none(), "staged blocks are no blob");
    assert!(store.list(name.container, "", 10, None).await.unwrap().items.is_empty());

    let mut writes = store.writes();
    let options = PutOptions { content_type: Some("audio/webm".to_owned()), ..PutOptions::default() };
    let written = store.commit_blocks(&name, &[id(0), id(1), id(2)], options).await.unwrap();
    assert_eq!((written.size, written.content_type.as_str()), (3, "audio/webm"));
    assert_eq!(read(&**store, &name).await, b"abc");
    assert_eq!(writes.try_recv().unwrap(), name);
    assert!(store.uncommitted_blocks(&name).await.unwrap().is_empty());
    assert_eq!(fixture.content_files(), 1, "blocks outlived their commit");
}

#[tokio::test]
async fn an_upload_goes_on_after_a_failure_and_a_restart() {
    let fixture = Fixture::new();
    let name = unique("resumed");
    fixture.store.stage_block(&name, &id(0), whole("first "), MAX).await.unwrap();
    let cut_off = pieces(vec![Ok(Bytes::from("sec")), Err(PortError::new(PortErrorKind::TimedOut, "cut off"))]);
    assert_eq!(kind(fixture.store.stage_block(&name, &id(1), cut_off, MAX).await), PortErrorKind::TimedOut);

    let store = open(&fixture.place, fixture.clock.clone());
    let arrived = store.uncommitted_blocks(&name).await.unwrap();
    assert_eq!(arrived, [StagedBlock { id: id(0), size: 6 }]);
    store.stage_block(&name, &id(1), whole("wrong"), MAX).await.unwrap();
    store.stage_block(&name, &id(1), whole("second"), MAX).await.unwrap();
    store.commit_blocks(&name, &[id(0), id(1)], PutOptions::default()).await.unwrap();
    assert_eq!(read(&*store, &name).await, b"first second");
    assert_eq!(fixture.content_files(), 1);
}

#[tokio::test]
async fn staged_blocks_stay_within_what_was_agreed() {
    let fixture = Fixture::new();
    let (store, name) = (&fixture.store, unique("large"));
    let kilobyte = |bytes: usize| whole(vec![7; bytes]);
    assert_eq!(kind(store.stage_block(&name, &id(0), kilobyte(1001), MAX).await), PortErrorKind::TooLarge);
    store.stage_block(&name, &id(0), kilobyte(600), MAX).await.unwrap();
    assert_eq!(kind(store.stage_block(&name, &id(1), kilobyte(401), MAX).await), PortErrorKind::TooLarge);
    store.stage_block(&name, &id(1), kilobyte(400), MAX).await.unwrap();
    // A block that takes another's place is counted instead of it.
    store.stage_block(&name, &id(0), kilobyte(500), MAX).await.unwrap();
    store.stage_block(&name, &id(2), kilobyte(100), MAX).await.unwrap();
    assert_eq!(kind(store.stage_block(&name, &id(3), kilobyte(1), MAX).await), PortErrorKind::TooLarge);
    assert_eq!(fixture.content_files(), 3, "refused blocks left their content");
    let committed = store.commit_blocks(&name, &[id(0), id(1), id(2)], PutOptions::default()).await.unwrap();
    assert_eq!(committed.size, 1000);
}

#[tokio::test]
async fn a_list_names_staged_blocks_each_once() {
    let fixture = Fixture::new();
    let (store, name) = (&fixture.store, unique("list"));
    put(&**store, &name, "old").await;
    store.stage_block(&name, &id(0), whole("new"), MAX).await.unwrap();
    store.stage_block(&unique("other"), &id(1), whole("other"), MAX).await.unwrap();
    for ids in [vec![id(0), id(1)], vec![id(0), id(0)], vec!["../x".to_owned()]] {
        let result = store.commit_blocks(&name, &ids, PutOptions::default()).await;
        assert_eq!(kind(result), PortErrorKind::InvalidRequest, "{ids:?}");
    }
    let claimed = store.commit_blocks(&name, &[id(0)], on(Condition::IfAbsent)).await;
    assert_eq!(kind(claimed), PortErrorKind::Conflict);
    assert_eq!(read(&**store, &name).await, b"old");
    assert_eq!(store.uncommitted_blocks(&name).await.unwrap().len(), 1, "a refused commit forgot the blocks");
}

#[tokio::test]
async fn ids_are_base64_of_one_length() {
    let fixture = Fixture::new();
    let (store, name) = (&fixture.store, unique("ids"));
    for bad in ["", "not base64!", "../../x", &STANDARD.encode([0; 65]), &"A".repeat(10_000)] {
        assert_eq!(
            kind(store.stage_block(&name, bad, whole("x"), MAX).await),
            PortErrorKind::InvalidRequest,
            "{bad:?}"
        );
    }
    store.stage_block(&name, &STANDARD.encode([0; 64]), whole("x"), MAX).await.unwrap();
    assert_eq!(kind(store.stage_block(&name, &id(0), whole("x"), MAX).await), PortErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_write_at_once_forgets_what_is_staged() {
    let fixture = Fixture::new();
    let (store, name) = (&fixture.store, unique("overtaken"));
    store.stage_block(&name, &id(0), whole("staged"), MAX).await.unwrap();
    put(&**store, &name, "at once").await;
    assert!(store.uncommitted_blocks(&name).await.unwrap().is_empty());
    assert_eq!(fixture.content_files(), 1);
    store.commit_blocks(&name, &[], PutOptions::default()).await.unwrap();
    assert_eq!(read(&**store, &name).await, b"");
}

#[tokio::test]
async fn blocks_that_nobody_commits_are_forgotten_after_a_day() {
    let fixture = Fixture::new();
    let (store, name) = (&fixture.store, unique("abandoned"));
    store.stage_block(&name, &id(0), whole("staged"), MAX).await.unwrap();
    fixture.clock.advance(TimeDelta::hours(23));
    store.clean_up().await.unwrap();
    assert_eq!(store.uncommitted_blocks(&name).await.unwrap().len(), 1);
    fixture.clock.advance(TimeDelta::hours(2));
    // The content was written by the machine's clock, long after this one's.
    let contents = std::fs::read_dir(fixture.place.path().join("content").join(name.container)).unwrap();
    for entry in contents {
        let file = std::fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(pravis::ports::clock::Clock::now(&*fixture.clock).into()).unwrap();
    }
    fixture.clock.advance(TimeDelta::hours(2));
    assert_eq!(store.clean_up().await.unwrap(), 1);
    assert!(store.uncommitted_blocks(&name).await.unwrap().is_empty());
    assert_eq!(fixture.content_files(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blocks_arrive_side_by_side() {
    let fixture = Fixture::new();
    let name = unique("parallel");
    let stagings = (0..64).map(|number| {
        let (store, name) = (Arc::clone(&fixture.store), name.clone());
        tokio::spawn(async move { store.stage_block(&name, &id(number), whole(vec![number as u8; 100]), 6400).await })
    });
    for staged in join_all(stagings).await {
        staged.unwrap().unwrap();
    }
    let ids: Vec<String> = (0..64).rev().map(id).collect();
    fixture.store.commit_blocks(&name, &ids, PutOptions::default()).await.unwrap();
    let expected: Vec<u8> = (0..64).rev().flat_map(|number| [number; 100]).collect();
    assert_eq!(read(&*fixture.store, &name).await, expected);
}
