//! The job of an uploaded picture, fired by its ticket, and the timer that repairs what nobody finished.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::Semaphore;

use super::listed::{Listing, Shelf};
use super::model::{KIND, MAX_BYTES, MOST_PICTURES, Picture, PictureReason, PictureStatus, PictureTicket};
use super::{renditions, store};
use crate::containers::{CATALOGUE, MEDIA_JOBS};
use crate::error::{Code, Error, Result};
use crate::function::{BlobWritten, Function, Outcome, TimerTick};
use crate::pictures::{self, Limits, MakeError, Rejection};
use crate::ports::blobs::{PutOptions, whole};
use crate::ports::documents::{Filter, Query, Scope};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::state::AppState;
use crate::types::Service;

/// Work on a picture begins at most this often: one that kills the process every time is given up.
const MAX_ATTEMPTS: u32 = 6;
/// A picture that has been queued or worked for so long lost its ticket.
const STUCK: TimeDelta = TimeDelta::minutes(10);
const PAGE: usize = 200;

/// Pictures are worked one at a time in a process: the largest takes half a gigabyte while it is decoded.
static WORKBENCH: Semaphore = Semaphore::const_new(1);

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::blob("ShopMediaJobsRun", Service::Shop, MEDIA_JOBS, run),
        Function::timer("ShopMediaReconcile", Service::Shop, "30 * * * * *", reconcile),
    ]
}

/// Works the picture that a ticket points at.
async fn run(state: AppState, blob: BlobWritten) -> Result<Outcome> {
    let ticket: PictureTicket = match serde_json::from_slice(&blob.content) {
        Ok(ticket) => ticket,
        // Nothing can be done for it, now or later.
        Err(error) => return Ok(Outcome::of(format!("not a ticket: {error}"))),
    };
    let found = store::picture(state.documents.as_ref(), &ticket).await?;
    let picture = match found {
        Some((picture, _)) if picture.status.is_final() => Some(picture),
        Some((picture, etag)) => work(&state, &ticket, picture, etag).await?,
        None => None,
    };
    settle(&state, &ticket, picture.as_ref()).await?;
    Ok(Outcome::of(match picture {
        Some(picture) => format!("{} is {:?}", picture.media_id, picture.status),
        None => format!("{} was deleted", ticket.media_id),
    }))
}

/// Brings a picture to its end; gives it as it then is, also when another delivery was faster, or `None` when it
/// was deleted meanwhile.
async fn work(state: &AppState, ticket: &PictureTicket, picture: Picture, etag: ETag) -> Result<Option<Picture>> {
    tokio::time::sleep(pause_before(picture.attempts)).await;
    let Some((mut picture, etag)) = begin(state, ticket, picture, etag).await? else {
        return outrun(state, ticket).await;
    };
    let end = if picture.attempts > MAX_ATTEMPTS {
        End::failed("gave_up", "We could not process this picture. Please upload it again.")
    } else {
        develop(state, ticket, &mut picture).await?
    };
    picture.status = end.status;
    picture.reason = end.reason;
    picture.finished_at = Some(state.clock.now());
    match store::picture_finish(state, ticket, &picture, etag).await? {
        Ok(()) => Ok(Some(picture)),
        Err(error) if matches!(error.error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {
            outrun(state, ticket).await
        }
        Err(error) => Err(error.error.into()),
    }
}

/// How long to wait before work that has begun `attempts` times begins again: nothing at first, then 0.4 s,
/// doubled each time. A picture that kills the process leaves it longer and longer to the others.
fn pause_before(attempts: u32) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        more => Duration::from_millis(400 << more.saturating_sub(2).min(5)),
    }
}

