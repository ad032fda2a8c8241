//! The change feeds of dedicated databases. A change-feed trigger is bound to one database, the shared one;
//! those of the others are read by a timer, which hands their changes to the same handler.

use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::containers::TENANTS;
use crate::error::{Error, Result};
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::ports::documents::{Container, Document, Homes, NewDocument, PartitionKey};
use crate::ports::{Condition, Continuation, ETag, PortErrorKind};
use crate::state::AppState;
use crate::types::Service;

/// Between two runs of the timer: every 10 seconds.
const SCHEDULE: &str = "*/10 * * * * *";
/// Documents that are handed over at once, as a change-feed trigger does.
const BATCH: usize = 100;
/// Batches of one run; what is left comes with the next.
const BATCHES: usize = 50;

/// Where a function has read the feeds up to.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    kind: String,
    continuation: Continuation,
}

/// The timer function that reads the feed of `container` in all dedicated databases for `handler`, the handler
/// of a change-feed function. A batch that fails comes again, and so does one whose place was not kept.
pub fn pulled<F, Fut>(name: &'static str, service: Service, container: &'static Container, handler: F) -> Function
where
    F: Fn(AppState, DocumentsChanged) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Function::timer(name, service, SCHEDULE, move |state, _tick| pull(state, name, container, handler.clone()))
}

async fn pull<F, Fut>(
    state: AppState,
    name: &'static str,
    container: &'static Container,
    handler: Arc<F>,
) -> Result<Outcome>
where
    F: Fn(AppState, DocumentsChanged) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome>> + Send + 'static,
{
    if state.tenants.dedicated().await?.is_empty() {
        return Ok(Outcome::of("no dedicated databases"));
    }
    let (mut continuation, mut etag) = kept(&state, name).await?;
    let mut documents = 0;
    for _ in 0..BATCHES {
        let page = state.dedicated_feeds.dedicated_changes(container, continuation, BATCH).await?;
        if page.items.is_empty() {
            break;
        }
        documents += page.items.len();
        let changed = page.items.iter().map(as_the_feed_shows_it).collect::<Result<_>>()?;
        handler(state.clone(), DocumentsChanged { documents: changed }).await?;
        let Some(next) = page.next else { break };
        // Where another run was faster, it goes on.
        let Some(version) = keep(&state, name, next.clone(), etag).await? else { break };
        (continuation, etag) = (Some(next), Some(version));
    }
    Ok(Outcome::of(format!("{documents} changed documents of dedicated databases")))
}

fn place_id(name: &str) -> String {
    format!("feed-{name}")
}

async fn kept(state: &AppState, name: &str) -> Result<(Option<Continuation>, Option<ETag>)> {
    let id = place_id(name);
    let found = state.documents.read(&TENANTS, &PartitionKey::of([&id]), &id).await?;
    match found {
        Some(document) => Ok((Some(document.read::<Place>()?.continuation), Some(document.etag))),
        None => Ok((None, None)),
    }
}

/// Keeps the place, unless somebody else did since it was read.
async fn keep(state: &AppState, name: &str, continuation: Continuation, etag: Option<ETag>) -> Result<Option<ETag>> {
    let id = place_id(name);
    let document = NewDocument::new(id.as_str(), &Place { kind: "feedPlace".into(), continuation })?;
    let partition = PartitionKey::of([&id]);
    let written = match etag {
        Some(etag) => state.documents.replace(&TENANTS, &partition, document, Condition::IfMatch(etag)).await,
        None => state.documents.create(&TENANTS, &partition, document).await,
    };
    match written {
        Ok(document) => Ok(Some(document.etag)),
        Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A document with the system properties that a change-feed trigger shows.
fn as_the_feed_shows_it(document: &Document) -> Result<Value> {
    let mut value: Value = serde_json::from_str(document.body.get()).map_err(Error::internal)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("_etag".into(), format!("\"{}\"", document.etag).into());
        fields.insert("_ts".into(), document.modified_at.timestamp().into());
    }
    Ok(value)
}
