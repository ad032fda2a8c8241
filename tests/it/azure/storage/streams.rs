//! Large contents: how much of them is in memory, and what broken connections do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use pravis::adapters::blobs::AzureBlobs;
use pravis::adapters::blobs::azure::Limits;
use pravis::ports::blobs::{BlobStore, ByteStream, PutOptions, whole};
use pravis::ports::clock::SystemClock;
use pravis::ports::{Condition, PortError, PortErrorKind};

use super::{store, unique};
use crate::support::azurite::{self, Login};
use crate::support::wire::{Fault, Wire};

const MEBIBYTE: u64 = 1024 * 1024;

/// The bytes that stand at a place of a content that never repeats.
fn content(megabyte: u64) -> Bytes {
    (0..MEBIBYTE / 8)
        .flat_map(|word| (word + megabyte * MEBIBYTE).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
        .collect()
}

/// A store behind a wire, of the account by key.
async fn behind_a_wire(limits: Limits) -> (AzureBlobs, Wire) {
    // Makes the container.
    store(Login::Key).await;
    let azurite = azurite::shared(Login::Key).await;
    let wire = Wire::to(azurite.blobs()).await;
    let account = azurite.account_between(wire.address, azurite.queues());
    (AzureBlobs::with_limits(&account, Arc::new(SystemClock), limits).unwrap(), wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_go_up_and_down_and_few_are_in_memory() {
    const SIZE: u64 = 64;
    let (store, wire) = behind_a_wire(Limits::default()).await;
    let name = unique("large");
    let produced = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let wire = Arc::new(wire);
    let pieces = stream::iter(0..SIZE).map({
        let (produced, most, wire) = (produced.clone(), most.clone(), wire.clone());
        move |megabyte| {
            let held = produced.fetch_add(MEBIBYTE, Ordering::SeqCst).saturating_sub(wire.up());
            most.fetch_max(held, Ordering::SeqCst);
            Ok(content(megabyte))
        }
    });
    let written = store.put(&name, Box::pin(pieces), PutOptions::default()).await.unwrap();
    assert_eq!(written.size, SIZE * MEBIBYTE);
    // Two blocks on their way, one that is being filled.
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 14 * MEBIBYTE, "{most} bytes were taken from the stream and not sent");

    let before = wire.down();
    let mut stream = store.get(&name, None).await.unwrap().unwrap().stream;
    let mut received: Vec<u8> = stream.try_next().await.unwrap().unwrap().to_vec();
    // Nobody reads on: what is fetched all the same is what sockets hold.
    let mut fetched = wire.down();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(300) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if wire.down() != fetched {
            (fetched, since) = (wire.down(), Instant::now());
        }
    }
    assert!(fetched - before < SIZE / 2 * MEBIBYTE, "{} bytes were fetched that nobody asked for", fetched - before);
    let mut megabyte = 0;
    loop {
        while received.len() as u64 >= MEBIBYTE {
            assert!(received[..MEBIBYTE as usize] == content(megabyte), "megabyte {megabyte} differs");
            received.drain(..MEBIBYTE as usize);
            megabyte += 1;
        }
        let Some(piece) = stream.try_next().await.unwrap() else { break };
        received.extend_from_slice(&piece);
    }
    assert_eq!((megabyte, received.len()), (SIZE, 0));
    store.delete(&name, Condition::None).await.unwrap();
}

async fn collect(stream: ByteStream) -> Result<Vec<u8>, PortError> {
    stream
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_goes_on_where_its_connection_broke() {
    let (store, wire) = behind_a_wire(Limits::default()).await;
    let name = unique("cut");
    let whole_content: Bytes = (0..8).flat_map(content).collect();
    store.put(&name, whole(whole_content.clone()), PutOptions::default()).await.unwrap();

    wire.set(Fault::CutAfter { bytes: MEBIBYTE, times: 6 });
    let found = store.get(&name, None).await.unwrap().unwrap();
    assert!(collect(found.stream).await.unwrap() == whole_content, "the content differs");
    assert_eq!(wire.cuts(), 6);

    wire.set(Fault::CutAfter { bytes: MEBIBYTE / 2, times: 3 });
    let range = 1_000_001..7_000_003;
    let part = store.get(&name, Some(range.start..range.end)).await.unwrap().unwrap();
    let range = range.start as usize..range.end as usize;
    assert!(collect(part.stream).await.unwrap() == whole_content[range], "the part differs");
    assert_eq!(wire.cuts(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_never_goes_on_with_another_version() {
    let (through, wire) = behind_a_wire(Limits::default()).await;
    let store = store(Login::Key).await;
    for gone in [false, true] {
        let name = unique("replaced");
        let content: Bytes = (0..16).flat_map(content).collect();
        store.put(&name, whole(content), PutOptions::default()).await.unwrap();
        let mut stream = through.get(&name, None).await.unwrap().unwrap().stream;
        stream.try_next().await.unwrap().unwrap();
        match gone {
            true => assert!(store.delete(&name, Condition::None).await.unwrap()),
            false => drop(store.put(&name, whole(vec![0; 16 << 20]), PutOptions::default()).await.unwrap()),
        }
        wire.set(Fault::CutAfter { bytes: 0, times: 1 });
        let error = collect(stream).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::PreconditionFailed, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_connection_ends_a_download_in_time() {
    let limits = Limits { call: Duration::from_secs(1), idle: Duration::from_millis(300) };
    let (store, wire) = behind_a_wire(limits).await;
    let name = unique("dead");
    let content: Bytes = (0..16).flat_map(content).collect();
    store.put(&name, whole(content), PutOptions::default()).await.unwrap();
    let mut stream = store.get(&name, None).await.unwrap().unwrap().stream;
    stream.try_next().await.unwrap().unwrap();
    wire.set(Fault::Silence);
    let started = Instant::now();
    let error = collect(stream).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::TimedOut, "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(store.properties(&name).await.unwrap_err().kind(), PortErrorKind::TimedOut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_large_writes_at_once_the_blob_is_one_whole() {
    let store = Arc::new(store(Login::Key).await);
    for condition in [Condition::None, Condition::IfAbsent] {
        let name = unique("contended");
        let writes = (1..=2_u8).map(|writer| {
            let options = PutOptions { condition: condition.clone(), ..PutOptions::default() };
            let (store, name) = (store.clone(), name.clone());
            async move { store.put(&name, whole(vec![writer; 9 << 20]), options).await.map(|_| writer) }
        });
        let outcomes = futures_util::future::join_all(writes).await;
        let winners: Vec<u8> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
        assert!(!winners.is_empty(), "{outcomes:?}");
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert_eq!(error.kind(), PortErrorKind::Conflict, "{error}");
        }
        let read = collect(store.get(&name, None).await.unwrap().unwrap().stream).await.unwrap();
        assert!(winners.iter().any(|winner| read == vec![*winner; 9 << 20]), "a mixture of {winners:?}");
        assert!(condition == Condition::None || winners.len() == 1, "{winners:?}");
    }
}
