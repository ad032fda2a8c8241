//! Blob Storage and Storage queues beyond what their conformance suites ask: large streams, broken
//! connections, signed URLs as clients use them, services that go and come back.
//!
//! Azurite is not the service in these: it has no throttling, checks no role of a token, moves a blob out of
//! the archive at once, and keeps uncommitted blocks for ever.

mod keys;
mod outage;
mod queues;
mod signed_urls;
mod streams;

use std::sync::Arc;

use pravis::adapters::blobs::AzureBlobs;
use pravis::ports::blobs::BlobName;
use pravis::ports::clock::SystemClock;
use ulid::Ulid;

use crate::support::azurite::{self, Login};

const CONTAINER: &str = "behaviour";

/// A name that no other test uses.
fn unique(path: &str) -> BlobName {
    BlobName::new(CONTAINER, format!("{}/{path}", Ulid::generate()))
}

/// A store of its own on the shared account.
async fn store(login: Login) -> AzureBlobs {
    let account = azurite::shared(login).await.account();
    let store = AzureBlobs::new(&account, Arc::new(SystemClock)).unwrap();
    store.migrate(&[CONTAINER], &["https://shop.example".to_owned()]).await.unwrap();
    store
}
