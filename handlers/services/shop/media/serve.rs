//! Pictures go out. A name is the hash of its bytes, so whoever has them once needs to ask no more; a CDN in front
//! keeps them for good (`MEDIA_BASE_URL`).

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};

use super::renditions::encoding_of;
use crate::containers::MEDIA;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::http::conditional::{is_known, with_etag};
use crate::http::{Body, Request, Response, stream};
use crate::pictures::Encoding;
use crate::ports::ETag;
use crate::ports::blobs::BlobName;
use crate::state::AppState;
use crate::types::{Service, TenantId};

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let mut row = Function::http("ShopMediaFile", Service::Shop, Method::GET, "v1/media/{tenant}/{name}", file)
        .summary("Gives a file of a picture; never changes.");
    for encoding in Encoding::ALL {
        row = row.answers_bytes(StatusCode::OK, "The file.", encoding.media_type());
    }
    vec![row.into()]
}

async fn file(state: AppState, request: Request) -> Result<Response> {
    let missing = || Error::not_found("There is no such picture.");
    let tenant: TenantId = request.param("tenant")?;
    let name: String = request.param("name")?;
    let encoding = encoding_of(&name).ok_or_else(missing)?;
    let etag = ETag(name.clone());
    let mut response = if is_known(&request.headers, &etag) {
        // It is the same for ever: no store is asked, and the answer becomes 304.
        Response::new(Body::Full(Bytes::new()))
    } else {
        let blob = BlobName::new(MEDIA, format!("{tenant}/{name}"));
        let content = state.blobs.get(&blob, None).await?.ok_or_else(missing)?;
        stream(encoding.media_type(), content.stream, Some(content.properties.size))?
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(with_etag(response, &etag))
}
