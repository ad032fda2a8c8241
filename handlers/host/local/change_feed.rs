use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::ledger::Ledger;
use super::{LocalHost, backoff, changed, pause};
use crate::error::{Error, Result};
use crate::function::{DocumentsChanged, Trigger};
use crate::host::invoke::observed;
use crate::ports::documents::Document;

/// Documents an invocation gets at most (`maxItemsPerInvocation`).
const BATCH: usize = 100;
/// How often the feed is read when no notice comes (`feedPollDelay`).
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Runs one change-feed function. A batch that fails is tried again for ever: passing over it would
/// lose changes.
pub async fn run(host: Arc<LocalHost>, index: usize, mut stop: watch::Receiver<bool>) {
    let mut writes = host.stores.embedded.documents.as_ref().map(|documents| documents.writes());
    let mut failures = 0;
    loop {
        if let Some(writes) = &mut writes {
            writes.borrow_and_update();
        }
        match step(&host, index).await {
            Ok(0) => {
                failures = 0;
                tokio::select! {
                    () = changed(&mut writes) => {}
                    () = tokio::time::sleep(POLL_INTERVAL) => {}
                    told = stop.changed() => if told.is_err() { return },
                }
            }
            Ok(_) => failures = 0,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "changes not handed over; they come again");
                failures += 1;
                if pause(&mut stop, backoff(failures)).await {
                    return;
                }
            }
        }
        if *stop.borrow() {
            return;
        }
    }
}

/// Hands over the next batch of changes; gives their number.
async fn step(host: &LocalHost, index: usize) -> Result<usize> {
    let function = &host.registry.functions()[index];
    let Trigger::ChangeFeed { container, handler } = &function.trigger else { return Ok(0) };
    let ledger = Ledger::of(host.stores.documents.as_ref(), function.name);
    let page = host.stores.shared.changes(container, ledger.place().await?, BATCH).await?;
    let count = page.items.len();
    if count == 0 {
        return Ok(0);
    }
    let documents = page.items.iter().map(as_the_feed_shows_it).collect::<Result<_>>()?;
    observed(function, handler(host.state.clone(), DocumentsChanged { documents })).await?;
    if let Some(next) = page.next {
        ledger.keep_place(next).await?;
    }
    Ok(count)
}

/// A document with the system properties that Cosmos DB adds.
fn as_the_feed_shows_it(document: &Document) -> Result<Value> {
    let mut value: Value = serde_json::from_str(document.body.get()).map_err(Error::internal)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("_etag".into(), format!("\"{}\"", document.etag).into());
        fields.insert("_ts".into(), document.modified_at.timestamp().into());
    }
    Ok(value)
}
