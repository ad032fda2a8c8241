//! Taking back what a customer once let us keep. All of it can be done again, also half-done.
//!
//! A job that runs meanwhile has asked for consent before it was withdrawn. It ends a sample only in the
//! version that it began with, so every sample that has not ended is written anew here: the job then fails,
//! comes again and asks again.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::model::{Interaction, Sample, Ticket};
use super::store;
use crate::containers::{CUSTOMERS, VOICE_RESULTS, VOICE_UPLOADS, customer};
use crate::error::{Code, Error, Result};
use crate::ports::blobs::BlobName;
use crate::ports::documents::{Document, Filter, PartitionKey, Query, Scope};
use crate::ports::{Condition, Continuation, Page, PortErrorKind};
use crate::services::accounts;
use crate::state::AppState;
use crate::types::{InteractionId, SampleId, TenantId, TierId, UserId};

const PAGE: usize = 100;
/// How often a change is put upon what others wrote meanwhile.
const TURNS: usize = 10;

/// Which of a customer's exchanges something is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    All,
    /// Those up to a moment, since which they may be kept again.
    Until(DateTime<Utc>),
}

impl Reach {
    fn covers(self, at: DateTime<Utc>) -> bool {
        match self {
            Self::All => true,
            Self::Until(end) => at <= end,
        }
    }
}

/// Takes the words and recordings from a customer's exchanges; gives how many held any.
pub async fn forget_words(state: &AppState, tenant: &TenantId, user: &UserId, reach: Reach) -> Result<usize> {
    let forget = |sample: &mut Sample| match sample.finished_at {
        Some(at) => {
            let kept = sample.kept && reach.covers(at);
            if kept {
                sample.forget_words();
            }
            kept
        }
        None => reach.covers(sample.created_at),
    };
    let silence = |interaction: &mut Interaction| {
        let held = interaction.query.is_some() || interaction.response.is_some() || interaction.training_allowed;
        let held = held && reach.covers(interaction.created_at);
        if held {
            interaction.forget_words();
        }
        held
    };
    let changed = change_samples(state, tenant, user, forget).await?;
    remove_unwanted_blobs(state, tenant, user).await?;
    Ok(changed + change_interactions(state, tenant, user, silence).await?)
}

/// Takes the permission to train from a customer's exchanges; gives how many had it.
pub async fn forget_training(state: &AppState, tenant: &TenantId, user: &UserId, reach: Reach) -> Result<usize> {
    let sample = |sample: &mut Sample| match sample.finished_at {
        Some(at) => reach.covers(at) && std::mem::take(&mut sample.training_allowed),
        None => reach.covers(sample.created_at),
    };
    let interaction = |interaction: &mut Interaction| {
        reach.covers(interaction.created_at) && std::mem::take(&mut interaction.training_allowed)
    };
    let changed = change_samples(state, tenant, user, sample).await?;
    Ok(changed + change_interactions(state, tenant, user, interaction).await?)
}

/// Takes from one exchange what is no longer permitted.
pub async fn forget_of(state: &AppState, partition: &PartitionKey, id: &InteractionId, words: bool) -> Result<()> {
    let change = |interaction: &mut Interaction| {
        match words {
            true => interaction.forget_words(),
            false => interaction.training_allowed = false,
        }
        true
    };
    change_interaction(state, partition, id.as_str(), &change).await.map(drop)
}

/// Changes every sample of a customer for which `change` says so; gives how many of those had ended.
async fn change_samples(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    change: impl Fn(&mut Sample) -> bool,
) -> Result<usize> {
    let partition = customer(tenant, user.as_str());
    let mut changed = 0;
    let mut continuation = None;
    loop {
        let page = page(state, &partition, Sample::KIND, continuation).await?;
        for document in page.items {
            let sample_id: SampleId = document.id.parse().map_err(Error::internal)?;
            let ticket = Ticket { tenant_id: tenant.clone(), user_id: user.clone(), sample_id };
            changed += usize::from(change_sample(state, &ticket, &change).await?);
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(changed);
        }
    }
}

