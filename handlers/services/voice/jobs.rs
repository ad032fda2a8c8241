//! The voice job, fired by its ticket, and the timers that repair what nobody finished.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::conversation::Conversation;
use super::model::{Interaction, Reason, Recognition, Sample, Status, Ticket};
use super::permissions::Permissions;
use super::pipeline::{self, Recognised};
use super::source::BlobSource;
use super::store;
use super::usage::{self, Metered};
use crate::audio::{Analysis, Limits};
use crate::containers::CUSTOMERS;
use crate::error::{Code, Error, Result};
use crate::function::{BlobWritten, Function, Outcome, TimerTick};
use crate::ordering::cart::Done;
use crate::ports::blobs::{PutOptions, whole};
use crate::ports::documents::{Filter, Query, Scope};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::shop::answers::{self, Answer, Asker, Who};
use crate::services::shop::cart::{self, Owner};
use crate::state::AppState;
use crate::types::InteractionId;
use crate::types::Service;

/// Work on a sample begins at most this often: a recording that kills the process every time is given
/// up. One that was merely there when it died is not, see [`pause_before`].
const MAX_ATTEMPTS: u32 = 10;
/// Failures of the recogniser after which a sample completes without a transcript.
const MAX_RECOGNITION_ATTEMPTS: u32 = 3;
/// A sample that has been queued or worked for so long lost its ticket.
const STUCK: TimeDelta = TimeDelta::minutes(10);
const PAGE: usize = 200;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::blob("VoiceJobsRun", Service::Voice, crate::containers::VOICE_JOBS, run),
        Function::timer("VoiceSamplesReconcile", Service::Voice, "0 * * * * *", reconcile),
    ]
}

/// Works the sample that a ticket points at.
async fn run(state: AppState, blob: BlobWritten) -> Result<Outcome> {
    let ticket: Ticket = match serde_json::from_slice(&blob.content) {
        Ok(ticket) => ticket,
        // Nothing can be done for it, now or later.
        Err(error) => return Ok(Outcome::of(format!("not a ticket: {error}"))),
    };
    let Some((sample, etag)) = store::sample(state.documents.as_ref(), &ticket).await? else {
        remove_blobs(&state, &ticket).await?;
        return Ok(Outcome::of(format!("{} was deleted", ticket.sample_id)));
    };
    let sample = if sample.status.is_final() { Some(sample) } else { work(&state, &ticket, sample, etag).await? };
    let Some(sample) = sample else {
        return Ok(Outcome::of(format!("{} was deleted while it was worked", ticket.sample_id)));
    };
    settle(&state, &ticket, &sample).await?;
    Ok(Outcome::of(format!("{} is {:?}", sample.id, sample.status)))
}

