//! Pictures come in: announced by staff, uploaded by a signed address, completed.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, TimeDelta};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::jobs;
use super::listed::Shelf;
use super::manage::{MediaView, media_example, no_media, ticket};
use super::model::{MAX_BYTES, MOST_PICTURES, Picture, PictureStatus, PictureTicket};
use super::store::{self, MOST_DOCUMENTS};
use crate::error::{Code, Error, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json_with, no_store};
use crate::identity::Permission;
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::shop::products::no_product;
use crate::state::AppState;
use crate::types::{Language, LocalisedText, MediaId, ProductId, Service};

/// How long a picture may take to be uploaded.
const UPLOAD_TIME: TimeDelta = TimeDelta::minutes(15);
const MAX_ALT_CHARS: usize = 300;
const CONTENT_TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("ShopMediaComplete", Service::Shop, Method::POST, "v1/products/{id}/media/{media}/complete", complete)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Says that a picture is uploaded, and starts the job.")
            .answers::<MediaView>(StatusCode::ACCEPTED, "The job is queued; follow `Operation-Location`.", media_example())
            .fails(&[Code::Conflict, Code::PayloadTooLarge])
            .into(),
        Function::http("ShopMediaCreate", Service::Shop, Method::POST, "v1/products/{id}/media", create)
            .access(Access::May(Permission::ManageCatalogue))
            .idempotent()
            .summary("Announces a picture of a product and gives the address to upload it to.")
            .takes::<CreateMedia>("application/json", json!({
                "contentType": "image/jpeg", "byteSize": 2_400_000, "position": 0,
                "alt": { "en-IN": "Gold Banarasi saree", "hi-IN": "सुनहरी बनारसी साड़ी", "te-IN": "బంగారు బనారసి చీర" }
            }))
            .answers::<MediaCreated>(StatusCode::CREATED, "Upload with one PUT, then complete.", json!({
                "id": "med_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "awaiting-upload", "uploadUrl": "https://…",
                "uploadHeaders": { "content-type": "image/jpeg", "x-ms-blob-type": "BlockBlob" }, "maxBytes": 2_400_000,
                "expiresAt": "2026-01-15T06:45:00Z"
            }))
            .fails(&[Code::Conflict])
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateMedia {
    /// `image/jpeg`, `image/png` or `image/webp`. What comes is looked at itself.
    content_type: String,
    /// Of the file, at most 15 MiB; the address takes no more.
    #[schema(minimum = 1, maximum = 15_728_640)]
    byte_size: u64,
    /// What the picture shows, 1 to 300 characters in each language.
    alt: LocalisedText,
    /// Where it stands among the pictures, from 0; behind them where nothing is said.
    #[schema(minimum = 0, maximum = 11)]
    position: Option<u32>,
}

