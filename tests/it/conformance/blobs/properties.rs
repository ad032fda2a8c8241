//! Cases about what is known of a blob besides its content.

use std::collections::BTreeMap;
use std::sync::Arc;

use pravis::ports::PortErrorKind;
use pravis::ports::blobs::{AccessTier, BlobStore, PutOptions, whole};

use super::{kind, put, read, unique};

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub async fn properties_are_kept(store: Arc<dyn BlobStore>) {
    let name = unique("full");
    let options = PutOptions {
        content_type: Some("audio/webm;codecs=opus".to_owned()),
        metadata: pairs([("sampleId", "smp_1"), ("owner_2", "a b=c")]),
        tags: pairs([("retention", "30"), ("consent", "voice storage")]),
        tier: AccessTier::Cool,
        ..PutOptions::default()
    };
    let written = store.put(&name, whole("12345"), options).await.unwrap();
    let found = store.properties(&name).await.unwrap().unwrap();
    for properties in [&written, &found] {
        assert_eq!(properties.etag, written.etag);
        assert_eq!(properties.size, 5);
        assert_eq!(properties.content_type, "audio/webm;codecs=opus");
        assert_eq!(properties.metadata, pairs([("sampleid", "smp_1"), ("owner_2", "a b=c")]));
        assert_eq!(properties.tags, pairs([("retention", "30"), ("consent", "voice storage")]));
        assert_eq!(properties.tier, AccessTier::Cool);
    }

    put(&*store, &name, "x").await;
    let plain = store.properties(&name).await.unwrap().unwrap();
    assert_eq!(plain.content_type, "application/octet-stream");
    assert!(plain.metadata.is_empty() && plain.tags.is_empty(), "an overwritten blob kept metadata or tags");
    assert_eq!(plain.tier, AccessTier::Hot);
    assert!(plain.modified_at >= found.modified_at);
}

pub async fn metadata_is_replaced_whole(store: Arc<dyn BlobStore>) {
    let name = unique("metadata");
    let options =
        PutOptions { metadata: pairs([("old", "1")]), tags: pairs([("kept", "yes")]), ..PutOptions::default() };
    store.put(&name, whole("content"), options).await.unwrap();
    store.set_metadata(&name, pairs([("New", "2")])).await.unwrap();
    let found = store.properties(&name).await.unwrap().unwrap();
    assert_eq!(found.metadata, pairs([("new", "2")]));
    assert_eq!(found.tags, pairs([("kept", "yes")]));
    assert_eq!(read(&*store, &name).await, b"content");
    store.set_metadata(&name, BTreeMap::new()).await.unwrap();
    assert!(store.properties(&name).await.unwrap().unwrap().metadata.is_empty());
}

pub async fn tiers_change_and_the_archive_is_closed(store: Arc<dyn BlobStore>) {
    let name = unique("tiers");
    put(&*store, &name, "content").await;
    let written = store.properties(&name).await.unwrap().unwrap();
    for tier in [AccessTier::Cool, AccessTier::Cold, AccessTier::Hot] {
        store.set_tier(&name, tier).await.unwrap();
        let moved = store.properties(&name).await.unwrap().unwrap();
        assert_eq!(moved.tier, tier);
        assert_eq!((moved.modified_at, &moved.etag), (written.modified_at, &written.etag), "its content is as old");
        assert_eq!(read(&*store, &name).await, b"content");
    }
    store.set_tier(&name, AccessTier::Archive).await.unwrap();
    assert_eq!(store.properties(&name).await.unwrap().unwrap().tier, AccessTier::Archive);
    assert_eq!(kind(store.get(&name, None).await), PortErrorKind::Conflict);
    assert_eq!(kind(store.get(&name, Some(0..1)).await), PortErrorKind::Conflict);
    assert!(store.delete(&name, Default::default()).await.unwrap());
}

pub async fn what_is_not_there_has_no_properties(store: Arc<dyn BlobStore>) {
    let name = unique("nothing");
    assert!(store.properties(&name).await.unwrap().is_none());
    assert_eq!(kind(store.set_metadata(&name, pairs([("a", "b")])).await), PortErrorKind::NotFound);
    assert_eq!(kind(store.set_tier(&name, AccessTier::Cool).await), PortErrorKind::NotFound);
    assert!(store.properties(&name).await.unwrap().is_none());
}

pub async fn what_the_service_refuses_is_refused(store: Arc<dyn BlobStore>) {
    let name = unique("refused");
    let metadata = |name: &str, value: &str| PutOptions { metadata: pairs([(name, value)]), ..PutOptions::default() };
    let tags = |name: &str, value: &str| PutOptions { tags: pairs([(name, value)]), ..PutOptions::default() };
    let content_type = |value: &str| PutOptions { content_type: Some(value.to_owned()), ..PutOptions::default() };
    let eleven = (0..11).map(|number| (format!("tag{number}"), String::new())).collect();
    let refused = [
        metadata("a-b", "x"),
        metadata("", "x"),
        metadata("1a", "x"),
        metadata("a", "line\nbreak"),
        metadata("a", "साड़ी"),
        tags("", "x"),
        tags("a", "x;y"),
        tags("a", &"x".repeat(257)),
        PutOptions { tags: eleven, ..PutOptions::default() },
        PutOptions { metadata: pairs([("a", "1"), ("A", "2")]), ..PutOptions::default() },
        content_type("text/plain\r\nx: y"),
        content_type(""),
    ];
    for options in refused {
        let words = format!("{options:?}");
        assert_eq!(kind(store.put(&name, whole("x"), options).await), PortErrorKind::InvalidRequest, "{words}");
    }
    let large = store.put(&name, whole("x"), metadata("a", &"x".repeat(8192))).await;
    assert_eq!(kind(large), PortErrorKind::TooLarge);
    assert!(store.properties(&name).await.unwrap().is_none());
}