/// Marks a picture as being worked; `None` when someone else does so.
async fn begin(
    state: &AppState,
    ticket: &PictureTicket,
    picture: Picture,
    etag: ETag,
) -> Result<Option<(Picture, ETag)>> {
    let (mut picture, mut etag) = (picture, etag);
    loop {
        let was = picture.status;
        picture.status = PictureStatus::Processing;
        picture.attempts += 1;
        match store::picture_replace(state.documents.as_ref(), ticket, &picture, etag).await {
            Ok(etag) => return Ok(Some((picture, etag))),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        // The ticket is written before the picture is queued, so a fast job begins in between. That is not
        // somebody else's work, and it is done once.
        match store::picture(state.documents.as_ref(), ticket).await? {
            Some((queued, version))
                if was == PictureStatus::AwaitingUpload && queued.status == PictureStatus::Queued =>
            {
                (picture, etag) = (queued, version);
            }
            _ => return Ok(None),
        }
    }
}

/// What became of a picture that someone else wrote meanwhile.
async fn outrun(state: &AppState, ticket: &PictureTicket) -> Result<Option<Picture>> {
    match store::picture(state.documents.as_ref(), ticket).await? {
        Some((picture, _)) if picture.status.is_final() => Ok(Some(picture)),
        // Another delivery is at work: this ticket comes again.
        Some(_) => Err(Error::new(Code::RequestInProgress, "the picture is being worked elsewhere")
            .with_retry_after(Duration::from_secs(1))),
        None => Ok(None),
    }
}

/// How a picture ends.
struct End {
    status: PictureStatus,
    reason: Option<PictureReason>,
}

impl End {
    const READY: Self = Self { status: PictureStatus::Ready, reason: None };

    fn rejected(code: &str, detail: impl Into<String>) -> Self {
        let reason = PictureReason { code: code.to_owned(), detail: detail.into() };
        Self { status: PictureStatus::Rejected, reason: Some(reason) }
    }

    fn failed(code: &str, detail: impl Into<String>) -> Self {
        Self { status: PictureStatus::Failed, ..Self::rejected(code, detail) }
    }
}

/// Makes the files of a picture and has its product show them.
async fn develop(state: &AppState, ticket: &PictureTicket, picture: &mut Picture) -> Result<End> {
    let Some(uploaded) = upload(state, ticket).await? else {
        return Ok(End::rejected("not_uploaded", "No picture was uploaded in time. Please upload it again."));
    };
    let made = match uploaded {
        Ok(bytes) => make(bytes).await?,
        Err(rejection) => Err(rejection),
    };
    let made = match made {
        Ok(made) => made,
        Err(rejection) => {
            tracing::info!(media_id = %ticket.media_id, code = rejection.code(), detail = rejection.detail(), "picture rejected");
            return Ok(End::rejected(rejection.code(), rejection.to_string()));
        }
    };
    let mut sources = Vec::with_capacity(made.renditions.len());
    for rendition in made.renditions {
        sources.push(renditions::keep(state, &ticket.tenant_id, rendition).await?);
    }
    picture.sources = sources;
    let shelf = Shelf { state, tenant: &ticket.tenant_id, product: &ticket.product_id };
    Ok(match shelf.add(&ticket.media_id, picture.position, &picture.alt, &picture.sources).await? {
        Listing::Listed => End::READY,
        Listing::NoProduct => End::rejected("no_product", "The product is no more."),
        Listing::Full => {
            End::rejected("too_many", format!("A product has at most {MOST_PICTURES} pictures. Delete some first."))
        }
    })
}

/// The bytes that were uploaded, or why they are not looked at; `None` when there are none.
async fn upload(state: &AppState, ticket: &PictureTicket) -> Result<Option<Result<Bytes, Rejection>>> {
    let Some(content) = state.blobs.get(&ticket.upload(), None).await? else { return Ok(None) };
    let too_large = Rejection::TooLarge { max_bytes: MAX_BYTES };
    if content.properties.size > MAX_BYTES {
        return Ok(Some(Err(too_large)));
    }
    let mut bytes = BytesMut::with_capacity(content.properties.size as usize);
    let mut stream = content.stream;
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
        if bytes.len() as u64 > MAX_BYTES {
            return Ok(Some(Err(too_large)));
        }
    }
    Ok(Some(Ok(bytes.freeze())))
}

