//! Conditional requests (RFC 9110 §13): strong entity tags, 304 and 412.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::compression::is_form_of;
use super::{Body, Request, Response};
use crate::error::{Error, Result};
use crate::ports::{Condition, ETag};

/// Gives a response the entity tag of the document that it shows.
pub fn with_etag(mut response: Response, etag: &ETag) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// Gives a response the hash of its body as entity tag: for answers that are computed.
pub fn with_content_etag(response: Response) -> Response {
    let Body::Full(body) = response.body() else { return response };
    let etag = content_etag(body);
    with_etag(response, &etag)
}

/// The hash of a content as its entity tag.
pub fn content_etag(content: &[u8]) -> ETag {
    let hash = digest::digest(&digest::SHA256, content);
    ETag(URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]))
}

/// The condition that `If-Match` puts on a write.
///
/// # Errors
/// A field error unless the header is `*` or one strong entity tag.
pub fn if_match(request: &Request) -> Result<Condition> {
    let Some(value) = request.headers.get(IF_MATCH) else { return Ok(Condition::None) };
    match value.to_str().map(str::trim) {
        Ok("*") => Ok(Condition::None),
        Ok(tag)
            if tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"') && !tag[1..tag.len() - 1].contains('"') =>
        {
            Ok(Condition::IfMatch(ETag(tag[1..tag.len() - 1].to_owned())))
        }
        _ => Err(Error::field("If-Match", "expected one entity tag in quotes, as a response gave it, or *")),
    }
}

/// Whether the caller names what an entity tag names, so that the answer to its read becomes 304 whatever it holds.
pub fn is_known(request: &HeaderMap, etag: &ETag) -> bool {
    let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) else { return false };
    matching(request, &etag).is_some_and(|tag| tag != "*")
}

/// The tag of `If-None-Match` that names the answer with this one.
fn matching<'a>(request: &'a HeaderMap, etag: &HeaderValue) -> Option<&'a str> {
    // Several headers are one list (RFC 9110 §5.3). The comparison is weak (§13.1.2), and the CDN may
    // have weakened our tag.
    let known = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|list| list.split(',')).map(str::trim);
    tags.find(|tag| *tag == "*" || is_form_of(tag.trim_start_matches("W/"), etag))
}

/// Turns a successful answer to a read into 304 when the caller already has it.
pub fn not_modified(method: &Method, request: &HeaderMap, response: Response) -> Response {
    let is_read = method == Method::GET || method == Method::HEAD;
    if !is_read || response.status() != StatusCode::OK {
        return response;
    }
    let Some(etag) = response.headers().get(ETAG).cloned() else { return response };
    let Some(matching) = matching(request, &etag) else { return response };
    // The caller has one form of the answer, and that is what its tag names.
    let held = HeaderValue::from_str(matching.trim_start_matches("W/")).ok().filter(|tag| *tag != "*");
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.insert(ETAG, held.unwrap_or(etag));
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::Full(bytes::Bytes::new()))
}
