//! A short recording in the body, answered at once.

use std::io::Cursor;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::command::{asker, converse};
use super::conversation::Conversation;
use super::jobs;
use super::model::{Recognition, Status, Ticket};
use super::pipeline::{self, Recognised};
use super::samples::{SampleView, new_sample};
use super::store;
use super::usage::{self, Metered};
use crate::audio::{Limits, Measurements, Quality};
use crate::error::{Code, Error, Result};
use crate::function::{Function, LimitClass};
use crate::http::{Request, Response, json, no_store};
use crate::identity::Principal;
use crate::ports::blobs::{PutOptions, whole};
use crate::ports::speech::Segment;
use crate::services::accounts::{self, Purpose};
use crate::services::shop::answers::{self, Answer};
use crate::state::AppState;
use crate::types::Service;
use crate::types::{Language, TierId};
use crate::understanding::Context;

/// The recording, and room for the frame of a form.
const BODY_LIMIT: usize = 10 * 1024 * 1024 + 64 * 1024;
const MAX_FIELD: u64 = 16 * 1024;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("VoiceTranscribe", Service::Voice, Method::POST, "v1/voice/transcribe", transcribe)
            .limit(LimitClass::Voice)
.body_limit(BODY_LIMIT)
            .summary("Transcribes and answers a short recording, as a form field `audio_file` or as the body itself.")
            .query::<TranscribeQuery>()
            .takes_bytes("multipart/form-data")
            .takes_bytes("audio/*")
            .answers::<Transcribed>(StatusCode::OK, "What was said, and the answer.", json!({
                "text": "silk sarees under five thousand rupees", "language": "en-IN", "segments": [], "confidence": 0.9,
                "engine": "pocketsphinx", "problem": null, "measurements": null, "quality": "good", "advice": null, "result": null, "sampleId": null
            }))
            .fails(&[Code::RecordingRejected])
            .into(),
    ]
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TranscribeQuery {
    /// Keeps the recording among the caller's samples, if the caller consents to voice storage.
    save_audio: Option<bool>,
    /// The language that is spoken, when it is known.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
    /// A guest's conversation, as the answer before named it.
    #[param(max_length = 64)]
    conversation_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Transcribed {
    /// What was said; empty when nothing was recognised.
    text: String,
    language: Language,
    segments: Vec<Segment>,
    confidence: f32,
    engine: String,
    /// Why nothing was recognised.
    problem: Option<String>,
    measurements: Option<Measurements>,
    quality: Option<Quality>,
    advice: Option<&'static str>,
    /// The answer, as `voice/command` gives it.
    result: Option<Answer>,
    /// The sample, when the recording is kept.
    sample_id: Option<String>,
}

/// What a caller sends.
struct Recording {
    audio: Bytes,
    content_type: String,
    save: bool,
}

async fn transcribe(state: AppState, request: Request) -> Result<Response> {
    let query: TranscribeQuery = request.query()?;
    let recording = recording(&request, query.save_audio.unwrap_or(false)).await?;
    let limit = state.tiers.of(request.caller.tenant()).await;
    let limit = limit.tier(request.caller.principal().map_or(&TierId::FREE, |principal| &principal.tier)).upload_bytes;
    if recording.audio.len() as u64 > limit {
        let detail = format!("The recording has {} bytes, and {limit} are allowed.", recording.audio.len());
        return Err(Error::new(Code::PayloadTooLarge, detail));
    }
    match request.caller.principal() {
        Some(principal) => usage::check(&state, &principal.tenant, &principal.user, &principal.tier).await?,
        None => usage::take_anonymous(&state, request.client.network(), 0).await?,
    }
    let answer = match saver(&state, &request, &recording).await? {
        Some(principal) => kept(&state, principal, recording, query.language).await?,
        None => fleeting(&state, &request, recording.audio, query).await?,
    };
    Ok(no_store(json(&answer)?))
}

/// The caller, when the recording is to be kept and may be.
async fn saver<'a>(state: &AppState, request: &'a Request, recording: &Recording) -> Result<Option<&'a Principal>> {
    let Some(principal) = request.caller.principal().filter(|_| recording.save) else { return Ok(None) };
    let user = accounts::user(state, &principal.tenant, &principal.user).await?;
    Ok(user.is_some_and(|user| user.consents_to(Purpose::VoiceStorage)).then_some(principal))
}

/// Works a recording that is gone when it is answered.
async fn fleeting(state: &AppState, request: &Request, audio: Bytes, query: TranscribeQuery) -> Result<Transcribed> {
    let (caller, language) = (&request.caller, query.language);
    let analysis = pipeline::analyse(state, Cursor::new(audio), Limits::default())
        .await?
        .map_err(|rejection| rejected(rejection.code(), &rejection.to_string()))?;
    let audio_ms = analysis.measurements.duration_ms;
    if caller.principal().is_none() {
        let seconds = u32::try_from(audio_ms.div_ceil(1000)).unwrap_or(u32::MAX);
        usage::take_anonymous(state, request.client.network(), seconds).await?;
    }
    let recognition = match pipeline::recognise(state, analysis.speech, language).await {
        Recognised::Done(recognition) => recognition,
        Recognised::Busy(error) | Recognised::Failed(error) => return Err(error),
    };
    let metered = Metered { engine: recognition.engine.clone(), audio_ms };
    let result = match &recognition.transcript {
        None => {
            if let Some(principal) = caller.principal() {
                store::count_alone(state, &principal.tenant, &principal.user, &metered).await?;
            }
            None
        }
        Some(text) => {
            let conversation = Conversation::of(state, caller, query.conversation_id.as_deref()).await?;
            let context = Conversation::context(conversation.as_ref(), Context::default());
            let utterance = recognition.utterance(text, &context, language);
            let mut answer = answers::answer(state, asker(request), utterance, None).await?;
            if let Some(conversation) = conversation {
                answer.conversation_id = conversation.go_on(state, &answer, &context).await;
            }
            Some(converse(state, caller, text, answer, "transcribe", Some(&metered)).await?)
        }
    };
    Ok(Transcribed::of(recognition, Some(analysis.measurements), Some(analysis.quality), result, None))
}