/// Makes the files off the async threads.
///
/// # Errors
/// The outer one when nothing was made of a picture that can be decoded (try again), the inner one when it cannot
/// be used.
async fn make(bytes: Bytes) -> Result<Result<pictures::Made, Rejection>> {
    let place = WORKBENCH.acquire().await.map_err(Error::internal)?;
    let made = AppState::blocking(move || {
        let _place = place;
        pictures::make(&bytes, &Limits { max_bytes: MAX_BYTES, ..Limits::default() })
    })
    .await?;
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(MakeError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(other) => Err(Error::internal(other)),
    }
}

/// Removes what an ended or deleted picture leaves behind, the ticket last: its presence until then makes sure
/// that this is done.
async fn settle(state: &AppState, ticket: &PictureTicket, picture: Option<&Picture>) -> Result<()> {
    if !picture.is_some_and(|picture| picture.status == PictureStatus::Ready) {
        // A delivery that died may have entered it, and so may one that was overtaken by its deletion.
        let shelf = Shelf { state, tenant: &ticket.tenant_id, product: &ticket.product_id };
        shelf.remove(&ticket.media_id).await?;
    }
    remove_blobs(state, ticket).await
}

/// Removes the upload and the ticket of a picture.
pub(super) async fn remove_blobs(state: &AppState, ticket: &PictureTicket) -> Result<()> {
    for name in [ticket.upload(), ticket.blob()] {
        state.blobs.delete(&name, Condition::None).await?;
    }
    Ok(())
}

/// Writes the ticket that fires the job of a picture.
pub(super) async fn put_ticket(state: &AppState, ticket: &PictureTicket) -> Result<()> {
    let content = serde_json::to_vec(ticket).map_err(Error::internal)?;
    let options = PutOptions { content_type: Some("application/json".into()), ..PutOptions::default() };
    state.blobs.put(&ticket.blob(), whole(content), options).await?;
    Ok(())
}

/// Gives a ticket to every picture that should have one: those whose time to upload is over, and those that are
/// stuck. The job itself decides what becomes of them.
async fn reconcile(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let now = state.clock.now();
    let overdue = vec![
        Filter::Equal("kind", json!(KIND)),
        Filter::Equal("status", json!(PictureStatus::AwaitingUpload)),
        Filter::Less("uploadUntil", json!(now)),
    ];
    let stuck = vec![
        Filter::Equal("kind", json!(KIND)),
        Filter::In("status", vec![json!(PictureStatus::Queued), json!(PictureStatus::Processing)]),
        Filter::Less("createdAt", json!(now - STUCK)),
    ];
    let mut count = 0;
    for filters in [overdue, stuck] {
        let mut continuation = None;
        loop {
            let query = Query { filters: filters.clone(), limit: PAGE, continuation, ..Query::default() };
            let page = state.documents.query(&CATALOGUE, Scope::Container, query).await?;
            for document in &page.items {
                let Some(tenant_id) = document.partition.0.first().and_then(|tenant| tenant.parse().ok()) else {
                    continue;
                };
                let Picture { product_id, media_id, .. } = document.read()?;
                let ticket = PictureTicket { tenant_id, product_id, media_id };
                let written = state.blobs.properties(&ticket.blob()).await?.map(|found| found.modified_at);
                // One that fired long ago was given up; written anew, it fires again.
                if written.is_none_or(|written| written < now - STUCK) {
                    put_ticket(&state, &ticket).await?;
                    count += 1;
                }
            }
            continuation = page.next;
            if continuation.is_none() {
                break;
            }
        }
    }
    Ok(Outcome::of(format!("{count} pictures given a ticket")))
}
