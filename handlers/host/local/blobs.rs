use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::ledger::Ledger;
use super::{LocalHost, POISON_BLOBS, backoff};
use crate::error::{Code, Error, Result};
use crate::function::{BlobWritten, Function, Trigger};
use crate::host::invoke::observed;
use crate::ports::blobs::BlobName;

/// Blobs of one function that are worked at once, as `host.json` says.
const PARALLEL: usize = 4;
/// Failures after which a blob goes to the poison list (`poisonBlobThreshold`).
const MAX_FAILURES: u32 = 5;
/// A blob is handed over whole, so it must be small.
const MAX_BLOB: u64 = 8 * 1024 * 1024;
/// Blobs that are noted and not yet worked.
const MAX_WAITING: usize = 500;
/// How often the container is looked through for blobs that no notice told of.
const SCAN_INTERVAL: Duration = Duration::from_secs(2);

/// Runs one blob function: at once for blobs whose writing this process notices, and for all that a
/// scan finds.
pub async fn run(host: Arc<LocalHost>, index: usize, mut stop: watch::Receiver<bool>) {
    let Trigger::Blob { container, .. } = &host.registry.functions()[index].trigger else { return };
    let container = *container;
    let mut notices = host.stores.embedded.blobs.as_ref().map(|blobs| blobs.writes());
    let mut scan = tokio::time::interval(SCAN_INTERVAL);
    let mut running: JoinSet<String> = JoinSet::new();
    let mut waiting: VecDeque<String> = VecDeque::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        tokio::select! {
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { break },
            Some(done) = running.join_next(), if !running.is_empty() => {
                if let Ok(path) = done { busy.remove(&path); }
            }
            notice = next(&mut notices) => match notice {
                Ok(name) if name.container == container && waiting.len() < MAX_WAITING => {
                    waiting.push_back(name.path);
                }
                // What is not noted is found by the scan.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
            _ = scan.tick(), if waiting.is_empty() => match unsettled(&host, index, container).await {
                Ok(paths) => waiting = paths,
                Err(error) => tracing::warn!(error = %error.chain(), container, "container not scanned"),
            },
        }
        while running.len() < PARALLEL
            && let Some(path) = waiting.pop_front()
        {
            // One that is being worked is found again by the scan, should it have a new version.
            if !busy.insert(path.clone()) {
                continue;
            }
            let host = host.clone();
            running.spawn(async move {
                deliver(&host, index, container, &path).await;
                path
            });
        }
    }
    while running.join_next().await.is_some() {}
}

/// The next write that the store tells of; none ever, when it tells of none.
async fn next(notices: &mut Option<broadcast::Receiver<BlobName>>) -> Result<BlobName, RecvError> {
    match notices {
        Some(notices) => notices.recv().await,
        None => std::future::pending().await,
    }
}

/// The first page of blobs that have no settled receipt: settled ones are mostly deleted by their
/// handlers, so the page fills with work.
async fn unsettled(host: &LocalHost, index: usize, container: &'static str) -> Result<VecDeque<String>> {
    let ledger = Ledger::of(host.stores.documents.as_ref(), host.registry.functions()[index].name);
    let mut paths = VecDeque::new();
    let mut continuation = None;
    loop {
        let page = host.stores.blobs.list(container, "", 500, continuation).await?;
        for item in page.items {
            if !ledger.receipt(&item.path, &item.properties.etag).await?.settled {
                paths.push_back(item.path);
            }
        }
        continuation = page.next;
        if continuation.is_none() || paths.len() >= MAX_WAITING {
            return Ok(paths);
        }
    }
}

/// Runs the function for one blob until it is done or given up.
async fn deliver(host: &LocalHost, index: usize, container: &'static str, path: &str) {
    let function = &host.registry.functions()[index];
    let name = BlobName::new(container, path);
    for attempt in 0..MAX_FAILURES {
        match attempt_once(host, function, &name).await {
            Ok(Attempt::Settled) => return,
            Ok(Attempt::Failed) => tokio::time::sleep(backoff(attempt)).await,
            Err(error) => {
                tracing::warn!(function = function.name, error = %error.chain(), "blob not delivered; the scan finds it again");
                return;
            }
        }
    }
}

enum Attempt {
    Settled,
    Failed,
}

async fn attempt_once(host: &LocalHost, function: &Function, name: &BlobName) -> Result<Attempt> {
    let Trigger::Blob { handler, .. } = &function.trigger else { return Ok(Attempt::Settled) };
    let Some(found) = host.stores.blobs.get(name, None).await? else { return Ok(Attempt::Settled) };
    let etag = found.properties.etag.clone();
    let ledger = Ledger::of(host.stores.documents.as_ref(), function.name);
    let mut receipt = ledger.receipt(&name.path, &etag).await?;
    if receipt.settled {
        return Ok(Attempt::Settled);
    }
    let outcome = match content(found).await {
        Ok(content) => observed(function, handler(host.state.clone(), BlobWritten { content })).await,
        Err(error) => Err(error),
    };
    let gone = host.stores.blobs.properties(name).await?.is_none();
    match outcome {
        // A handler that deleted its blob needs no receipt.
        Ok(_) if gone => return Ok(Attempt::Settled),
        Ok(_) => receipt.settled = true,
        Err(_) => {
            receipt.failures += 1;
            if receipt.failures >= MAX_FAILURES {
                let message = json!({ "FunctionId": format!("Host.Functions.{}", function.name), "BlobType": "BlockBlob", "ContainerName": name.container, "BlobName": name.path, "ETag": etag.0 });
                host.stores.queues.send(POISON_BLOBS, vec![message.to_string()]).await?;
                receipt.settled = true;
                tracing::error!(function = function.name, blob = %name.path, "blob given up after too many failures");
            }
        }
    }
    ledger.keep_receipt(&name.path, &etag, &receipt).await?;
    Ok(if receipt.settled { Attempt::Settled } else { Attempt::Failed })
}

async fn content(found: crate::ports::blobs::BlobContent) -> Result<Bytes> {
    if found.properties.size > MAX_BLOB {
        return Err(Error::new(Code::PayloadTooLarge, "a blob that fires a trigger must be small"));
    }
    let mut stream = found.stream;
    let mut content = BytesMut::with_capacity(found.properties.size as usize);
    while let Some(chunk) = stream.next().await {
        content.extend_from_slice(&chunk?);
    }
    Ok(content.freeze())
}
