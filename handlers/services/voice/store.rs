//! Samples and interactions in documents.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::model::{Interaction, Reason, Sample, Status, Ticket};
use super::permissions::Permissions;
use super::usage::{self, Metered};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::identity::Caller;
use crate::ports::documents::{BatchError, Document, DocumentStore, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind, PortResult};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, TenantId, TierId, UserId};

const DAY: u32 = 86_400;
/// What has not ended, which the reconciling timer ends long before; and the longest that anything is kept.
const UNFINISHED: u32 = 730 * DAY;
/// Results without consent: long enough to be fetched.
const NOT_KEPT: u32 = DAY;
/// Interactions without consent, which hold no words of the shopper.
const WORDLESS: u32 = 30 * DAY;

/// How often what is counted is put upon what others counted meanwhile, with pauses that grow by this.
const TURNS: u32 = 20;
const TURN_PAUSE: Duration = Duration::from_millis(5);

/// How long recordings and what was said in them are kept, with consent, for an owner on a tier: in seconds.
pub async fn retention(state: &AppState, tenant: &TenantId, tier: &TierId) -> u32 {
    state.tiers.tier(tenant, tier).await.retention_days * DAY
}

/// How long a sample lives from its last write.
fn lifetime(sample: &Sample) -> Ttl {
    let (Some(ended), Some(expires)) = (sample.finished_at, sample.expires_at) else {
        return Ttl::Seconds(if sample.status.is_final() && !sample.kept { NOT_KEPT } else { UNFINISHED });
    };
    Ttl::Seconds(u32::try_from((expires - ended).num_seconds()).unwrap_or(NOT_KEPT).max(1))
}

