//! Storage and Cosmos DB as the platform's listeners see them: looks at the handler's stores beside it, fires
//! its functions for what changes there, and delivers again what failed.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use pravis::adapters::blobs::DirectoryBlobs;
use pravis::adapters::documents::SqliteDocuments;
use pravis::adapters::queues::LocalQueue;
use pravis::adapters::reporting::SqliteReporting;
use pravis::containers::{BLOB_CONTAINERS, DOCUMENT_CONTAINERS};
use pravis::ports::Continuation;
use pravis::ports::blobs::{BlobName, BlobStore};
use pravis::ports::clock::SystemClock;
use pravis::ports::documents::DocumentStore;
use pravis::ports::queues::{QueueMessage, Queues};
use pravis::ports::reporting::ReportingDb;
use serde_json::json;
use tokio::task::JoinSet;

use super::script_root::{FunctionFile, TriggerFile};
use super::{FunctionsHost, Shared, payload};

/// The queue that holds blobs which failed too often.
pub const POISON_BLOBS: &str = "webjobs-blobtrigger-poison";

/// How often the stores are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// Until a failed delivery is tried again.
const REDELIVERY_DELAY: Duration = Duration::from_millis(50);
/// How long a message is hidden while it is worked (the host's lease).
const VISIBILITY: Duration = Duration::from_secs(600);

/// The stores of a handler, opened by the product's own adapters.
pub struct Stores {
    pub documents: Arc<dyn DocumentStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub queue: Arc<dyn Queues>,
    pub reporting: Arc<dyn ReportingDb>,
}

impl Stores {
    /// The embedded ones of a data directory.
    pub fn open(data: &Path) -> Self {
        let clock = || Arc::new(SystemClock);
        let documents = SqliteDocuments::open(&data.join("documents.db"), &DOCUMENT_CONTAINERS, clock()).unwrap();
        // Signs nothing, so any key does.
        let blobs = DirectoryBlobs::open(&data.join("blobs"), &[7; 32], "http://127.0.0.1:1", clock()).unwrap();
        let queue = LocalQueue::open(&data.join("queue.db"), clock()).unwrap();
        let reporting = SqliteReporting::open(&data.join("reporting.db")).unwrap();
        Self {
            documents: Arc::new(documents),
            blobs: Arc::new(blobs),
            queue: Arc::new(queue),
            reporting: Arc::new(reporting),
        }
    }

    /// The content of a blob.
    pub async fn content(&self, name: &BlobName) -> Option<Vec<u8>> {
        let mut stream = self.blobs.get(name, None).await.unwrap()?.stream;
        let mut content = Vec::new();
        while let Some(chunk) = stream.next().await {
            content.extend_from_slice(&chunk.unwrap());
        }
        Some(content)
    }

    /// The paths of the blobs of a container.
    pub async fn paths(&self, container: &'static str) -> Vec<String> {
        let page = self.blobs.list(container, "", 5000, None).await.unwrap();
        page.items.into_iter().map(|item| item.path).collect()
    }
}

/// The listeners of all functions. Dropping them stops them where they are; what they know of blobs and
/// of places in change feeds stays with `Progress`.
pub struct Listeners(JoinSet<()>);

/// What the platform remembers of deliveries, over restarts of the handler.
#[derive(Default)]
pub struct Progress {
    /// Blobs that are done with, by function, path and ETag.
    receipts: Mutex<HashSet<(String, String, String)>>,
    /// Places in change feeds, by function.
    leases: Mutex<HashMap<String, Continuation>>,
}

impl FunctionsHost {
    /// Starts the listeners of all functions that are staged.
    pub fn listen(&self, stores: &Arc<Stores>, progress: &Arc<Progress>) -> Listeners {
        let mut listeners = JoinSet::new();
        for function in self.root().functions.iter().cloned() {
            let listener = Listener {
                shared: self.shared.clone(),
                stores: stores.clone(),
                progress: progress.clone(),
                function: function.clone(),
            };
            match function.trigger {
                TriggerFile::Http { .. } | TriggerFile::Timer | TriggerFile::EventGrid => {}
                TriggerFile::Blob { container } => drop(listeners.spawn(listener.blobs(container))),
                TriggerFile::Queue { queue } => drop(listeners.spawn(listener.messages(queue))),
                TriggerFile::CosmosDb { container, max_items } => {
                    drop(listeners.spawn(listener.changes(container, max_items)));
                }
            }
        }
        Listeners(listeners)
    }

    /// Fires a timer once. Its failure is nobody's: the next tick comes.
    pub async fn tick(&self, name: &str) -> super::Invocation {
        let function = self.function(name);
        assert!(matches!(function.trigger, TriggerFile::Timer));
        self.invoke(name, payload::timer(function, false)).await
    }

    /// The payload of a blob trigger for a blob that is there.
    pub async fn blob_payload(&self, stores: &Stores, name: &str, blob: &BlobName) -> Option<Vec<u8>> {
        blob_payload(stores, self.function(name), blob).await
    }
}

