//! The pictures of a product: listed for shoppers, and followed, put into order and deleted by staff.

use chrono::{DateTime, Utc};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::jobs;
use super::listed::Shelf;
use super::model::{Picture, PictureReason, PictureStatus, PictureTicket};
use super::{renditions, store};
use crate::caching::Change;
use crate::catalogue::{PictureSource, ProductPicture};
use crate::error::{Error, Result};
use crate::function::{Access, Function};
use crate::http::caching::{cacheable, tagged, with_cache_status};
use crate::http::conditional::with_content_etag;
use crate::http::{Request, Response, json, no_store};
use crate::identity::Permission;
use crate::ports::PortErrorKind;
use crate::services::shop::products::{LanguageQuery, no_product, picture_example};
use crate::services::shop::query::language;
use crate::services::shop::snapshot_and_status;
use crate::services::shop::view::PictureView;
use crate::state::AppState;
use crate::types::{LocalisedText, MediaId, ProductId, Service};

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let staff = Access::May(Permission::ManageCatalogue);
    let list = || json!({ "items": [media_example()] });
    vec![
        Function::http("ShopMediaDelete", Service::Shop, Method::DELETE, "v1/products/{id}/media/{media}", delete)
            .access(staff)
            .summary("Takes a picture from a product.")
            .answers::<MediaDeleted>(
                StatusCode::OK,
                "The product shows it no more.",
                json!({ "success": true, "id": "med_01KAXQ8W0V7D3T4Z5J6N8P9R2S" }),
            )
            .into(),
        Function::http("ShopMediaGet", Service::Shop, Method::GET, "v1/products/{id}/media/{media}", get)
            .access(staff)
            .summary("Tells how far a picture is, and why it was refused.")
            .answers::<MediaView>(StatusCode::OK, "The picture.", media_example())
            .into(),
        Function::http("ShopMediaList", Service::Shop, Method::GET, "v1/products/{id}/media", list_media)
            .summary("Lists the pictures of a product in their order; for its staff, those that are not ready too.")
            .query::<LanguageQuery>()
            .answers::<MediaList>(StatusCode::OK, "The pictures.", list())
            .into(),
        Function::http("ShopMediaOrder", Service::Shop, Method::PUT, "v1/products/{id}/media", reorder)
            .access(staff)
            .summary("Puts the pictures of a product into another order.")
            .takes::<OrderMedia>("application/json", json!({ "order": ["med_01KAXQ8W0V7D3T4Z5J6N8P9R2S"] }))
            .answers::<MediaList>(StatusCode::OK, "The pictures in their new order.", list())
            .into(),
    ]
}

/// A picture for descriptions of the API.
pub fn media_example() -> Value {
    json!({
        "id": "med_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "ready", "position": 0, "picture": picture_example(),
        "altTexts": null, "contentType": null, "byteSize": null, "createdAt": null, "finishedAt": null, "reason": null
    })
}

/// A picture of a product. What is told beside `picture` and `status` is told to staff only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MediaView {
    pub id: String,
    pub status: PictureStatus,
    position: Option<u32>,
    /// Once it is ready.
    picture: Option<PictureView>,
    /// The texts in all languages.
    alt_texts: Option<LocalisedText>,
    /// As it was announced.
    content_type: Option<String>,
    byte_size: Option<u64>,
    created_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// Why it was rejected or failed.
    reason: Option<PictureReason>,
}

impl MediaView {
    /// A picture as its product lists it, which is ready.
    fn listed(picture: &ProductPicture, view: PictureView) -> Self {
        Self {
            id: picture.id.to_string(),
            status: PictureStatus::Ready,
            position: Some(picture.position),
            picture: Some(view),
            alt_texts: None,
            content_type: None,
            byte_size: None,
            created_at: None,
            finished_at: None,
            reason: None,
        }
    }

