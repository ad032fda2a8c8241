//! Samples and interactions in documents.

use chrono::{DateTime, Utc};

use super::model::{Interaction, Reason, Sample, Status, Ticket};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::ports::documents::{BatchError, Document, DocumentStore, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortResult};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::EventId;

const DAY: u32 = 86_400;
/// Recordings and what was made of them, with consent.
const KEPT: u32 = 730 * DAY;
/// Results without consent: long enough to be fetched.
const NOT_KEPT: u32 = DAY;
/// Interactions without consent, which hold no words of the shopper.
const WORDLESS: u32 = 30 * DAY;

/// How long a sample lives from its last write.
fn lifetime(sample: &Sample) -> Ttl {
    let kept = sample.status == Status::Completed && sample.kept;
    // What has not ended yet is ended by the reconciling timer long before.
    Ttl::Seconds(if kept || !sample.status.is_final() { KEPT } else { NOT_KEPT })
}

fn partition(ticket: &Ticket) -> PartitionKey {
    customer(&ticket.tenant_id, ticket.user_id.as_str())
}

fn document(sample: &Sample) -> PortResult<NewDocument> {
    Ok(NewDocument::new(sample.id.as_str(), sample)?.with_ttl(lifetime(sample)))
}

/// The sample of a ticket with its version, or `None`. One point read.
pub async fn sample(documents: &dyn DocumentStore, ticket: &Ticket) -> Result<Option<(Sample, ETag)>> {
    let found = documents.read(&CUSTOMERS, &partition(ticket), ticket.sample_id.as_str()).await?;
    found.map(|found: Document| Ok((found.read()?, found.etag))).transpose()
}

pub async fn sample_create(documents: &dyn DocumentStore, ticket: &Ticket, sample: &Sample) -> Result<()> {
    documents.create(&CUSTOMERS, &partition(ticket), document(sample)?).await?;
    Ok(())
}

/// Replaces a version of a sample. The port's error tells of a lost race.
pub async fn sample_replace(
    documents: &dyn DocumentStore,
    ticket: &Ticket,
    sample: &Sample,
    etag: ETag,
) -> PortResult<ETag> {
    let written =
        documents.replace(&CUSTOMERS, &partition(ticket), document(sample)?, Condition::IfMatch(etag)).await?;
    Ok(written.etag)
}

/// Replaces a version of an ended sample without making it live longer than it would have.
pub async fn sample_rewrite(
    documents: &dyn DocumentStore,
    ticket: &Ticket,
    sample: &Sample,
    etag: ETag,
    now: DateTime<Utc>,
) -> PortResult<ETag> {
    let lived = sample.finished_at.map_or(0, |finished| (now - finished).num_seconds());
    let Ttl::Seconds(whole) = lifetime(sample) else { return sample_replace(documents, ticket, sample, etag).await };
    // What lives shorter than before, such as a sample without consent, lives that long from now.
    let left = if whole == KEPT { (i64::from(KEPT) - lived).clamp(1, i64::from(KEPT)) } else { i64::from(whole) };
    let document = NewDocument::new(sample.id.as_str(), sample)?;
    let document = document.with_ttl(Ttl::Seconds(u32::try_from(left).unwrap_or(KEPT)));
    Ok(documents.replace(&CUSTOMERS, &partition(ticket), document, Condition::IfMatch(etag)).await?.etag)
}

/// Deletes a sample. The port's error tells of a lost race.
pub async fn sample_delete(documents: &dyn DocumentStore, ticket: &Ticket, condition: Condition) -> PortResult<()> {
    documents.delete(&CUSTOMERS, &partition(ticket), ticket.sample_id.as_str(), condition).await
}

/// Writes the end of a sample: the sample, its interaction if there is one, and the event, all or
/// nothing.
pub async fn sample_finish(
    state: &AppState,
    ticket: &Ticket,
    sample: &Sample,
    etag: ETag,
    interaction: Option<&Interaction>,
) -> Result<Result<(), BatchError>> {
    let mut operations = vec![Operation::Replace(document(sample)?, Condition::IfMatch(etag))];
    if let Some(interaction) = interaction {
        operations.push(Operation::Upsert(interaction_document(interaction)?));
    }
    let kind = match sample.status {
        Status::Completed => "voice.sample.completed",
        Status::Rejected => "voice.sample.rejected",
        _ => "voice.sample.failed",
    };
    let event_id = EventId::twin_of(sample.id.as_str()).map_err(Error::internal)?;
    let data = event_data(sample.reason.as_ref(), interaction);
    let at = sample.finished_at.unwrap_or_else(Utc::now);
    operations.push(outbox::put(event_id, kind, &ticket.tenant_id, sample.id.as_str(), at, data)?);
    Ok(state.documents.batch(&CUSTOMERS, &partition(ticket), operations).await.map(|_| ()))
}

/// Writes an interaction that has no sample, with its event.
pub async fn interaction_create(state: &AppState, caller: &Caller, interaction: &Interaction) -> Result<()> {
    let owner = caller.principal().map_or(interaction.id.as_str(), |principal| principal.user.as_str());
    let event_id = EventId::twin_of(interaction.id.as_str()).map_err(Error::internal)?;
    let operations = vec![
        Operation::Create(interaction_document(interaction)?),
        outbox::put(
            event_id,
            "voice.interaction",
            caller.tenant(),
            interaction.id.as_str(),
            interaction.created_at,
            event_data(None, Some(interaction)),
        )?,
    ];
    let partition = customer(caller.tenant(), owner);
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(())
}

fn interaction_document(interaction: &Interaction) -> PortResult<NewDocument> {
    let lifetime = if interaction.query.is_some() { KEPT } else { WORDLESS };
    Ok(NewDocument::new(interaction.id.as_str(), interaction)?.with_ttl(Ttl::Seconds(lifetime)))
}

/// What an event tells: figures and kinds, none of the shopper's words.
fn event_data(reason: Option<&Reason>, interaction: Option<&Interaction>) -> serde_json::Value {
    let mut data = serde_json::Map::new();
    if let Some(reason) = reason {
        data.insert("reason".into(), reason.code.clone().into());
    }
    if let Some(interaction) = interaction {
        data.insert("interactionId".into(), interaction.id.as_str().into());
        data.insert("channel".into(), interaction.channel.clone().into());
        data.insert("intent".into(), interaction.intent.clone().into());
        data.insert("language".into(), interaction.language.tag().into());
        data.insert("confidence".into(), interaction.confidence.into());
        data.insert("total".into(), interaction.total.into());
        data.insert("success".into(), interaction.success.into());
        data.insert("engine".into(), interaction.engine.clone().into());
        data.insert("audioMs".into(), interaction.audio_ms.into());
    }
    data.into()
}
