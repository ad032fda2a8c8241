//! What every adapter of the blobs port must do, from what Blob Storage documents.
//!
//! A store may be shared among runs: each case works under a prefix of its own.

mod azurite;
mod blocks;
mod conditions;
mod content;
mod crash;
mod directory;
mod listing;
mod properties;
mod signed_urls;

use std::sync::Arc;

use futures_util::TryStreamExt;
use pravis::adapters::blobs::directory::DirectoryBlobs;
use pravis::ports::blobs::{BlobName, BlobStore, ByteStream, PutOptions, whole};
use pravis::ports::clock::Clock;
use pravis::ports::{Condition, PortErrorKind, PortResult};
use tempfile::TempDir;
use ulid::Ulid;

use crate::support::azurite::Login;
use crate::support::clock::ManualClock;

const CONTAINER: &str = "conformance";
const KEY: &[u8; 32] = b"a key for tests of 32 bytes long";

/// Runs every case of the suite on an adapter. `$open` gives the store and what must outlive it.
macro_rules! blob_store_suite {
    ($adapter:ident, $open:expr; $($module:ident::{$($case:ident),+ $(,)?}),+ $(,)?) => {
        mod $adapter {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    let (store, _place) = $open;
                    super::$module::$case(store).await;
                }
            )+)+
        }
    };
    ($adapter:ident, $open:expr) => {
        blob_store_suite!(
            $adapter, $open;
            content::{
                a_blob_is_read_as_it_was_written,
                an_empty_blob_is_a_blob,
                what_is_not_there_is_none,
                ranges_are_clipped_to_the_content,
                a_large_stream_comes_back_unchanged,
                a_failing_stream_leaves_the_old_content,
                a_dropped_write_leaves_the_old_content,
                readers_see_one_whole_version,
                paths_are_told_apart,
                names_that_no_blob_can_have_are_refused,
            },
            conditions::{
                every_write_has_a_new_etag,
                if_absent_refuses_a_present_blob,
                if_match_refuses_another_version,
                a_delete_honours_its_condition,
                of_many_creators_one_wins,
                of_many_changers_one_wins,
            },
            properties::{
                properties_are_kept,
                metadata_is_replaced_whole,
                tiers_change_and_the_archive_is_closed,
                what_is_not_there_has_no_properties,
                what_the_service_refuses_is_refused,
            },
            listing::{
                a_listing_has_what_begins_with_the_prefix,
                a_listing_is_in_byte_order,
                a_listing_goes_on_where_it_stopped,
                a_listing_shows_properties,
                impossible_listings_are_refused,
            },
        );
    };
}

blob_store_suite!(on_directory, {
    let fixture = Fixture::new();
    (fixture.store, fixture.place)
});

blob_store_suite!(on_azurite_by_key, (azurite::store(Login::Key).await, ()));
blob_store_suite!(on_azurite_by_token, (azurite::store(Login::Token).await, ()));

/// The embedded store in a temporary directory.
struct Fixture {
    store: Arc<DirectoryBlobs>,
    clock: Arc<ManualClock>,
    place: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let store = open(&place, clock.clone());
        Self { store, clock, place }
    }

    /// The number of content files, whoever they belong to.
    fn content_files(&self) -> usize {
        std::fs::read_dir(self.place.path().join("content").join(CONTAINER)).map_or(0, Iterator::count)
    }
}

fn open(place: &TempDir, clock: Arc<dyn Clock>) -> Arc<DirectoryBlobs> {
    Arc::new(DirectoryBlobs::open(place.path(), KEY, "http://127.0.0.1:7071", clock).unwrap())
}

/// A name that no other run uses.
fn unique(path: &str) -> BlobName {
    BlobName::new(CONTAINER, format!("{}/{path}", Ulid::generate()))
}

fn pieces(pieces: Vec<PortResult<bytes::Bytes>>) -> ByteStream {
    Box::pin(futures_util::stream::iter(pieces))
}

fn on(condition: Condition) -> PutOptions {
    PutOptions { condition, ..PutOptions::default() }
}

async fn put(store: &dyn BlobStore, name: &BlobName, content: &str) -> pravis::ports::ETag {
    store.put(name, whole(content.to_owned()), PutOptions::default()).await.unwrap().etag
}

/// The whole content, which must be there.
async fn read(store: &dyn BlobStore, name: &BlobName) -> Vec<u8> {
    collect(store.get(name, None).await.unwrap().expect("the blob is there").stream).await
}

async fn collect(stream: ByteStream) -> Vec<u8> {
    let add = |mut whole: Vec<u8>, piece: bytes::Bytes| async move {
        whole.extend_from_slice(&piece);
        Ok(whole)
    };
    stream.try_fold(Vec::new(), add).await.unwrap()
}

fn kind<T>(result: PortResult<T>) -> PortErrorKind {
    result.err().expect("the call fails").kind()
}