    /// A picture for staff.
    pub fn of(state: &AppState, picture: Picture) -> Self {
        let view = (picture.status == PictureStatus::Ready).then(|| {
            let located = |source: &PictureSource| PictureSource {
                url: format!("{}/{}", state.settings.media_url, source.path),
                ..source.clone()
            };
            let listed = ProductPicture {
                id: picture.media_id.clone(),
                position: 0,
                alt: picture.alt.clone(),
                sources: picture.sources.iter().map(located).collect(),
            };
            PictureView::of(&listed, Default::default())
        });
        Self {
            id: picture.media_id.to_string(),
            status: picture.status,
            position: picture.position,
            picture: view,
            alt_texts: Some(picture.alt),
            content_type: Some(picture.content_type),
            byte_size: Some(picture.byte_size),
            created_at: Some(picture.created_at),
            finished_at: picture.finished_at,
            reason: picture.reason,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct MediaList {
    items: Vec<MediaView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderMedia {
    /// Every picture that the product shows, once.
    #[schema(value_type = Vec<String>)]
    order: Vec<MediaId>,
}

#[derive(Serialize, ToSchema)]
struct MediaDeleted {
    success: bool,
    id: String,
}

/// The ticket of the picture that a request names: the tenant comes from the token.
pub fn ticket(request: &Request) -> Result<PictureTicket> {
    let tenant_id = request.principal()?.tenant.clone();
    Ok(PictureTicket { tenant_id, product_id: request.param("id")?, media_id: request.param("media")? })
}

pub fn no_media() -> Error {
    Error::not_found("There is no such picture.")
}

async fn list_media(state: AppState, request: Request) -> Result<Response> {
    let query: LanguageQuery = request.query()?;
    let language = language(&request, query.lang.as_deref())?;
    let product: ProductId = request.param("id")?;
    if request.caller.principal().is_some_and(|principal| principal.may(Permission::ManageCatalogue)) {
        return staff_list(&state, &request, &product).await;
    }
    let tenant = request.caller.tenant();
    let (catalogue, status) = snapshot_and_status(&state, tenant).await?;
    let product = catalogue.get(&product).ok_or_else(no_product)?;
    let view = |picture: &ProductPicture| MediaView::listed(picture, PictureView::of(picture, language));
    let response = json(&MediaList { items: product.pictures.iter().map(view).collect() })?;
    let response = with_cache_status(with_content_etag(response), status);
    let response = tagged(response, &[Change::catalogue(tenant).tag()]);
    Ok(cacheable(response, &request, query.lang.is_some(), "Accept-Language, Authorization"))
}

/// The pictures that the product shows, in its order, and then the others by their age.
async fn staff_list(state: &AppState, request: &Request, product: &ProductId) -> Result<Response> {
    let tenant = request.caller.tenant();
    let shelf = Shelf { state, tenant, product };
    let listed = shelf.pictures().await?.ok_or_else(no_product)?;
    let mut known = store::pictures(state.documents.as_ref(), tenant, product).await?;
    let place = |id: &MediaId| listed.iter().position(|picture| picture.id == *id).unwrap_or(usize::MAX);
    // Stable, and they come by their age.
    known.sort_by_key(|picture| place(&picture.media_id));
    let view = |mut picture: Picture| {
        let shown = listed.iter().find(|shown| shown.id == picture.media_id);
        picture.position = shown.map(|shown| shown.position).or(picture.position);
        MediaView::of(state, picture)
    };
    Ok(no_store(json(&MediaList { items: known.into_iter().map(view).collect() })?))
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let (picture, _) = store::picture(state.documents.as_ref(), &ticket).await?.ok_or_else(no_media)?;
    let pending = !picture.status.is_final();
    let mut response = no_store(json(&MediaView::of(&state, picture))?);
    if pending {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

async fn reorder(state: AppState, request: Request) -> Result<Response> {
    let product: ProductId = request.param("id")?;
    let asked: OrderMedia = request.json()?;
    let tenant = request.principal()?.tenant.clone();
    let shelf = Shelf { state: &state, tenant: &tenant, product: &product };
    shelf.reorder(&asked.order).await?.ok_or_else(no_product)?;
    staff_list(&state, &request, &product).await
}

/// Takes the picture's document first: a job that is at work then finds it gone, and takes back what it entered
/// into the product. The files are left to the sweep, for another product may show them too.
async fn delete(state: AppState, request: Request) -> Result<Response> {
    let ticket = ticket(&request)?;
    let was_known = match store::picture_delete(state.documents.as_ref(), &ticket).await {
        Ok(()) => true,
        Err(error) if error.kind() == PortErrorKind::NotFound => false,
        Err(error) => return Err(error.into()),
    };
    let shelf = Shelf { state: &state, tenant: &ticket.tenant_id, product: &ticket.product_id };
    // Also when an earlier call died in between.
    let removed = shelf.remove(&ticket.media_id).await?;
    if !was_known && removed.is_none() {
        return Err(no_media());
    }
    // Pages that are open still show them for a while.
    for source in removed.iter().flat_map(|picture| &picture.sources) {
        if let Err(error) = renditions::renew(&state, &source.path).await {
            tracing::warn!(path = source.path, error = %error.chain(), "a file without a picture goes at the next sweep");
        }
    }
    jobs::remove_blobs(&state, &ticket).await?;
    Ok(no_store(json(&MediaDeleted { success: true, id: ticket.media_id.to_string() })?))
}
