//! Voice samples over HTTP: create, upload by signed URL, complete, follow, delete.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use super::conversation::Conversation;
use super::jobs;
use super::model::{Reason, Recognition, RecordingStatus, Sample, Status, Ticket};
use super::permissions::Permissions;
use super::{store, usage};
use crate::audio::{Measurements, Quality, Waveform};
use crate::caching::Owner;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function, LimitClass};
use crate::http::{Body, ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::ports::blobs::AccessTier;
use crate::ports::documents::{Filter, Order, Query, Scope};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::shop::answers::Answer;
use crate::services::{accounts, links};
use crate::state::AppState;
use crate::types::Service;
use crate::types::{Language, SampleId, TierId};
use crate::understanding::Context;

/// How long a recording may take to be uploaded.
const UPLOAD_TIME: TimeDelta = TimeDelta::minutes(15);
const MAX_CONTENT_TYPE: usize = 100;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let created = || json!({ "id": "smp_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "awaiting-upload", "uploadUrl": "https://…", "uploadHeaders": { "content-type": "audio/webm", "x-ms-blob-type": "BlockBlob" }, "maxBytes": 10_485_760, "expiresAt": "2026-01-15T06:45:00Z" });
    let sample = || json!({ "id": "smp_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "completed", "createdAt": "2026-01-15T06:30:00Z", "contentType": "audio/webm", "quality": "good", "advice": null });
    let row = |name, method, route| (name, Service::Voice, method, route);
    let (name, service, method, route) = row("VoiceSamplesCreate", Method::POST, "v1/voice/samples");
    vec![
        Function::http(name, service, method, route, create)
            .limit(LimitClass::Voice)
            .access(Access::SignedIn)
            .idempotent()
            .summary("Announces a recording and gives the address to upload it to.")
            .takes::<CreateSample>("application/json", json!({ "contentType": "audio/webm", "language": "en-IN" }))
            .answers::<SampleCreated>(
                StatusCode::CREATED,
                "Upload with one PUT, or block by block, then complete.",
                created(),
            )
            .into(),
        Function::http(
            "VoiceSamplesComplete",
            Service::Voice,
            Method::POST,
            "v1/voice/samples/{id}/complete",
            complete,
        )
        .limit(LimitClass::Voice)
        .access(Access::SignedIn)
        .summary("Says that the recording is uploaded, and starts the job.")
        .answers::<SampleView>(StatusCode::ACCEPTED, "The job is queued; follow `Operation-Location`.", sample())
        .fails(&[Code::Conflict, Code::PayloadTooLarge])
        .into(),
        Function::http("VoiceSamplesGet", Service::Voice, Method::GET, "v1/voice/samples/{id}", get)
            .access(Access::SignedIn)
            .summary("Shows a sample and, once it is completed, its result.")
            .answers::<SampleView>(StatusCode::OK, "The sample.", sample())
            .into(),
        Function::http("VoiceSamplesList", Service::Voice, Method::GET, "v1/voice/samples", list)
            .access(Access::SignedIn)
            .summary("Lists the caller's samples, the newest first.")
            .query::<SampleQuery>()
            .answers::<SampleList>(StatusCode::OK, "A page of samples.", json!({ "items": [sample()], "next": null }))
            .into(),
        Function::http("VoiceSamplesDelete", Service::Voice, Method::DELETE, "v1/voice/samples/{id}", delete)
            .access(Access::SignedIn)
            .summary("Deletes a sample with its recording.")
            .answers::<Deleted>(
                StatusCode::OK,
                "It is gone.",
                json!({ "success": true, "id": "smp_01KAXQ8W0V7D3T4Z5J6N8P9R2S" }),
            )
            .into(),
        Function::http("VoiceSamplesWaveform", Service::Voice, Method::GET, "v1/voice/samples/{id}/waveform", waveform)
            .access(Access::SignedIn)
            .summary("Draws the waveform of a completed sample.")
            .answers_bytes(StatusCode::OK, "A picture.", "image/svg+xml")
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CreateSample {
    /// What the recorder says it makes, such as `audio/webm;codecs=opus`. What comes is looked at itself.
    #[schema(max_length = 100)]
    content_type: String,
    /// The language that will be spoken, when it is known.
    language: Option<Language>,
    /// What the shopper saw and asked for last; where nothing is said, what is remembered of the conversation.
    #[serde(default)]
    context: Context,
    /// Whether the server does to the account's cart what is said, as in `voice/command`.
    #[serde(default)]
    apply: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SampleCreated {
    id: String,
    status: Status,
    upload_url: String,
    /// To be sent with the upload.
    upload_headers: BTreeMap<String, String>,
    max_bytes: u64,
    /// Until when the address takes the upload.
    expires_at: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SampleQuery {
    /// Only samples in this state, such as `completed`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Items a page, 1 to 100; 20 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct SampleList {
    items: Vec<SampleView>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Deleted {
    success: bool,
    id: String,
}

/// A sample as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SampleView {
    pub(super) id: String,
    pub(super) status: Status,
    content_type: String,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// Until when it is kept, once it has ended.
    expires_at: Option<DateTime<Utc>>,
    /// Why it was rejected or failed.
    reason: Option<Reason>,
    pub(super) measurements: Option<Measurements>,
    pub(super) quality: Option<Quality>,
    /// What would make the next recording better.
    pub(super) advice: Option<&'static str>,
    /// Peaks of the waveform, in the format of audiowaveform.
    waveform: Option<Waveform>,
    pub(super) recognition: Option<Recognition>,
    /// The answer, as `voice/command` gives it.
    pub(super) result: Option<Answer>,
    /// Where to listen to it for the next minutes, when it is kept.
    listen_url: Option<String>,
    /// The recording as it was uploaded, when it was kept.
    recording: Option<RecordingView>,
}

/// Where a recording is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RecordingView {
    status: RecordingStatus,
    tier: AccessTier,
    /// Where to download it for the next minutes, while it is available.
    url: Option<String>,
    /// After this it may go back to the archive.
    readable_until: Option<DateTime<Utc>>,
}

impl SampleView {
    /// The sample without its large parts, for lists.
    fn brief(sample: Sample) -> Self {
        Self { waveform: None, ..Self::of(sample, None) }
    }

    pub(super) fn of(sample: Sample, listen_url: Option<String>) -> Self {
        let recording = sample.kept_recording().map(|recording| RecordingView {
            status: recording.status,
            tier: recording.tier,
            url: None,
            readable_until: recording.readable_until,
        });
        Self {
            id: sample.id.to_string(),
            status: sample.status,
            content_type: sample.content_type,
            created_at: sample.created_at,
            finished_at: sample.finished_at,
            expires_at: sample.expires_at,
            reason: sample.reason,
            measurements: sample.measurements,
            advice: sample.quality.and_then(Quality::advice),
            quality: sample.quality,
            waveform: sample.waveform,
            recognition: sample.recognition,
            result: sample.result,
            listen_url,
            recording,
        }
    }
}

/// A sample with its signed addresses.
pub(super) async fn sample_view(state: &AppState, ticket: &Ticket, sample: Sample) -> Result<SampleView> {
    let Some(recording) = sample.kept_recording().filter(|kept| kept.status != RecordingStatus::Deleted) else {
        return Ok(SampleView::of(sample, None));
    };
    let owner = Owner { tenant: &ticket.tenant_id, user: &ticket.user_id };
    let listen_url = links::download(state, owner, &ticket.rendition()).await?;
    let mut view = SampleView::of(sample, Some(listen_url));
    if let (RecordingStatus::Available, Some(shown)) = (recording.status, &mut view.recording) {
        shown.url = Some(links::download(state, owner, &ticket.upload()).await?);
    }
    Ok(view)
}

/// The ticket of the sample that a request names: owner and tenant come from the token.
pub(super) fn ticket(request: &Request) -> Result<Ticket> {
    let principal = request.principal()?;
    Ok(Ticket { tenant_id: principal.tenant.clone(), user_id: principal.user.clone(), sample_id: request.param("id")? })
}

pub(super) fn no_sample() -> Error {
    Error::not_found("There is no such sample.")
}

/// A new sample that waits for its recording.
pub(super) fn new_sample(
    state: &AppState,
    content_type: String,
    language: Option<Language>,
    context: Context,
    tier: TierId,
) -> Sample {
    let now = state.clock.now();
    Sample {
        kind: Sample::KIND.into(),
        id: SampleId::generate(),
        status: Status::AwaitingUpload,
        content_type,
        language,
        tier,
        context: context.bounded(),
        apply: false,
        created_at: now,
        upload_until: now + UPLOAD_TIME,
        finished_at: None,
        expires_at: None,
        attempts: 0,
        kept: false,
        training_allowed: false,
        reason: None,
        measurements: None,
        quality: None,
        waveform: None,
        recognition: None,
        result: None,
        recording: None,
    }
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: CreateSample = request.json()?;
    let sane = asked.content_type.len() <= MAX_CONTENT_TYPE
        && (asked.content_type.starts_with("audio/") || asked.content_type.starts_with("video/"))
        && asked.content_type.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !sane {
        return Err(Error::field("contentType", "expected a media type audio/… of at most 100 characters"));
    }
    let principal = request.principal()?;
    // Nothing begins for an account that is closed.
    Permissions::of(&state, &principal.tenant, &principal.user).await?.ok_or_else(accounts::closed)?;
    usage::check(&state, &principal.tenant, &principal.user, &principal.tier).await?;
    let conversation = Conversation::of(&state, &request.caller, None).await?;
    let context = Conversation::context(conversation.as_ref(), asked.context);
    let mut sample = new_sample(&state, asked.content_type, asked.language, context, principal.tier.clone());
    sample.apply = asked.apply;
    let ticket =
        Ticket { tenant_id: principal.tenant.clone(), user_id: principal.user.clone(), sample_id: sample.id.clone() };
    let max_bytes = state.tiers.tier(&principal.tenant, &principal.tier).await.upload_bytes;
    let valid_for = UPLOAD_TIME.to_std().map_err(Error::internal)?;
    let signed = state.blobs.upload_url(&ticket.upload(), &sample.content_type, max_bytes, valid_for).await?;
    store::sample_create(state.documents.as_ref(), &ticket, &sample).await?;
    let body = SampleCreated {
        id: sample.id.to_string(),
        status: sample.status,
        upload_url: signed.url,
        upload_headers: signed.headers,
        max_bytes,
        expires_at: signed.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    let mut response = no_store(json_with(StatusCode::CREATED, &body)?);
    response.headers_mut().insert(LOCATION, location(&sample.id)?);
    Ok(response)
}

pub(super) fn location(id: &SampleId) -> Result<HeaderValue> {
    HeaderValue::from_str(&format!("/api/v1/voice/samples/{id}")).map_err(Error::internal)
}

async fn complete(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let (sample, etag) = store::sample(state.documents.as_ref(), &ticket).await?.ok_or_else(no_sample)?;
    let sample = match sample.status {
        Status::AwaitingUpload => {
            usage::check(&state, &ticket.tenant_id, &ticket.user_id, &sample.tier).await?;
            queue(&state, &ticket, sample, etag).await?
        }
        _ => sample,
    };
    let id = sample.id.clone();
    let mut response = no_store(json_with(StatusCode::ACCEPTED, &SampleView::of(sample, None))?);
    response.headers_mut().insert("operation-location", location(&id)?);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}

/// Starts the job of an uploaded recording; gives the sample as it then is.
async fn queue(state: &AppState, ticket: &Ticket, mut sample: Sample, etag: ETag) -> Result<Sample> {
    let again = async || {
        let found = store::sample(state.documents.as_ref(), ticket).await?;
        Ok::<_, Error>(found.ok_or_else(no_sample)?.0)
    };
    let Some(uploaded) = state.blobs.properties(&ticket.upload()).await? else {
        // The job of an earlier call that was not answered may just have ended, and removed it.
        return match again().await? {
            sample if sample.status == Status::AwaitingUpload => {
                Err(Error::new(Code::Conflict, "Upload the recording first, to the address that was given."))
            }
            sample => Ok(sample),
        };
    };
    let max_bytes = state.tiers.tier(&ticket.tenant_id, &sample.tier).await.upload_bytes;
    if uploaded.size > max_bytes {
        // The address could not keep it out; nobody is to pay for its keeping. A better one may have
        // taken its place.
        let seen = Condition::IfMatch(uploaded.etag);
        match state.blobs.delete(&ticket.upload(), seen).await {
            Ok(_) => {}
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
        let detail = format!("The recording has {} bytes, and {max_bytes} are allowed.", uploaded.size);
        return Err(Error::new(Code::PayloadTooLarge, detail));
    }
    // The ticket first: once this is answered, the job runs whatever happens to this process.
    jobs::put_ticket(state, ticket).await?;
    let mut etag = etag;
    loop {
        sample.status = Status::Queued;
        match store::sample_replace(state.documents.as_ref(), ticket, &sample, etag).await {
            Ok(_) => return Ok(sample),
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
        let found = store::sample(state.documents.as_ref(), ticket).await?.ok_or_else(no_sample)?;
        // The job was faster, and what it wrote holds. Else it was the news that the recording has arrived,
        // which is written once for each upload.
        if found.0.status != Status::AwaitingUpload {
            return Ok(found.0);
        }
        (sample, etag) = found;
    }
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let (sample, _) = store::sample(state.documents.as_ref(), &ticket).await?.ok_or_else(no_sample)?;
    let pending = !sample.status.is_final();
    let mut response = no_store(json(&sample_view(&state, &ticket, sample).await?)?);
    if pending {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: SampleQuery = request.query()?;
    let paging = ListQuery { limit: asked.limit, cursor: asked.cursor };
    let mut filters = vec![Filter::Equal("kind", json!(Sample::KIND))];
    if let Some(status) = asked.status {
        filters.push(Filter::Equal("status", json!(status)));
    }
    let query = Query {
        filters,
        order: Some(Order::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let principal = request.principal()?;
    let partition = customer(&principal.tenant, principal.user.as_str());
    let page =
        state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let items = page.items.iter().map(|document| Ok(SampleView::brief(document.read()?))).collect::<Result<_>>()?;
    Ok(no_store(json(&SampleList { items, next: cursor_of(page.next) })?))
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let partition = customer(&ticket.tenant_id, ticket.user_id.as_str());
    match state.documents.delete(&CUSTOMERS, &partition, ticket.sample_id.as_str(), Condition::None).await {
        Ok(()) => {}
        Err(error) if error.kind() == PortErrorKind::NotFound => return Err(no_sample()),
        Err(error) => return Err(error.into()),
    }
    // A job that is at work finds the sample gone and cleans up after itself.
    jobs::remove_blobs(&state, &ticket).await?;
    Ok(no_store(json(&Deleted { success: true, id: ticket.sample_id.to_string() })?))
}

async fn waveform(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let (sample, _) = store::sample(state.documents.as_ref(), &ticket).await?.ok_or_else(no_sample)?;
    let waveform = sample.waveform.ok_or_else(|| Error::not_found("The sample has no waveform (yet)."))?;
    let mut response = Response::new(Body::Full(waveform.to_svg("Waveform of the recording").into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    Ok(response)
}
