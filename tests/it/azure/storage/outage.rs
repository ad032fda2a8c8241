//! The service is gone, and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pravis::adapters::blobs::AzureBlobs;
use pravis::ports::PortErrorKind;
use pravis::ports::blobs::{BlobStore, PutOptions, whole};
use pravis::ports::clock::SystemClock;

use super::{CONTAINER, unique};
use crate::support::app::eventually;
use crate::support::azurite::{Azurite, Login};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_stops_is_unavailable_in_time_and_works_again_when_it_is_back() {
    let azurite = tokio::task::spawn_blocking(|| Azurite::start(Login::Key)).await.unwrap();
    let (address, account) = (azurite.blobs(), azurite.account());
    let store = AzureBlobs::new(&account, Arc::new(SystemClock)).unwrap();
    store.migrate(&[CONTAINER], &[]).await.unwrap();
    let name = unique("outlives");
    store.put(&name, whole("before"), PutOptions::default()).await.unwrap();

    tokio::task::spawn_blocking(move || drop(azurite)).await.unwrap();
    let started = Instant::now();
    let error = store.properties(&name).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable, "{error}");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert!(!format!("{error} {error:?}").contains("http"), "{error:?}");
    let written = store.put(&name, whole("lost"), PutOptions::default()).await;
    assert_eq!(written.unwrap_err().kind(), PortErrorKind::Unavailable);
    // Many find out at once; then nobody waits for it any more.
    let asked = (0..24).map(|_| store.properties(&name));
    assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_err));
    let started = Instant::now();
    assert!(store.properties(&name).await.unwrap_err().retry_after().is_some());
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());

    let _azurite = tokio::task::spawn_blocking(move || Azurite::listen(Login::Key, address)).await.unwrap();
    eventually("the container is made again", async || store.migrate(&[CONTAINER], &[]).await.ok()).await;
    store.put(&name, whole("after"), PutOptions::default()).await.unwrap();
    assert_eq!(store.properties(&name).await.unwrap().unwrap().size, 5);
}
