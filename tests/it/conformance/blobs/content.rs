//! Cases about content: what is written is what is read, whole.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use pravis::ports::blobs::{BlobName, BlobStore, PutOptions, whole};
use pravis::ports::{PortError, PortErrorKind, PortResult};

use super::{CONTAINER, collect, kind, pieces, put, read, unique};

pub async fn a_blob_is_read_as_it_was_written(store: Arc<dyn BlobStore>) {
    let name = unique("a/b.txt");
    let written = store.put(&name, whole("नमस्ते"), PutOptions::default()).await.unwrap();
    let found = store.get(&name, None).await.unwrap().unwrap();
    assert_eq!(found.properties.etag, written.etag);
    assert_eq!(found.properties.size, "नमस्ते".len() as u64);
    assert_eq!(collect(found.stream).await, "नमस्ते".as_bytes());
    put(&*store, &name, "shorter").await;
    assert_eq!(read(&*store, &name).await, b"shorter");
}

pub async fn an_empty_blob_is_a_blob(store: Arc<dyn BlobStore>) {
    for content in [pieces(vec![]), whole(""), pieces(vec![Ok(Bytes::new()), Ok(Bytes::new())])] {
        let name = unique("empty");
        assert_eq!(store.put(&name, content, PutOptions::default()).await.unwrap().size, 0);
        assert_eq!(read(&*store, &name).await, b"");
        assert_eq!(kind(store.get(&name, Some(0..1)).await), PortErrorKind::InvalidRequest);
    }
}

pub async fn what_is_not_there_is_none(store: Arc<dyn BlobStore>) {
    let name = unique("nothing");
    assert!(store.get(&name, None).await.unwrap().is_none());
    assert!(store.get(&name, Some(0..1)).await.unwrap().is_none());
    put(&*store, &name, "something").await;
    assert!(store.delete(&name, Default::default()).await.unwrap());
    assert!(store.get(&name, None).await.unwrap().is_none());
}

pub async fn ranges_are_clipped_to_the_content(store: Arc<dyn BlobStore>) {
    let name = unique("digits");
    put(&*store, &name, "0123456789").await;
    for (range, expected) in
        [(0..10, "0123456789"), (3..6, "345"), (9..10, "9"), (7..100, "789"), (0..u64::MAX, "0123456789")]
    {
        let found = store.get(&name, Some(range.clone())).await.unwrap().unwrap();
        assert_eq!(found.properties.size, 10);
        assert_eq!(collect(found.stream).await, expected.as_bytes(), "{range:?}");
    }
    for (start, end) in [(10, 11), (100, 200), (5, 5), (6, 5)] {
        let range = start..end;
        assert_eq!(kind(store.get(&name, Some(range.clone())).await), PortErrorKind::InvalidRequest, "{range:?}");
    }
}

pub async fn a_large_stream_comes_back_unchanged(store: Arc<dyn BlobStore>) {
    const SIZE: usize = 20 << 20;
    let content: Bytes =
        (0..SIZE as u64 / 8).flat_map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
    // Pieces of every size from nothing to more than any buffer.
    let mut cut = Vec::new();
    let mut rest = content.clone();
    for length in (0..).map(|step: usize| (step * step * 97) % 700_001) {
        if rest.is_empty() {
            break;
        }
        cut.push(Ok(rest.split_to(length.min(rest.len()))));
    }
    let name = unique("large");
    assert_eq!(store.put(&name, pieces(cut), PutOptions::default()).await.unwrap().size, SIZE as u64);

    let mut hash = digest::Context::new(&digest::SHA256);
    let mut largest = 0;
    let mut stream = store.get(&name, None).await.unwrap().unwrap().stream;
    while let Some(piece) = stream.try_next().await.unwrap() {
        largest = largest.max(piece.len());
        hash.update(&piece);
    }
    assert_eq!(hash.finish().as_ref(), digest::digest(&digest::SHA256, &content).as_ref());
    assert!(largest < SIZE / 4, "the content came in pieces of {largest} bytes, not as a stream");

    let middle = 5_000_001..15_000_017;
    let part = store.get(&name, Some(middle.start as u64..middle.end as u64)).await.unwrap().unwrap();
    assert!(collect(part.stream).await == content[middle], "the middle differs");
}