impl CreateMedia {
    fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut refuse = |field: String, message: String| wrong.push(FieldError { field, message });
        if !CONTENT_TYPES.contains(&self.content_type.as_str()) {
            refuse("contentType".into(), format!("expected one of {}", CONTENT_TYPES.join(", ")));
        }
        if !(1..=MAX_BYTES).contains(&self.byte_size) {
            refuse("byteSize".into(), format!("expected 1 to {MAX_BYTES}"));
        }
        for language in Language::ALL {
            let text = self.alt.get(language);
            if text.trim().is_empty() || text.chars().count() > MAX_ALT_CHARS || text.chars().any(char::is_control) {
                let message = format!("expected a text of 1 to {MAX_ALT_CHARS} characters on one line");
                refuse(format!("alt.{}", language.tag()), message);
            }
        }
        if self.position.is_some_and(|position| position as usize >= MOST_PICTURES) {
            refuse("position".into(), format!("expected 0 to {}", MOST_PICTURES - 1));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MediaCreated {
    id: String,
    status: PictureStatus,
    upload_url: String,
    /// To be sent with the upload.
    upload_headers: BTreeMap<String, String>,
    max_bytes: u64,
    /// Until when the address takes the upload.
    expires_at: String,
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let product: ProductId = request.param("id")?;
    let asked: CreateMedia = request.json()?;
    asked.check()?;
    let tenant = request.principal()?.tenant.clone();
    let shelf = Shelf { state: &state, tenant: &tenant, product: &product };
    let listed = shelf.pictures().await?.ok_or_else(no_product)?;
    let known = store::pictures(state.documents.as_ref(), &tenant, &product).await?;
    let under_way = known.iter().filter(|picture| !picture.status.is_final()).count();
    if listed.len() + under_way >= MOST_PICTURES || known.len() >= MOST_DOCUMENTS {
        let detail =
            format!("A product has at most {MOST_PICTURES} pictures, those under way included. Delete some first.");
        return Err(Error::new(Code::Conflict, detail));
    }
    let ticket = PictureTicket { tenant_id: tenant, product_id: product, media_id: MediaId::generate() };
    let valid_for = UPLOAD_TIME.to_std().map_err(Error::internal)?;
    let signed = state.blobs.upload_url(&ticket.upload(), &asked.content_type, asked.byte_size, valid_for).await?;
    let picture = new_picture(&state, &ticket, asked);
    store::picture_create(state.documents.as_ref(), &ticket, &picture).await?;
    let body = MediaCreated {
        id: ticket.media_id.to_string(),
        status: picture.status,
        upload_url: signed.url,
        upload_headers: signed.headers,
        max_bytes: picture.byte_size,
        expires_at: signed.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    let mut response = no_store(json_with(StatusCode::CREATED, &body)?);
    response.headers_mut().insert(LOCATION, location(&ticket)?);
    Ok(response)
}

/// A picture that waits for its upload.
fn new_picture(state: &AppState, ticket: &PictureTicket, asked: CreateMedia) -> Picture {
    let now = state.clock.now();
    Picture {
        media_id: ticket.media_id.clone(),
        product_id: ticket.product_id.clone(),
        status: PictureStatus::AwaitingUpload,
        alt: asked.alt,
        position: asked.position,
        content_type: asked.content_type,
        byte_size: asked.byte_size,
        created_at: now,
        upload_until: now + UPLOAD_TIME,
        finished_at: None,
        attempts: 0,
        reason: None,
        sources: Vec::new(),
    }
}

fn location(ticket: &PictureTicket) -> Result<HeaderValue> {
    let PictureTicket { product_id, media_id, .. } = ticket;
    HeaderValue::from_str(&format!("/api/v1/products/{product_id}/media/{media_id}")).map_err(Error::internal)
}

async fn complete(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let (picture, etag) = store::picture(state.documents.as_ref(), &ticket).await?.ok_or_else(no_media)?;
    let picture = match picture.status {
        PictureStatus::AwaitingUpload => queue(&state, &ticket, picture, etag).await?,
        _ => picture,
    };
    let mut response = no_store(json_with(StatusCode::ACCEPTED, &MediaView::of(&state, picture))?);
    response.headers_mut().insert("operation-location", location(&ticket)?);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}

/// Starts the job of an uploaded picture; gives the picture as it then is.
async fn queue(state: &AppState, ticket: &PictureTicket, mut picture: Picture, etag: ETag) -> Result<Picture> {
    let documents = state.documents.as_ref();
    let Some(uploaded) = state.blobs.properties(&ticket.upload()).await? else {
        // The job of an earlier call that was not answered may just have ended, and removed it.
        let (picture, _) = store::picture(documents, ticket).await?.ok_or_else(no_media)?;
        return match picture.status {
            PictureStatus::AwaitingUpload => {
                Err(Error::new(Code::Conflict, "Upload the picture first, to the address that was given."))
            }
            _ => Ok(picture),
        };
    };
    if uploaded.size > picture.byte_size {
        // The address could not keep it out. A better one may have taken its place.
        match state.blobs.delete(&ticket.upload(), Condition::IfMatch(uploaded.etag)).await {
            Ok(_) => {}
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
        let detail = format!("The picture has {} bytes, and {} were announced.", uploaded.size, picture.byte_size);
        return Err(Error::new(Code::PayloadTooLarge, detail));
    }
    // The ticket first: once this is answered, the job runs whatever happens to this process.
    jobs::put_ticket(state, ticket).await?;
    picture.status = PictureStatus::Queued;
    match store::picture_replace(documents, ticket, &picture, etag).await {
        Ok(_) => Ok(picture),
        // The job was faster, and what it wrote holds.
        Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {
            Ok(store::picture(documents, ticket).await?.ok_or_else(no_media)?.0)
        }
        Err(error) => Err(error.into()),
    }
}
