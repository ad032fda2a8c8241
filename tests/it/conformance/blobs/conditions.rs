//! Cases about ETags and conditional writes.

use std::sync::Arc;

use futures_util::future::join_all;
use pravis::ports::blobs::{AccessTier, BlobStore, PutOptions, whole};
use pravis::ports::{Condition, ETag, PortErrorKind};

use super::{kind, on, put, read, unique};

pub async fn every_write_has_a_new_etag(store: Arc<dyn BlobStore>) {
    let name = unique("versions");
    let first = put(&*store, &name, "same").await;
    let second = put(&*store, &name, "same").await;
    assert_ne!(first, second);
    store.set_metadata(&name, [("a".to_owned(), "b".to_owned())].into()).await.unwrap();
    let third = store.properties(&name).await.unwrap().unwrap().etag;
    assert_ne!(third, second);
    assert_eq!(store.get(&name, None).await.unwrap().unwrap().properties.etag, third);
    assert!(store.delete(&name, Condition::None).await.unwrap());
    let fourth = put(&*store, &name, "same").await;
    assert!(![first, second, third].contains(&fourth), "an ETag came back after a delete");
}

pub async fn if_absent_refuses_a_present_blob(store: Arc<dyn BlobStore>) {
    let name = unique("claimed");
    store.put(&name, whole("first"), on(Condition::IfAbsent)).await.unwrap();
    assert_eq!(kind(store.put(&name, whole("second"), on(Condition::IfAbsent)).await), PortErrorKind::Conflict);
    assert_eq!(read(&*store, &name).await, b"first");
    assert!(store.delete(&name, Condition::None).await.unwrap());
    store.put(&name, whole("third"), on(Condition::IfAbsent)).await.unwrap();
    assert_eq!(read(&*store, &name).await, b"third");
}

pub async fn if_match_refuses_another_version(store: Arc<dyn BlobStore>) {
    let name = unique("matched");
    let stale = put(&*store, &name, "first").await;
    let present = store.put(&name, whole("second"), on(Condition::IfMatch(stale.clone()))).await.unwrap().etag;
    let refused = store.put(&name, whole("third"), on(Condition::IfMatch(stale.clone()))).await;
    assert_eq!(kind(refused), PortErrorKind::PreconditionFailed);
    assert_eq!(read(&*store, &name).await, b"second");
    assert_eq!(store.properties(&name).await.unwrap().unwrap().etag, present);
    let nothing = store.put(&unique("absent"), whole("third"), on(Condition::IfMatch(stale))).await;
    assert_eq!(kind(nothing), PortErrorKind::PreconditionFailed);
}

pub async fn a_delete_honours_its_condition(store: Arc<dyn BlobStore>) {
    let name = unique("deleted");
    assert!(!store.delete(&name, Condition::None).await.unwrap());
    let stale = put(&*store, &name, "first").await;
    let present = put(&*store, &name, "second").await;
    let refused = store.delete(&name, Condition::IfMatch(stale)).await;
    assert_eq!(kind(refused), PortErrorKind::PreconditionFailed);
    assert_eq!(read(&*store, &name).await, b"second");
    assert!(store.delete(&name, Condition::IfMatch(present)).await.unwrap());
    assert!(store.properties(&name).await.unwrap().is_none());
    assert!(!store.delete(&name, Condition::None).await.unwrap());
}

pub async fn of_many_creators_one_wins(store: Arc<dyn BlobStore>) {
    assert_one_of_many_wins(store, Condition::IfAbsent, PortErrorKind::Conflict, unique("raced")).await;
}

pub async fn of_many_changers_one_wins(store: Arc<dyn BlobStore>) {
    let name = unique("raced");
    let etag: ETag = put(&*store, &name, "before").await;
    assert_one_of_many_wins(store, Condition::IfMatch(etag), PortErrorKind::PreconditionFailed, name).await;
}

async fn assert_one_of_many_wins(
    store: Arc<dyn BlobStore>,
    condition: Condition,
    refusal: PortErrorKind,
    name: pravis::ports::blobs::BlobName,
) {
    let writes = (0..32u8).map(|writer| {
        let (store, name) = (Arc::clone(&store), name.clone());
        let options = PutOptions { condition: condition.clone(), tier: AccessTier::Cool, ..PutOptions::default() };
        tokio::spawn(async move { store.put(&name, whole(vec![writer; 1000]), options).await })
    });
    let results: Vec<_> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<usize> = (0..results.len()).filter(|writer| results[*writer].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{winners:?} won");
    assert_eq!(read(&*store, &name).await, vec![winners[0] as u8; 1000]);
    for result in results.into_iter().filter(Result::is_err) {
        assert_eq!(kind(result), refusal);
    }
}