impl Listeners {
    /// Whether all of them still run; one that panicked makes the test fail.
    pub fn check(&mut self) {
        if let Some(ended) = self.0.try_join_next() {
            ended.unwrap();
        }
    }
}

/// The listener of one function.
#[derive(Clone)]
struct Listener {
    shared: Arc<Shared>,
    stores: Arc<Stores>,
    progress: Arc<Progress>,
    function: FunctionFile,
}

impl Listener {
    /// Looks for blobs without a receipt, and works up to four of them at once.
    async fn blobs(self, container: String) {
        let container = BLOB_CONTAINERS.into_iter().find(|known| *known == container).expect("a container of ours");
        let mut running = JoinSet::new();
        let mut busy = HashSet::new();
        loop {
            while let Some(done) = running.try_join_next() {
                busy.remove(&done.unwrap());
            }
            let page = self.stores.blobs.list(container, "", 5000, None).await.unwrap();
            for item in page.items {
                let receipt = (self.function.name.clone(), item.path.clone(), item.properties.etag.0);
                let known = self.progress.receipts.lock().unwrap().contains(&receipt);
                if !known && running.len() < 4 && busy.insert(item.path.clone()) {
                    running.spawn(self.clone().deliver_blob(BlobName::new(container, item.path), receipt));
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Delivers one version of a blob until it succeeds or has failed too often.
    async fn deliver_blob(self, name: BlobName, receipt: (String, String, String)) -> String {
        for _ in 0..self.shared.root.poison_blob_threshold {
            let Some(payload) = blob_payload(&self.stores, &self.function, &name).await else { return name.path };
            if self.shared.invoke(&self.function.name, payload).await.succeeded() {
                self.progress.receipts.lock().unwrap().insert(receipt);
                return name.path;
            }
            tokio::time::sleep(REDELIVERY_DELAY).await;
        }
        let poison = json!({
            "FunctionId": format!("Host.Functions.{}", self.function.name), "BlobType": "BlockBlob",
            "ContainerName": name.container, "BlobName": name.path, "ETag": receipt.2
        });
        self.stores.queue.send(POISON_BLOBS, vec![poison.to_string()]).await.unwrap();
        self.progress.receipts.lock().unwrap().insert(receipt);
        name.path
    }

    /// Takes messages in batches; one that has failed too often goes to the poison queue.
    async fn messages(self, queue: String) {
        loop {
            let batch = self.shared.root.queue_batch;
            let messages = self.stores.queue.receive(&queue, batch, VISIBILITY).await.unwrap();
            let idle = messages.is_empty();
            let mut running = JoinSet::new();
            for message in messages {
                running.spawn(self.clone().deliver_message(queue.clone(), message));
            }
            running.join_all().await;
            if idle {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }

    async fn deliver_message(self, queue: String, message: QueueMessage) {
        let payload = payload::queue(&self.function, &message);
        let store = &self.stores.queue;
        let settled = if self.shared.invoke(&self.function.name, payload).await.succeeded() {
            store.delete(&queue, &message).await
        } else if message.dequeue_count >= self.shared.root.max_dequeue_count {
            store.move_to_poison(&queue, &message).await
        } else {
            store.release(&queue, &message, REDELIVERY_DELAY).await
        };
        settled.unwrap();
    }

    /// Hands over one page after another. A page that fails is tried again as the function's retry
    /// policy says; after that, the lease goes on and the changes are lost.
    async fn changes(self, container: String, max_items: usize) {
        let container =
            DOCUMENT_CONTAINERS.into_iter().find(|known| known.name == container).expect("a container of ours");
        loop {
            let place = self.progress.leases.lock().unwrap().get(&self.function.name).cloned();
            let page = self.stores.documents.changes(container, place, max_items).await.unwrap();
            if page.items.is_empty() {
                tokio::time::sleep(POLL_INTERVAL).await;
                continue;
            }
            let documents: Vec<_> = page.items.iter().map(payload::fed).collect();
            let mut retries = 0;
            loop {
                let context = self.function.retry.map(|_| retries);
                let payload = payload::documents(&self.function, &documents, context);
                if self.shared.invoke(&self.function.name, payload).await.succeeded() {
                    break;
                }
                match self.function.retry {
                    Some(retry) if retry.max_retries.is_none_or(|max| retries < max) => retries += 1,
                    _ => break,
                }
                tokio::time::sleep(REDELIVERY_DELAY).await;
            }
            if let Some(next) = page.next {
                self.progress.leases.lock().unwrap().insert(self.function.name.clone(), next);
            }
        }
    }
}

async fn blob_payload(stores: &Stores, function: &FunctionFile, name: &BlobName) -> Option<Vec<u8>> {
    let properties = stores.blobs.properties(name).await.unwrap()?;
    let content = stores.content(name).await?;
    Some(payload::blob(function, name, &properties, content))
}
