//! Recordings that are fetched from the archive: asked for by their owner, there after some hours.
//!
//! The sample is written first and storage is asked then, so a request that was acknowledged is not lost: the
//! timer asks again for what is still in the archive. It ends with the storage event, or with the timer.

use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use super::model::{Recording, RecordingStatus, Sample, Ticket};
use super::samples::{SampleView, location, no_sample, sample_view, ticket};
use super::{retention, store};
use crate::containers::CUSTOMERS;
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function, Outcome, TimerTick};
use crate::http::{Request, Response, json_with, no_store};
use crate::ports::PortErrorKind;
use crate::ports::blobs::AccessTier;
use crate::ports::documents::{Filter, Query, Scope};
use crate::state::AppState;
use crate::types::Service;

const PAGE: usize = 200;
/// How often the sample is changed upon what others wrote meanwhile.
const TURNS: usize = 5;
/// Seconds until it is worth asking again: the archive takes up to 15 hours.
const ASK_AGAIN: &str = "600";

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http(
            "VoiceSamplesRehydrate",
            Service::Voice,
            Method::POST,
            "v1/voice/samples/{id}/rehydrate",
            rehydrate,
        )
        .access(Access::SignedIn)
        .summary("Fetches the recording of a sample from the archive, which takes up to 15 hours; then it stays out for 7 days.")
        .answers::<SampleView>(
            StatusCode::ACCEPTED,
            "It is on its way, or there: see `recording.status`; follow `Operation-Location`.",
            json!({ "id": "smp_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "completed", "contentType": "audio/webm", "createdAt": "2026-01-15T06:30:00Z", "recording": { "status": "restoring", "tier": "archive", "url": null, "readableUntil": null } }),
        )
        .fails(&[Code::Conflict])
        .into(),
        Function::timer("VoiceSamplesRestored", Service::Voice, "0 5-59/10 * * * *", look),
    ]
}

async fn rehydrate(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let sample = ask(&state, &ticket).await?;
    let id = sample.id.clone();
    let view = sample_view(&state, &ticket, sample).await?;
    let mut response = no_store(json_with(StatusCode::ACCEPTED, &view)?);
    response.headers_mut().insert("operation-location", location(&id)?);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(ASK_AGAIN));
    Ok(response)
}

/// Asks for a recording, if it is in the archive; gives the sample as it then is.
async fn ask(state: &AppState, ticket: &Ticket) -> Result<Sample> {
    for _ in 0..TURNS {
        let (mut sample, etag) = store::sample(state.documents.as_ref(), ticket).await?.ok_or_else(no_sample)?;
        let Some(recording) = sample.kept_recording() else {
            return Err(Error::new(Code::Conflict, "The recording of this sample was not kept."));
        };
        if recording.status == RecordingStatus::Deleted {
            return Err(Error::new(Code::Conflict, "The recording was deleted when its time was over."));
        }
        if recording.status == RecordingStatus::Restoring {
            return Ok(sample);
        }
        let now = state.clock.now();
        let tier = state.blobs.properties(&ticket.upload()).await?.map(|found| found.tier);
        if tier != Some(AccessTier::Archive) {
            // It can be had at once, or is gone: the sample had not heard of it.
            if !retention::note_place(state.documents.as_ref(), &ticket.upload(), tier, now).await? {
                return Ok(sample);
            }
            continue;
        }
        sample.recording = Some(Recording {
            status: RecordingStatus::Restoring,
            tier: AccessTier::Archive,
            restore_requested_at: Some(now),
            ..recording
        });
        match store::sample_rewrite(state.documents.as_ref(), ticket, &sample, etag, now).await {
            Ok(_) => {
                fetch(state, ticket).await?;
                return Ok(sample);
            }
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::new(Code::Unavailable, "The sample changes too often at this moment; please try again."))
}

/// Asks storage, once or again.
async fn fetch(state: &AppState, ticket: &Ticket) -> Result<()> {
    match state.blobs.set_tier(&ticket.upload(), AccessTier::Hot).await {
        Ok(()) => Ok(()),
        // It was asked already, or the blob went; the timer writes down what is there.
        Err(error) if matches!(error.kind(), PortErrorKind::Conflict | PortErrorKind::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Looks after every recording that is on its way.
async fn look(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let filters = vec![
        Filter::Equal("kind", json!(Sample::KIND)),
        Filter::Equal("recording.status", json!(RecordingStatus::Restoring)),
    ];
    let (mut arrived, mut waiting) = (0, 0);
    let mut continuation = None;
    loop {
        let query = Query { filters: filters.clone(), limit: PAGE, continuation, ..Query::default() };
        let page = state.documents.query(&CUSTOMERS, Scope::Container, query).await?;
        for document in &page.items {
            let [tenant, user] = document.partition.0.as_slice() else { continue };
            let Some(ticket) = Ticket::of_path(&format!("{tenant}/{user}/{}", document.id)) else { continue };
            let upload = ticket.upload();
            let tier = state.blobs.properties(&upload).await?.map(|found| found.tier);
            if tier == Some(AccessTier::Archive) {
                fetch(&state, &ticket).await?;
                waiting += 1;
            } else {
                retention::note_place(state.documents.as_ref(), &upload, tier, state.clock.now()).await?;
                arrived += 1;
            }
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(Outcome::of(format!("{arrived} recordings are out of the archive, {waiting} on their way")));
        }
    }
}