async fn change_sample(state: &AppState, ticket: &Ticket, change: &impl Fn(&mut Sample) -> bool) -> Result<bool> {
    for _ in 0..TURNS {
        let Some((mut sample, etag)) = store::sample(state.documents.as_ref(), ticket).await? else {
            return Ok(false);
        };
        if !change(&mut sample) {
            return Ok(false);
        }
        match store::sample_rewrite(state.documents.as_ref(), ticket, &sample, etag, state.clock.now()).await {
            Ok(_) => return Ok(sample.status.is_final()),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(restless())
}

async fn change_interactions(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    change: impl Fn(&mut Interaction) -> bool,
) -> Result<usize> {
    let partition = customer(tenant, user.as_str());
    let mut changed = 0;
    let mut continuation = None;
    loop {
        let page = page(state, &partition, Interaction::KIND, continuation).await?;
        for document in page.items {
            // Most have nothing to take, which needs no second look.
            if change(&mut document.read::<Interaction>()?) {
                changed += usize::from(change_interaction(state, &partition, &document.id, &change).await?);
            }
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(changed);
        }
    }
}

async fn change_interaction(
    state: &AppState,
    partition: &PartitionKey,
    id: &str,
    change: &impl Fn(&mut Interaction) -> bool,
) -> Result<bool> {
    for _ in 0..TURNS {
        let Some(found) = state.documents.read(&CUSTOMERS, partition, id).await? else { return Ok(false) };
        let mut interaction: Interaction = found.read()?;
        if !change(&mut interaction) {
            return Ok(false);
        }
        let kept = retention_now(state, partition).await?;
        match store::interaction_rewrite(state, partition, &interaction, kept, found.etag).await {
            Ok(()) => return Ok(true),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(restless())
}

/// How long words are kept in this partition, by the tier that its customer has now: in seconds.
async fn retention_now(state: &AppState, partition: &PartitionKey) -> Result<u32> {
    let [tenant, owner] = partition.0.as_slice() else { return Ok(0) };
    let (Ok(tenant), Ok(user)) = (tenant.parse::<TenantId>(), owner.parse::<UserId>()) else { return Ok(0) };
    let tier = accounts::user(state, &tenant, &user).await?.map_or(TierId::FREE, |user| user.tier);
    Ok(store::retention(state, &tenant, &tier).await)
}

fn restless() -> Error {
    Error::new(Code::Unavailable, "an exchange changes too often at this moment")
}

/// Removes a customer's recordings and renditions but those of kept samples, and the recordings of samples
/// that are still to be worked.
async fn remove_unwanted_blobs(state: &AppState, tenant: &TenantId, user: &UserId) -> Result<()> {
    let prefix = format!("{tenant}/{user}/");
    for container in [VOICE_UPLOADS, VOICE_RESULTS] {
        let mut continuation = None;
        loop {
            let page = state.blobs.list(container, &prefix, PAGE, continuation).await?;
            for item in page.items {
                let sample = match Ticket::of_path(&item.path) {
                    Some(ticket) => store::sample(state.documents.as_ref(), &ticket).await?,
                    None => None,
                };
                let wanted = sample.is_some_and(|(sample, _)| match sample.status.is_final() {
                    true => sample.kept,
                    false => container == VOICE_UPLOADS,
                });
                if !wanted {
                    state.blobs.delete(&BlobName::new(container, item.path), Condition::None).await?;
                }
            }
            continuation = page.next;
            if continuation.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// The tickets of a customer's voice jobs, wherever they are.
///
/// # Errors
/// Those of the stores.
pub async fn remove_tickets(state: &AppState, tenant: &TenantId, user: &UserId) -> Result<usize> {
    let partition = customer(tenant, user.as_str());
    let mut removed = 0;
    let mut continuation = None;
    loop {
        let page = page(state, &partition, Sample::KIND, continuation).await?;
        for document in page.items {
            let sample_id: SampleId = document.id.parse().map_err(Error::internal)?;
            let ticket = Ticket { tenant_id: tenant.clone(), user_id: user.clone(), sample_id };
            removed += usize::from(state.blobs.delete(&ticket.blob(), Condition::None).await?);
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(removed);
        }
    }
}

async fn page(
    state: &AppState,
    partition: &PartitionKey,
    kind: &str,
    continuation: Option<Continuation>,
) -> Result<Page<Document>> {
    let query =
        Query { filters: vec![Filter::Equal("kind", json!(kind))], limit: PAGE, continuation, ..Query::default() };
    Ok(state.documents.query(&CUSTOMERS, Scope::Partition(partition), query).await?)
}
