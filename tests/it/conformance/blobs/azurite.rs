//! Blob Storage as Azurite emulates it, by account key and by token: the suite runs on both.

use std::sync::Arc;

use pravis::adapters::blobs::AzureBlobs;
use pravis::ports::clock::SystemClock;

use super::CONTAINER;
use crate::support::azurite::{self, Login};

/// A store of its own on the shared account.
pub(super) async fn store(login: Login) -> Arc<AzureBlobs> {
    let account = azurite::shared(login).await.account();
    let store = AzureBlobs::new(&account, Arc::new(SystemClock)).unwrap();
    store.migrate(&[CONTAINER], &[]).await.unwrap();
    Arc::new(store)
}
