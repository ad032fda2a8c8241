//! The local host: fires the triggers of `cargo run` from the stores, as the platform does in Azure: at
//! least once, with retries, back-off and a poison list. The embedded stores tell of their changes; others
//! are looked at from time to time.
//!
//! Each kind of trigger is a loop around a single step. What the loops must remember over a restart
//! (receipts of blobs, the place in a change feed, the last tick of a timer) is kept in a document
//! container of their own, [`LEASES`].

mod blobs;
mod change_feed;
mod ledger;
mod queue;
mod storage_events;
mod timers;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::adapters::blobs::DirectoryBlobs;
use crate::adapters::documents::{SqliteDatabases, SqliteDocuments};
use crate::function::Trigger;
use crate::ports::blobs::BlobStore;
use crate::ports::documents::DocumentStore;
use crate::ports::queues::Queues;
use crate::registry::Registry;
use crate::state::AppState;

pub use ledger::LEASES;

/// The queue that holds tickets which failed too often, named as the platform names it.
pub const POISON_BLOBS: &str = "webjobs-blobtrigger-poison";

/// The stores whose changes fire triggers.
#[derive(Clone)]
pub struct LocalStores {
    pub documents: Arc<dyn DocumentStore>,
    /// The shared database alone: what change-feed triggers are bound to, as on the platform.
    pub shared: Arc<dyn DocumentStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub queues: Arc<dyn Queues>,
    /// The embedded ones among them, which tell of their changes and must be cleaned.
    pub embedded: EmbeddedStores,
}

/// The stores of a process that live in its data directory.
#[derive(Clone, Default)]
pub struct EmbeddedStores {
    pub documents: Option<Arc<SqliteDocuments>>,
    pub databases: Option<Arc<SqliteDatabases>>,
    pub blobs: Option<Arc<DirectoryBlobs>>,
}

/// The local host of one process.
#[derive(Clone)]
pub struct LocalHost {
    state: AppState,
    registry: Arc<Registry>,
    stores: LocalStores,
}

impl LocalHost {
    pub fn new(state: AppState, registry: Arc<Registry>, stores: LocalStores) -> Self {
        Self { state, registry, stores }
    }

    /// Fires triggers until `stop` says so, then lets running invocations end.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let host = Arc::new(self);
        let mut loops = JoinSet::new();
        for index in 0..host.registry.functions().len() {
            let (host, stop) = (host.clone(), stop.clone());
            match &host.registry.functions()[index].trigger {
                Trigger::Http(_) => {}
                Trigger::Blob { .. } => {
                    loops.spawn(blobs::run(host, index, stop));
                }
                Trigger::Timer { .. } => {
                    loops.spawn(timers::run(host, index, stop));
                }
                Trigger::Queue { .. } => {
                    loops.spawn(queue::run(host, index, stop));
                }
                Trigger::ChangeFeed { .. } => {
                    loops.spawn(change_feed::run(host, index, stop));
                }
                Trigger::StorageEvents { .. } => {
                    loops.spawn(storage_events::run(host, index, stop));
                }
            }
        }
        loops.spawn(clean_up(host.stores.embedded.clone(), stop));
        while loops.join_next().await.is_some() {}
    }
}

/// Removes what has expired from the embedded stores, which Azure's services do by themselves.
async fn clean_up(embedded: EmbeddedStores, mut stop: watch::Receiver<bool>) {
    loop {
        if let Some(documents) = &embedded.documents {
            match documents.purge_expired(1000).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "expired documents removed"),
                Err(error) => tracing::warn!(%error, "expired documents not removed"),
            }
        }
        if let Some(databases) = &embedded.databases
            && let Err(error) = databases.purge_expired(1000).await
        {
            tracing::warn!(%error, "expired documents of dedicated databases not removed");
        }
        if let Some(blobs) = &embedded.blobs
            && let Err(error) = blobs.clean_up().await
        {
            tracing::warn!(%error, "unfinished uploads not removed");
        }
        if pause(&mut stop, std::time::Duration::from_secs(60)).await {
            return;
        }
    }
}

/// Waits; `true` when the host is to stop.
async fn pause(stop: &mut watch::Receiver<bool>, delay: std::time::Duration) -> bool {
    if *stop.borrow() {
        return true;
    }
    tokio::select! {
        () = tokio::time::sleep(delay) => *stop.borrow(),
        changed = stop.changed() => changed.is_err() || *stop.borrow(),
    }
}

/// How long to wait before the `attempt`th try again: 0.2 s, doubled each time, at most 30 s.
fn backoff(attempt: u32) -> std::time::Duration {
    std::time::Duration::from_millis(200 << attempt.min(8)).min(std::time::Duration::from_secs(30))
}

/// Ends at the next change that a store tells of; never, when it tells of none.
async fn changed<T>(told: &mut Option<watch::Receiver<T>>) {
    let Some(told) = told else { return std::future::pending().await };
    if told.changed().await.is_err() {
        std::future::pending().await
    }
}
