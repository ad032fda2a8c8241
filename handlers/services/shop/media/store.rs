//! How far pictures are, in documents.

use serde_json::json;

use super::model::{KIND, Picture, PictureStatus, PictureTicket, documents_of};
use crate::containers::CATALOGUE;
use crate::error::{Error, Result};
use crate::ports::documents::{
    BatchError, Document, DocumentStore, Filter, NewDocument, Operation, PartitionKey, Query, Scope, Ttl,
};
use crate::ports::{Condition, ETag, PortResult};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, ProductId, TenantId};

const DAY: u32 = 86_400;
/// How long it is told why a picture was refused.
const REFUSED: u32 = 7 * DAY;
/// Documents of a product's pictures at most, refused ones among them; more are not announced.
pub const MOST_DOCUMENTS: usize = 100;

fn partition(tenant: &TenantId) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), KIND])
}

fn document(ticket: &PictureTicket, picture: &Picture) -> PortResult<NewDocument> {
    let refused = matches!(picture.status, PictureStatus::Rejected | PictureStatus::Failed);
    let ttl = if refused { Ttl::Seconds(REFUSED) } else { Ttl::Never };
    Ok(NewDocument::new(ticket.document(), picture)?.with_ttl(ttl))
}

/// The picture of a ticket with its version, or `None`. One point read.
pub async fn picture(documents: &dyn DocumentStore, ticket: &PictureTicket) -> Result<Option<(Picture, ETag)>> {
    let found = documents.read(&CATALOGUE, &partition(&ticket.tenant_id), &ticket.document()).await?;
    found.map(|found: Document| Ok((found.read()?, found.etag))).transpose()
}

/// The pictures of a product in every state, the oldest first; a little more than [`MOST_DOCUMENTS`] where several
/// were announced at once.
pub async fn pictures(documents: &dyn DocumentStore, tenant: &TenantId, product: &ProductId) -> Result<Vec<Picture>> {
    let mut found = Vec::new();
    let mut continuation = None;
    loop {
        let filters = vec![Filter::StartsWith("id", documents_of(product))];
        let query = Query { filters, limit: MOST_DOCUMENTS, continuation, ..Query::default() };
        let page = documents.query(&CATALOGUE, Scope::Partition(&partition(tenant)), query).await?;
        for document in &page.items {
            found.push(document.read()?);
        }
        continuation = page.next.filter(|_| found.len() < 2 * MOST_DOCUMENTS);
        if continuation.is_none() {
            return Ok(found);
        }
    }
}

pub async fn picture_create(documents: &dyn DocumentStore, ticket: &PictureTicket, picture: &Picture) -> Result<()> {
    documents.create(&CATALOGUE, &partition(&ticket.tenant_id), document(ticket, picture)?).await?;
    Ok(())
}

/// Replaces a version of a picture. The port's error tells of a lost race.
pub async fn picture_replace(
    documents: &dyn DocumentStore,
    ticket: &PictureTicket,
    picture: &Picture,
    etag: ETag,
) -> PortResult<ETag> {
    let document = document(ticket, picture)?;
    let partition = partition(&ticket.tenant_id);
    Ok(documents.replace(&CATALOGUE, &partition, document, Condition::IfMatch(etag)).await?.etag)
}

/// Writes the end of a picture and the event that tells of it, both or neither. Inner errors are those of the
/// operations.
pub async fn picture_finish(
    state: &AppState,
    ticket: &PictureTicket,
    picture: &Picture,
    etag: ETag,
) -> Result<Result<(), BatchError>> {
    let kind = match picture.status {
        PictureStatus::Ready => "picture.ready",
        PictureStatus::Rejected => "picture.rejected",
        _ => "picture.failed",
    };
    let event_id = EventId::twin_of(picture.media_id.as_str()).map_err(Error::internal)?;
    let reason = picture.reason.as_ref().map(|reason| &reason.code);
    let data = json!({ "mediaId": picture.media_id, "reason": reason });
    let at = picture.finished_at.unwrap_or_else(|| state.clock.now());
    let operations = vec![
        Operation::Replace(document(ticket, picture)?, Condition::IfMatch(etag)),
        outbox::put(event_id, kind, &ticket.tenant_id, ticket.product_id.as_str(), at, data)?,
    ];
    Ok(state.documents.batch(&CATALOGUE, &partition(&ticket.tenant_id), operations).await.map(drop))
}

/// Deletes a picture's document. The port's error tells that there is none.
pub async fn picture_delete(documents: &dyn DocumentStore, ticket: &PictureTicket) -> PortResult<()> {
    documents.delete(&CATALOGUE, &partition(&ticket.tenant_id), &ticket.document(), Condition::None).await
}
