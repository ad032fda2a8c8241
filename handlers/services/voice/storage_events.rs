//! What storage tells of recordings, so that the samples stay true. An event only says where to look: it may
//! come late, twice or never, in any order, and be forged; what is written is what lies there now.

use chrono::TimeDelta;

use super::model::{Status, Ticket};
use super::{retention, store};
use crate::containers::{VOICE_RESULTS, VOICE_UPLOADS};
use crate::error::Result;
use crate::function::{Function, Outcome, StorageEvent};
use crate::ports::PortErrorKind;
use crate::ports::blobs::BlobName;
use crate::state::AppState;
use crate::types::Service;

/// How long a client has to say that its upload is complete before the reconciling timer says it instead.
const COMPLETION_TIME: TimeDelta = TimeDelta::minutes(1);

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![Function::storage_events("VoiceStorageEvents", Service::Voice, told)]
}

async fn told(state: AppState, event: StorageEvent) -> Result<Outcome> {
    let container = match event.container.as_str() {
        VOICE_UPLOADS => VOICE_UPLOADS,
        VOICE_RESULTS => VOICE_RESULTS,
        other => return Ok(Outcome::of(format!("nobody follows {other}"))),
    };
    let Some(ticket) = Ticket::of_path(&event.path) else { return Ok(Outcome::of("no sample has such a blob")) };
    let name = BlobName::new(container, event.path);
    let Some((sample, _)) = store::sample(state.documents.as_ref(), &ticket).await? else {
        return Ok(Outcome::of(format!("{} was deleted", ticket.sample_id)));
    };
    if sample.status == Status::AwaitingUpload {
        return uploaded(&state, &ticket).await;
    }
    // Renditions are never in the archive, and each comes and goes with its recording.
    if name != ticket.upload() || sample.kept_recording().is_none() {
        return Ok(Outcome::of(format!("{} needs nothing", ticket.sample_id)));
    }
    let tier = state.blobs.properties(&name).await?.map(|found| found.tier);
    let changed = retention::note_place(state.documents.as_ref(), &name, tier, state.clock.now()).await?;
    let word = if changed { "is told" } else { "knows" };
    Ok(Outcome::of(format!("{} {word} that its recording is in {tier:?}", ticket.sample_id)))
}

/// Shortens the time to upload of a sample whose recording has arrived, so that the reconciling timer soon
/// works what its client never completes.
async fn uploaded(state: &AppState, ticket: &Ticket) -> Result<Outcome> {
    let Some((mut sample, etag)) = store::sample(state.documents.as_ref(), ticket).await? else {
        return Ok(Outcome::of("it was deleted"));
    };
    let soon = state.clock.now() + COMPLETION_TIME;
    let arrived = state.blobs.properties(&ticket.upload()).await?.is_some();
    if !arrived || sample.status != Status::AwaitingUpload || sample.upload_until <= soon {
        return Ok(Outcome::of(format!("{} needs nothing", ticket.sample_id)));
    }
    sample.upload_until = soon;
    match store::sample_replace(state.documents.as_ref(), ticket, &sample, etag).await {
        Ok(_) => Ok(Outcome::of(format!("{} has its recording", ticket.sample_id))),
        // Its client has just completed it, or it was deleted.
        Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {
            Ok(Outcome::of(format!("{} was faster", ticket.sample_id)))
        }
        Err(error) => Err(error.into()),
    }
}
