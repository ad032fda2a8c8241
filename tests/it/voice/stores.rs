//! What a server left in its data directory, read past the API.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pravis::adapters::blobs::DirectoryBlobs;
use pravis::ports::blobs::BlobStore;
use pravis::ports::clock::SystemClock;

/// How long what a job leaves may stay after its end.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// The blobs in a data directory, also of a server that runs.
pub struct Stores {
    blobs: DirectoryBlobs,
}

impl Stores {
    pub fn open(data_dir: &Path) -> Self {
        // The key only signs addresses, and none is asked for here.
        let blobs = DirectoryBlobs::open(&data_dir.join("blobs"), &[0; 32], "http://unused", Arc::new(SystemClock));
        Self { blobs: blobs.expect("the blobs open") }
    }

    /// Waits until a container is empty.
    pub async fn drained(&self, container: &'static str) {
        let deadline = Instant::now() + DRAIN_LIMIT;
        loop {
            let paths = self.paths(container).await;
            if paths.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{container} still holds {paths:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The paths of all blobs in a container.
    pub async fn paths(&self, container: &'static str) -> Vec<String> {
        let mut paths = Vec::new();
        let mut continuation = None;
        loop {
            let page = self.blobs.list(container, "", 1000, continuation).await.expect("the container lists");
            paths.extend(page.items.into_iter().map(|item| item.path));
            continuation = page.next;
            if continuation.is_none() {
                return paths;
            }
        }
    }
}
