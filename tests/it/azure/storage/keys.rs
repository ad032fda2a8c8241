//! Keys and tokens: replaced while the process runs, wrong, or never to be sent in the clear.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pravis::adapters::azure::AzureTransport;
use pravis::adapters::blobs::AzureBlobs;
use pravis::adapters::storage_account::StorageAccount;
use pravis::ports::blobs::{BlobStore, PutOptions, whole};
use pravis::ports::clock::SystemClock;
use pravis::ports::secrets::{Secret, SecretRef, SecretSource, Secrets};
use pravis::ports::{PortErrorKind, PortResult};

use super::{store, unique};
use crate::support::azurite::{self, KEY, Login, UnsignedToken};

/// A vault in which the key was replaced some time before the account's key is read for the `fresh_at`th time.
struct Replaced {
    reads: AtomicUsize,
    fresh_at: usize,
}

#[async_trait]
impl Secrets for Replaced {
    async fn get(&self, name: &str) -> PortResult<Option<Secret>> {
        assert_eq!(name, "storage-key");
        let reads = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
        // The old key: 64 bytes, as any.
        let old = format!("{}==", "A".repeat(86));
        Ok(Some(Secret::new(if reads < self.fresh_at { old } else { KEY.to_owned() })))
    }
}

async fn with_key_from(vault: Arc<Replaced>) -> AzureBlobs {
    store(Login::Key).await;
    let settings = azurite::shared(Login::Key).await.account_settings();
    let key = SecretSource::new(SecretRef::Named("storage-key".to_owned()), vault);
    let account =
        StorageAccount::new(&settings, Some(key), Arc::new(UnsignedToken), &AzureTransport::new().unwrap()).unwrap();
    AzureBlobs::new(&account, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn a_replaced_key_is_read_again() {
    let vault = Arc::new(Replaced { reads: AtomicUsize::new(0), fresh_at: 2 });
    let store = with_key_from(vault.clone()).await;
    let name = unique("rotated");
    store.put(&name, whole("content"), PutOptions::default()).await.unwrap();
    assert_eq!(vault.reads.load(Ordering::SeqCst), 2);
    assert_eq!(store.properties(&name).await.unwrap().unwrap().size, 7);
}

#[tokio::test]
async fn a_wrong_key_is_an_outage_and_not_told() {
    let vault = Arc::new(Replaced { reads: AtomicUsize::new(0), fresh_at: usize::MAX });
    let store = with_key_from(vault.clone()).await;
    let error = store.put(&unique("refused"), whole("content"), PutOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    let told = format!("{error} {error:?}");
    assert!(told.contains("403") && !told.contains("AAAA") && !told.contains("http"), "{told}");
    assert_eq!(vault.reads.load(Ordering::SeqCst), 2, "a key that is still the same is not tried again");
}

#[tokio::test]
async fn tokens_are_never_sent_in_the_clear() {
    let settings = azurite::shared(Login::Key).await.account_settings();
    let refused =
        StorageAccount::new(&settings, None, Arc::new(UnsignedToken), &AzureTransport::new().unwrap()).err().unwrap();
    assert!(refused.to_string().contains("BLOB_SERVICE_URI"), "{refused}");
}