/// What is left at `now` of a lifetime that began at `since`: writing something anew does not keep it longer.
fn rest(lifetime: u32, since: DateTime<Utc>, now: DateTime<Utc>) -> Ttl {
    let left = i64::from(lifetime) - (now - since).num_seconds();
    Ttl::Seconds(u32::try_from(left.max(1)).unwrap_or(lifetime).min(lifetime))
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

/// Replaces a version of a sample as [`sample_replace`] does; one that has ended goes when it would have
/// gone.
pub async fn sample_rewrite(
    documents: &dyn DocumentStore,
    ticket: &Ticket,
    sample: &Sample,
    etag: ETag,
    now: DateTime<Utc>,
) -> PortResult<ETag> {
    let mut document = document(sample)?;
    if let (Ttl::Seconds(lifetime), Some(ended)) = (document.ttl, sample.finished_at) {
        document.ttl = rest(lifetime, ended, now);
    }
    let written = documents.replace(&CUSTOMERS, &partition(ticket), document, Condition::IfMatch(etag)).await?;
    Ok(written.etag)
}

/// Deletes a sample. The port's error tells of a lost race.
pub async fn sample_delete(documents: &dyn DocumentStore, ticket: &Ticket, condition: Condition) -> PortResult<()> {
    documents.delete(&CUSTOMERS, &partition(ticket), ticket.sample_id.as_str(), condition).await
}

/// Replaces a version of an interaction, which goes when it would have gone: `kept` seconds after it was, when
/// it holds words. The port's error tells of a lost race.
pub async fn interaction_rewrite(
    state: &AppState,
    partition: &PartitionKey,
    interaction: &Interaction,
    kept: u32,
    etag: ETag,
) -> PortResult<()> {
    let mut document = interaction_document(interaction, kept)?;
    if let Ttl::Seconds(lifetime) = document.ttl {
        document.ttl = rest(lifetime, interaction.created_at, state.clock.now());
    }
    state.documents.replace(&CUSTOMERS, partition, document, Condition::IfMatch(etag)).await.map(drop)
}

/// Writes the end of a sample: the sample, its interaction if there is one, and the event, all or
/// nothing, and with it what is counted of the owner's quota.
pub async fn sample_finish(
    state: &AppState,
    ticket: &Ticket,
    sample: &Sample,
    etag: ETag,
    interaction: Option<&Interaction>,
    metered: Option<&Metered>,
    permissions: Permissions,
) -> Result<Result<(), BatchError>> {
    let mut operations = vec![Operation::Replace(document(sample)?, Condition::IfMatch(etag))];
    if let Some(interaction) = interaction {
        let kept = retention(state, &ticket.tenant_id, &sample.tier).await;
        operations.push(Operation::Upsert(interaction_document(interaction, kept)?));
    }
    let kind = match sample.status {
        Status::Completed => "voice.sample.completed",
        Status::Rejected => "voice.sample.rejected",
        _ => "voice.sample.failed",
    };
    let event_id = EventId::twin_of(sample.id.as_str()).map_err(Error::internal)?;
    let owner = Some(&ticket.user_id).filter(|_| permissions.analytics);
    let data = event_data(sample.reason.as_ref(), interaction, owner);
    let at = sample.finished_at.unwrap_or_else(Utc::now);
    operations.push(outbox::put(event_id, kind, &ticket.tenant_id, sample.id.as_str(), at, data)?);
    write_counted(state, &ticket.tenant_id, &ticket.user_id, operations, metered, at).await
}

/// Writes operations of a customer and counts a recording, all or nothing. Inner errors are those of the
/// operations; when others count at the same moment, it is put upon theirs.
async fn write_counted(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    operations: Vec<Operation>,
    metered: Option<&Metered>,
    at: DateTime<Utc>,
) -> Result<Result<(), BatchError>> {
    let partition = customer(tenant, user.as_str());
    for turn in 0..TURNS {
        let mut batch = operations.clone();
        if let Some(metered) = metered {
            batch.push(usage::count(state, tenant, user, metered, at).await?);
        }
        match state.documents.batch(&CUSTOMERS, &partition, batch).await {
            Ok(_) => return Ok(Ok(())),
            Err(error)
                if error.index == operations.len()
                    && matches!(
                        error.error.kind(),
                        PortErrorKind::PreconditionFailed | PortErrorKind::Conflict | PortErrorKind::NotFound
                    ) =>
            {
                tokio::time::sleep(TURN_PAUSE * turn).await;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Err(Error::new(Code::Unavailable, "Too many recordings of this account end at once; please try again."))
}

/// Counts a recording that left nothing else.
pub async fn count_alone(state: &AppState, tenant: &TenantId, user: &UserId, metered: &Metered) -> Result<()> {
    let counted = write_counted(state, tenant, user, Vec::new(), Some(metered), state.clock.now()).await?;
    counted.map_err(|error| error.error.into())
}

/// Writes an interaction that has no sample, with its event; for a customer it also counts the recording that
/// it came of.
pub async fn interaction_create(
    state: &AppState,
    caller: &Caller,
    interaction: &Interaction,
    metered: Option<&Metered>,
    permissions: Permissions,
) -> Result<()> {
    let kept = match caller.principal() {
        Some(principal) => retention(state, &principal.tenant, &principal.tier).await,
        None => WORDLESS,
    };
    let named = caller.principal().map(|principal| &principal.user).filter(|_| permissions.analytics);
    let owner = caller.principal().map_or(interaction.id.as_str(), |principal| principal.user.as_str());
    let event_id = EventId::twin_of(interaction.id.as_str()).map_err(Error::internal)?;
    let operations = vec![
        Operation::Create(interaction_document(interaction, kept)?),
        outbox::put(
            event_id,
            "voice.interaction",
            caller.tenant(),
            interaction.id.as_str(),
            interaction.created_at,
            event_data(None, Some(interaction), named),
        )?,
    ];
    if let Some(principal) = caller.principal() {
        let (tenant, user) = (&principal.tenant, &principal.user);
        let written = write_counted(state, tenant, user, operations, metered, interaction.created_at).await?;
        return written.map_err(|error| error.error.into());
    }
    let partition = customer(caller.tenant(), owner);
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(())
}

/// `kept` is how long what was said lives, in seconds.
fn interaction_document(interaction: &Interaction, kept: u32) -> PortResult<NewDocument> {
    let lifetime = if interaction.query.is_some() { kept } else { WORDLESS };
    Ok(NewDocument::new(interaction.id.as_str(), interaction)?.with_ttl(Ttl::Seconds(lifetime)))
}

/// What an event tells: figures and kinds, none of the shopper's words; `owner` only with consent to
/// analytics.
fn event_data(reason: Option<&Reason>, interaction: Option<&Interaction>, owner: Option<&UserId>) -> serde_json::Value {
    let mut data = serde_json::Map::new();
    if let Some(owner) = owner {
        data.insert("userId".into(), owner.as_str().into());
    }
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
