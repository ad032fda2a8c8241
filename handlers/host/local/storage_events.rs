use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::ledger::Ledger;
use super::{LocalHost, backoff, pause};
use crate::adapters::blobs::DirectoryBlobs;
use crate::adapters::blobs::directory::events::{BlobEvent, BlobEventKind};
use crate::error::Result;
use crate::function::{StorageEvent, StorageEventKind, Trigger};
use crate::host::invoke::observed;
use crate::ports::Continuation;

/// Events of one look.
const BATCH: usize = 100;
/// How often the store is asked; Event Grid takes about as long.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Deliveries after which an event is dropped (`maxDeliveryAttempts` of a subscription).
const MAX_DELIVERIES: u32 = 5;

/// Runs one function of storage events over the embedded store; other stores have the platform for it.
pub async fn run(host: Arc<LocalHost>, index: usize, mut stop: watch::Receiver<bool>) {
    let Some(blobs) = host.stores.embedded.blobs.clone() else { return };
    loop {
        let delivered = match step(&host, index, &blobs).await {
            Ok(delivered) => delivered,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "storage events not read; they come again");
                0
            }
        };
        let delay = if delivered == BATCH { Duration::ZERO } else { POLL_INTERVAL };
        if pause(&mut stop, delay).await {
            return;
        }
    }
}

/// Hands over the next events one after the other; gives their number. The place is kept after each look, so
/// what was handed over before a death comes again.
async fn step(host: &LocalHost, index: usize, blobs: &DirectoryBlobs) -> Result<usize> {
    let function = &host.registry.functions()[index];
    let Trigger::StorageEvents { handler } = &function.trigger else { return Ok(0) };
    let ledger = Ledger::of(host.stores.documents.as_ref(), function.name);
    let place = ledger.place().await?.and_then(|place| place.0.parse().ok()).unwrap_or(0);
    let events = blobs.events(place, BATCH).await?;
    for event in &events {
        for attempt in 1..=MAX_DELIVERIES {
            match observed(function, handler(host.state.clone(), told(event))).await {
                Ok(_) => break,
                Err(_) if attempt < MAX_DELIVERIES => tokio::time::sleep(backoff(attempt)).await,
                Err(_) => tracing::error!(function = function.name, path = event.path, "storage event given up"),
            }
        }
    }
    if let Some(last) = events.last() {
        ledger.keep_place(Continuation(last.sequence.to_string())).await?;
    }
    Ok(events.len())
}

fn told(event: &BlobEvent) -> StorageEvent {
    let kind = match event.kind {
        BlobEventKind::Created => StorageEventKind::Created,
        BlobEventKind::Deleted => StorageEventKind::Deleted,
        BlobEventKind::TierChanged => StorageEventKind::TierChanged,
    };
    StorageEvent { kind, container: event.container.clone(), path: event.path.clone() }
}