pub async fn a_failing_stream_leaves_the_old_content(store: Arc<dyn BlobStore>) {
    let (present, absent) = (unique("present"), unique("absent"));
    let etag = put(&*store, &present, "old").await;
    for name in [&present, &absent] {
        let failing =
            pieces(vec![Ok(Bytes::from(vec![1; 1 << 20])), Err(PortError::new(PortErrorKind::TimedOut, "cut off"))]);
        assert_eq!(kind(store.put(name, failing, PutOptions::default()).await), PortErrorKind::TimedOut);
    }
    assert_eq!(read(&*store, &present).await, b"old");
    assert_eq!(store.properties(&present).await.unwrap().unwrap().etag, etag);
    assert!(store.properties(&absent).await.unwrap().is_none());
    assert!(store.list(CONTAINER, &absent.path, 10, None).await.unwrap().items.is_empty());
}

pub async fn a_dropped_write_leaves_the_old_content(store: Arc<dyn BlobStore>) {
    let (present, absent) = (unique("present"), unique("absent"));
    put(&*store, &present, "old").await;
    for name in [&present, &absent] {
        let stuck = pieces(vec![Ok(Bytes::from(vec![1; 1 << 20]))]).chain(stream::pending::<PortResult<Bytes>>());
        let write = store.put(name, Box::pin(stuck), PutOptions::default());
        assert!(tokio::time::timeout(Duration::from_millis(100), write).await.is_err());
    }
    assert_eq!(read(&*store, &present).await, b"old");
    assert!(store.get(&absent, None).await.unwrap().is_none());
}

pub async fn readers_see_one_whole_version(store: Arc<dyn BlobStore>) {
    let name = unique("changing");
    let version = |number: u8| vec![number; 300_000 + 1000 * usize::from(number)];
    store.put(&name, whole(version(0)), PutOptions::default()).await.unwrap();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, name) = (Arc::clone(&store), name.clone());
            tokio::spawn(async move {
                let mut last = 0;
                while last < 30 {
                    let found = store.get(&name, None).await.unwrap().expect("an overwritten blob never vanishes");
                    let size = found.properties.size;
                    let content = collect(found.stream).await;
                    assert_eq!(content.len() as u64, size);
                    assert!(content == version(content[0]), "a mixture of versions");
                    assert!(content[0] >= last, "an older version came back");
                    last = content[0];
                }
            })
        })
        .collect();
    for number in 1..=30 {
        store.put(&name, whole(version(number)), PutOptions::default()).await.unwrap();
    }
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(60), reader).await.unwrap().unwrap();
    }
}

pub async fn paths_are_told_apart(store: Arc<dyn BlobStore>) {
    let base = unique("x").path;
    let long = "ल".repeat(1024 - base.chars().count() - 1);
    let paths =
        ["A", "a", "a/b", "a%2Fb", "a.", "a b", "a+b", "a%20b", "a?b#c&d=e", "con", "~", "...", "é", "e\u{301}", &long];
    let names = paths.map(|path| BlobName::new(CONTAINER, format!("{base}/{path}")));
    for name in &names {
        put(&*store, name, &name.path).await;
    }
    for name in &names {
        assert_eq!(read(&*store, name).await, name.path.as_bytes(), "{:?}", name.path);
    }
}

pub async fn names_that_no_blob_can_have_are_refused(store: Arc<dyn BlobStore>) {
    let too_long = "x".repeat(1025);
    let paths = [
        "", "/", "/a", "a/", "a//b", ".", "..", "../x", "a/../b", "a/./b", "a/..", "a\\b", "a\nb", "a\0b", "a\u{7f}b",
        "a\u{85}b", &too_long,
    ];
    let mut names: Vec<BlobName> = paths.iter().map(|path| BlobName::new(CONTAINER, *path)).collect();
    let containers = ["", "ab", "Abc", "a_b_c", "../x", "-abc", "abc-", "a--b", "a/b/c"];
    names.extend(containers.map(|container| BlobName { container, path: "x".to_owned() }));
    for name in &names {
        let results = [
            store.put(name, whole("x"), PutOptions::default()).await.map(drop),
            store.get(name, None).await.map(drop),
            store.properties(name).await.map(drop),
            store.delete(name, Default::default()).await.map(drop),
            store.set_metadata(name, Default::default()).await,
            store.set_tier(name, Default::default()).await,
            store.upload_url(name, "audio/webm", 1, Duration::from_secs(60)).await.map(drop),
            store.download_url(name, Duration::from_secs(60)).await.map(drop),
        ];
        for result in results {
            assert_eq!(kind(result), PortErrorKind::InvalidRequest, "{name:?}");
        }
    }
}
