//! Cases about listing by prefix.

use std::sync::Arc;

use pravis::ports::blobs::{AccessTier, BlobName, BlobStore, PutOptions, whole};
use pravis::ports::{Continuation, PortErrorKind};

use super::{CONTAINER, kind, put, unique};

/// Puts blobs below a new prefix, which it gives, ended by `/`.
async fn filled(store: &dyn BlobStore, paths: &[&str]) -> String {
    let prefix = unique("").path;
    for path in paths {
        put(store, &BlobName::new(CONTAINER, format!("{prefix}{path}")), path).await;
    }
    prefix
}

/// What follows `below` in the paths of one page.
async fn page(store: &dyn BlobStore, below: &str, prefix: &str) -> Vec<String> {
    let page = store.list(CONTAINER, &format!("{below}{prefix}"), 5000, None).await.unwrap();
    assert!(page.next.is_none());
    page.items.into_iter().map(|item| item.path.strip_prefix(below).unwrap().to_owned()).collect()
}

pub async fn a_listing_has_what_begins_with_the_prefix(store: Arc<dyn BlobStore>) {
    let below = filled(&*store, &["a", "a/b", "a/c/d", "ab", "b", "a%", "a_"]).await;
    assert_eq!(page(&*store, &below, "a/").await, ["a/b", "a/c/d"]);
    assert_eq!(page(&*store, &below, "a").await, ["a", "a%", "a/b", "a/c/d", "a_", "ab"]);
    assert_eq!(page(&*store, &below, "a%").await, ["a%"]);
    assert_eq!(page(&*store, &below, "a_").await, ["a_"]);
    assert_eq!(page(&*store, &below, "A").await, [""; 0]);
    assert_eq!(page(&*store, &below, "").await.len(), 7);
    assert!(store.list("conformance-other", &below, 10, None).await.unwrap().items.is_empty());
}

pub async fn a_listing_is_in_byte_order(store: Arc<dyn BlobStore>) {
    let paths = ["z", "Z", "a/b", "a-b", "a.b", "a0", "a", "é", "साड़ी", "साड़ी/लाल", "\u{1F9F5}", "\u{FFFD}", "10", "9"];
    let below = filled(&*store, &paths).await;
    let mut expected = paths.map(str::to_owned);
    expected.sort_unstable_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
    assert_eq!(page(&*store, &below, "").await, expected);
    assert_eq!(page(&*store, &below, "साड़ी").await, ["साड़ी", "साड़ी/लाल"]);
}

pub async fn a_listing_goes_on_where_it_stopped(store: Arc<dyn BlobStore>) {
    let paths: Vec<String> = (0..25).map(|number| format!("{number:03}")).collect();
    let below = filled(&*store, &paths.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut found = Vec::new();
    let mut sizes = Vec::new();
    let mut next = None;
    loop {
        let page = store.list(CONTAINER, &below, 10, next).await.unwrap();
        sizes.push(page.items.len());
        found.extend(page.items.into_iter().map(|item| item.path.strip_prefix(&below).unwrap().to_owned()));
        // What is deleted or written behind the mark changes nothing of what is to come.
        store
            .delete(&BlobName::new(CONTAINER, format!("{below}{}", found.last().unwrap())), Default::default())
            .await
            .unwrap();
        put(&*store, &BlobName::new(CONTAINER, format!("{below}000a")), "late").await;
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(found, paths);
}

pub async fn a_listing_shows_properties(store: Arc<dyn BlobStore>) {
    let name = unique("shown");
    let options = PutOptions {
        content_type: Some("image/png".to_owned()),
        metadata: [("a".to_owned(), "b".to_owned())].into(),
        tags: [("c".to_owned(), "d".to_owned())].into(),
        tier: AccessTier::Cool,
        ..PutOptions::default()
    };
    let written = store.put(&name, whole("12345"), options).await.unwrap();
    let page = store.list(CONTAINER, &name.path, 1, None).await.unwrap();
    let [item] = &page.items[..] else { panic!("one blob is listed") };
    assert_eq!(item.path, name.path);
    assert_eq!((&item.properties.etag, item.properties.size), (&written.etag, 5));
    assert_eq!((item.properties.content_type.as_str(), item.properties.tier), ("image/png", AccessTier::Cool));
    assert_eq!((&item.properties.metadata, &item.properties.tags), (&written.metadata, &written.tags));
}

pub async fn impossible_listings_are_refused(store: Arc<dyn BlobStore>) {
    for limit in [0, 5001] {
        assert_eq!(kind(store.list(CONTAINER, "", limit, None).await), PortErrorKind::InvalidRequest);
    }
    for token in ["", "nonsense", "!", &"A".repeat(100)] {
        let result = store.list(CONTAINER, "", 10, Some(Continuation(token.to_owned()))).await;
        assert_eq!(kind(result), PortErrorKind::InvalidRequest, "{token:?}");
    }
    assert_eq!(kind(store.list("Bad Container", "", 10, None).await), PortErrorKind::InvalidRequest);
}