/// Brings a sample to its end; gives it as it then is, also when another delivery was faster, or `None`
/// when it was deleted meanwhile.
pub(super) async fn work(state: &AppState, ticket: &Ticket, sample: Sample, etag: ETag) -> Result<Option<Sample>> {
    tokio::time::sleep(pause_before(sample.attempts)).await;
    let Some((mut sample, etag)) = begin(state, ticket, sample, etag).await? else {
        return outrun(state, ticket).await;
    };
    let used_up = usage::check(state, &ticket.tenant_id, &ticket.user_id, &sample.tier).await;
    let Listened { interaction, metered, permissions } = if sample.attempts > MAX_ATTEMPTS {
        let detail = "We could not process this recording. Please record again.";
        end(&mut sample, state, Status::Failed, Some(Reason { code: "gave_up".into(), detail: detail.into() }));
        Listened::default()
    } else if let Err(error) = used_up {
        if error.code() != Code::TooManyRequests {
            return Err(error);
        }
        let reason = Reason { code: "quota_used_up".into(), detail: error.detail().to_owned() };
        end(&mut sample, state, Status::Rejected, Some(reason));
        Listened::default()
    } else {
        listen(state, ticket, &mut sample).await?
    };
    match store::sample_finish(state, ticket, &sample, etag, interaction.as_ref(), metered.as_ref(), permissions)
        .await?
    {
        Ok(()) => {
            // Only now: a job that is done again must understand by the same context.
            if let Some(answer) = &sample.result {
                let conversation = Conversation::of_customer(state, &ticket.tenant_id, &ticket.user_id).await;
                conversation.go_on(state, answer, &sample.context).await;
            }
            Ok(Some(sample))
        }
        Err(error) if matches!(error.error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {
            outrun(state, ticket).await
        }
        Err(error) => Err(error.error.into()),
    }
}

/// How long to wait before work that has begun `attempts` times begins again: nothing at first, then
/// 0.4 s, doubled each time, at most 26 s. A recording that kills the process leaves it longer and longer
/// to the others; a process that dies for other reasons dies waiting, which is no attempt.
fn pause_before(attempts: u32) -> Duration {
    match attempts {
        0..MAX_RECOGNITION_ATTEMPTS => Duration::ZERO,
        more => Duration::from_millis(400 << (more - MAX_RECOGNITION_ATTEMPTS).min(6)),
    }
}

/// Marks a sample as being worked; `None` when someone else does so.
async fn begin(state: &AppState, ticket: &Ticket, sample: Sample, etag: ETag) -> Result<Option<(Sample, ETag)>> {
    let (mut sample, mut etag) = (sample, etag);
    loop {
        let was = sample.status;
        sample.status = Status::Processing;
        sample.attempts += 1;
        match store::sample_replace(state.documents.as_ref(), ticket, &sample, etag).await {
            Ok(etag) => return Ok(Some((sample, etag))),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        // The ticket is written before the sample is queued, so a fast job begins in between; and the news that
        // the recording has arrived may be written then. Neither is somebody else's work, and both end.
        match store::sample(state.documents.as_ref(), ticket).await? {
            Some((waiting, version))
                if was == Status::AwaitingUpload
                    && matches!(waiting.status, Status::AwaitingUpload | Status::Queued) =>
            {
                (sample, etag) = (waiting, version);
            }
            _ => return Ok(None),
        }
    }
}

/// What became of a sample that someone else wrote meanwhile.
async fn outrun(state: &AppState, ticket: &Ticket) -> Result<Option<Sample>> {
    match store::sample(state.documents.as_ref(), ticket).await? {
        Some((sample, _)) if sample.status.is_final() => Ok(Some(sample)),
        // Another delivery is at work: this ticket comes again.
        Some(_) => Err(Error::new(crate::error::Code::RequestInProgress, "the sample is being worked elsewhere")
            .with_retry_after(Duration::from_secs(1))),
        // The shopper deleted it, perhaps before the rendition was written: nothing of it may stay.
        None => {
            remove_blobs(state, ticket).await?;
            Ok(None)
        }
    }
}

/// What comes of a recording besides the sample's end.
#[derive(Default)]
struct Listened {
    interaction: Option<Interaction>,
    /// What counts of the quota; nothing where we failed, or the recording did.
    metered: Option<Metered>,
    /// What the customer permits.
    permissions: Permissions,
}

/// Listens to the recording and sets the sample's end.
async fn listen(state: &AppState, ticket: &Ticket, sample: &mut Sample) -> Result<Listened> {
    let Some(source) = BlobSource::open(state.blobs.clone(), ticket.upload()).await? else {
        let detail = "No recording was uploaded in time. Please record again.";
        end(sample, state, Status::Rejected, Some(Reason { code: "not_uploaded".into(), detail: detail.into() }));
        return Ok(Listened::default());
    };
    let tier = state.tiers.tier(&ticket.tenant_id, &sample.tier).await;
    let limits = Limits { max_bytes: tier.upload_bytes, ..Limits::default() };
    let analysis = match pipeline::analyse(state, source, limits).await? {
        Ok(analysis) => analysis,
        Err(rejection) => {
            tracing::info!(sample_id = %sample.id, code = rejection.code(), detail = rejection.detail(), "recording rejected");
            let reason = Reason { code: rejection.code().into(), detail: rejection.to_string() };
            end(sample, state, Status::Rejected, Some(reason));
            return Ok(Listened::default());
        }
    };
    let Analysis { measurements, quality, waveform, speech, rendition, .. } = analysis;
    let mut counts = true;
    let recognition = match pipeline::recognise(state, speech, sample.language).await {
        Recognised::Done(recognition) => recognition,
        Recognised::Busy(error) => return Err(error),
        Recognised::Failed(error) if sample.attempts < MAX_RECOGNITION_ATTEMPTS => return Err(error),
        Recognised::Failed(error) => {
            tracing::error!(sample_id = %sample.id, error = %error.chain(), "recogniser given up");
            counts = false;
            unrecognised(state, sample)
        }
    };
    // Asked only now, when the sample is marked as being worked: who withdraws later writes it anew, and what
    // is ended here counts no more.
    let permissions = Permissions::of(state, &ticket.tenant_id, &ticket.user_id).await?.unwrap_or_default();
    let consent = permissions.storage;
    if consent {
        let options =
            PutOptions { content_type: Some(crate::audio::rendition::MEDIA_TYPE.into()), ..PutOptions::default() };
        state.blobs.put(&ticket.rendition(), whole(rendition), options).await?;
    }
    let answer = match &recognition.transcript {
        Some(transcript) => {
            let utterance = recognition.utterance(transcript, &sample.context, sample.language);
            let tenant = &ticket.tenant_id;
            let asker = Asker { tenant, who: Who::Customer(&ticket.user_id) };
            let owner = Owner::Customer { tenant: tenant.clone(), user: ticket.user_id.clone() };
            let known = cart::known(state, tenant, &owner, &utterance).await?;
            let answer = match consent {
                true => answers::answer(state, asker, utterance, known).await?,
                false => answers::answer_unquoted(state, asker, utterance, known).await?,
            };
            Some(match sample.apply {
                // Once for the sample, however often it is worked.
                true => {
                    let once = Done { key: sample.id.to_string(), content: String::new() };
                    cart::apply(state, tenant, owner, Some(&once), answer).await?
                }
                false => answer,
            })
        }
        None => None,
    };
    let interaction = answer
        .as_ref()
        .map(|answer| interaction(state, sample, &recognition, answer, measurements.duration_ms, permissions))
        .transpose()?;
    let metered = counts.then(|| Metered { engine: recognition.engine.clone(), audio_ms: measurements.duration_ms });
    sample.kept = consent;
    sample.training_allowed = permissions.training;
    sample.result =
        answer.map(|answer| answer.for_interaction(interaction.as_ref().map(|interaction| &interaction.id), consent));
    sample.measurements = Some(measurements);
    sample.quality = Some(quality);
    sample.waveform = Some(waveform);
    sample.recognition = Some(if consent { recognition } else { recognition.without_words() });
    end(sample, state, Status::Completed, None);
    if consent {
        let kept = store::retention(state, &ticket.tenant_id, &sample.tier).await;
        sample.expires_at = Some(state.clock.now() + TimeDelta::seconds(i64::from(kept)));
    }
    Ok(Listened { interaction, metered, permissions })
}

fn end(sample: &mut Sample, state: &AppState, status: Status, reason: Option<Reason>) {
    sample.status = status;
    sample.reason = reason;
    let now = state.clock.now();
    sample.finished_at = Some(now);
    // Long enough to be fetched.
    sample.expires_at = Some(now + TimeDelta::days(1));
    // What the client sent along has served its purpose.
    sample.context = Default::default();
}

fn unrecognised(state: &AppState, sample: &Sample) -> Recognition {
    Recognition {
        engine: state.speech.recogniser().engine,
        transcript: None,
        language: sample.language.unwrap_or_default(),
        confidence: 0.0,
        segments: Vec::new(),
        problem: Some("The speech recogniser failed. Please try again, or type.".into()),
    }
}

fn interaction(
    state: &AppState,
    sample: &Sample,
    recognition: &Recognition,
    answer: &Answer,
    audio_ms: u64,
    permissions: Permissions,
) -> Result<Interaction> {
    let consent = permissions.storage;
    Ok(Interaction {
        kind: Interaction::KIND.into(),
        id: InteractionId::twin_of(sample.id.as_str()).map_err(Error::internal)?,
        channel: "sample".into(),
        sample_id: Some(sample.id.clone()),
        created_at: state.clock.now(),
        query: recognition.transcript.clone().filter(|_| consent),
        response: consent.then(|| answer.text.clone()),
        training_allowed: permissions.training,
        language: answer.language,
        intent: answer.intent_name(),
        confidence: answer.confidence,
        total: answer.total,
        success: answer.is_understood(),
        assisted: answer.assisted,
        engine: Some(recognition.engine.clone()),
        audio_ms: Some(audio_ms),
    })
}

/// Removes what an ended sample leaves behind: the recording unless it is kept, then the ticket, whose
/// presence until then makes sure that this is done.
async fn settle(state: &AppState, ticket: &Ticket, sample: &Sample) -> Result<()> {
    if sample.status == Status::Completed && sample.kept {
        state.blobs.delete(&ticket.blob(), Condition::None).await?;
        return Ok(());
    }
    remove_blobs(state, ticket).await
}

/// Removes everything in storage that belongs to a sample, the ticket last.
pub(super) async fn remove_blobs(state: &AppState, ticket: &Ticket) -> Result<()> {
    for name in [ticket.upload(), ticket.rendition(), ticket.blob()] {
        state.blobs.delete(&name, Condition::None).await?;
    }
    Ok(())
}

/// Writes the ticket that fires the job of a sample.
pub(super) async fn put_ticket(state: &AppState, ticket: &Ticket) -> Result<()> {
    let content = serde_json::to_vec(ticket).map_err(Error::internal)?;
    let options = PutOptions { content_type: Some("application/json".into()), ..PutOptions::default() };
    state.blobs.put(&ticket.blob(), whole(content), options).await?;
    Ok(())
}

/// Gives a ticket to every sample that should have one: those whose time to upload is over, and those
/// that are stuck. The job itself decides what becomes of them.
async fn reconcile(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let now = state.clock.now();
    let overdue = vec![
        Filter::Equal("kind", json!(Sample::KIND)),
        Filter::Equal("status", json!(Status::AwaitingUpload)),
        Filter::Less("uploadUntil", json!(now)),
    ];
    let stuck = vec![
        Filter::Equal("kind", json!(Sample::KIND)),
        Filter::In("status", vec![json!(Status::Queued), json!(Status::Processing)]),
        Filter::Less("createdAt", json!(now - STUCK)),
    ];
    let mut count = 0;
    for filters in [overdue, stuck] {
        let mut continuation = None;
        loop {
            let query = Query { filters: filters.clone(), limit: PAGE, continuation, ..Query::default() };
            let page = state.documents.query(&CUSTOMERS, Scope::Container, query).await?;
            for document in &page.items {
                let [tenant, user] = document.partition.0.as_slice() else { continue };
                let ticket = Ticket::of_path(&format!("{tenant}/{user}/{}", document.id));
                if let Some(ticket) = ticket {
                    let written = state.blobs.properties(&ticket.blob()).await?.map(|found| found.modified_at);
                    // One that fired long ago was given up; written anew, it fires again.
                    if written.is_none_or(|written| written < now - STUCK) {
                        put_ticket(&state, &ticket).await?;
                        count += 1;
                    }
                }
            }
            continuation = page.next;
            if continuation.is_none() {
                break;
            }
        }
    }
    Ok(Outcome::of(format!("{count} samples given a ticket")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_given_up_after_a_minute_of_deaths_not_sooner_nor_much_later() {
        let pauses: Vec<_> = (0..MAX_ATTEMPTS).map(pause_before).collect();
        assert!(pauses[..MAX_RECOGNITION_ATTEMPTS as usize].iter().all(Duration::is_zero), "{pauses:?}");
        assert!(pauses.is_sorted(), "{pauses:?}");
        let sum: Duration = pauses.iter().sum();
        assert!((Duration::from_secs(40)..Duration::from_secs(90)).contains(&sum), "{sum:?}");
        assert_eq!(pause_before(u32::MAX), *pauses.last().unwrap());
    }
}