/// Works a recording as a sample of the caller's, at once instead of by a ticket. If this process dies
/// over it, the reconciling timer gives it one.
async fn kept(
    state: &AppState,
    principal: &Principal,
    recording: Recording,
    language: Option<Language>,
) -> Result<Transcribed> {
    let conversation = Conversation::of_customer(state, &principal.tenant, &principal.user).await;
    let context = Conversation::context(Some(&conversation), Context::default());
    let mut sample = new_sample(state, recording.content_type, language, context, principal.tier.clone());
    sample.status = Status::Queued;
    let ticket =
        Ticket { tenant_id: principal.tenant.clone(), user_id: principal.user.clone(), sample_id: sample.id.clone() };
    let options = PutOptions { content_type: Some(sample.content_type.clone()), ..PutOptions::default() };
    state.blobs.put(&ticket.upload(), whole(recording.audio), options).await?;
    store::sample_create(state.documents.as_ref(), &ticket, &sample).await?;
    let (sample, etag) = store::sample(state.documents.as_ref(), &ticket).await?.ok_or_else(deleted)?;
    let sample = match jobs::work(state, &ticket, sample, etag).await {
        Ok(sample) => sample.ok_or_else(deleted)?,
        Err(error) => {
            // It goes on as a job of its own.
            jobs::put_ticket(state, &ticket).await?;
            return Err(error);
        }
    };
    if !(sample.status == Status::Completed && sample.kept) {
        jobs::remove_blobs(state, &ticket).await?;
    }
    if let Some(reason) = &sample.reason {
        return Err(rejected(&reason.code, &reason.detail));
    }
    let view = SampleView::of(sample, None);
    let recognition =
        view.recognition.ok_or_else(|| Error::new(Code::Internal, "Something went wrong on our side."))?;
    Ok(Transcribed::of(recognition, view.measurements, view.quality, view.result, Some(view.id)))
}

impl Transcribed {
    fn of(
        recognition: Recognition,
        measurements: Option<Measurements>,
        quality: Option<Quality>,
        result: Option<Answer>,
        sample_id: Option<String>,
    ) -> Self {
        Self {
            text: recognition.transcript.unwrap_or_default(),
            language: recognition.language,
            segments: recognition.segments,
            confidence: recognition.confidence,
            engine: recognition.engine,
            problem: recognition.problem,
            measurements,
            advice: quality.and_then(Quality::advice),
            quality,
            result,
            sample_id,
        }
    }
}

fn deleted() -> Error {
    Error::not_found("The sample was deleted.")
}

fn rejected(code: &str, detail: &str) -> Error {
    tracing::info!(code, "recording rejected");
    Error::new(Code::RecordingRejected, detail.to_owned()).with_field("audio_file", code)
}

async fn recording(request: &Request, save: bool) -> Result<Recording> {
    let unsupported =
        || Error::new(Code::UnsupportedMediaType, "Send a form with the field audio_file, or audio as the body.");
    let media_type = request.media_type().ok_or_else(unsupported)?;
    if media_type == "multipart/form-data" {
        return from_form(request, save).await;
    }
    if media_type.starts_with("audio/") || media_type.starts_with("video/") || media_type == "application/octet-stream"
    {
        return Ok(Recording { audio: request.body.clone(), content_type: media_type, save });
    }
    Err(unsupported())
}

/// The recording and the wish to keep it from a form (RFC 7578).
async fn from_form(request: &Request, save: bool) -> Result<Recording> {
    let malformed =
        |error: multer::Error| Error::new(Code::MalformedRequest, "The form cannot be read.").with_source(error);
    let content_type = request.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let body = request.body.clone();
    let limits = multer::SizeLimit::new().per_field(MAX_FIELD).for_field("audio_file", BODY_LIMIT as u64);
    let constraints = multer::Constraints::new().size_limit(limits);
    let chunks = stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::with_constraints(chunks, boundary, constraints);
    let (mut audio, mut save) = (None, save);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        match field.name() {
            Some("audio_file") => {
                let content_type =
                    field.content_type().map_or("application/octet-stream".into(), |kind| kind.to_string());
                audio = Some((field.bytes().await.map_err(malformed)?, content_type));
            }
            Some("save_audio") => save = field.text().await.map_err(malformed)?.trim() == "true",
            _ => {
                field.bytes().await.map_err(malformed)?;
            }
        }
    }
    let (audio, content_type) = audio.ok_or_else(|| Error::field("audio_file", "expected the recording"))?;
    Ok(Recording { audio, content_type, save })
}
