//! Signed blob URLs of the embedded blob store: what Blob Storage serves in Azure, for one machine.
//! Whole uploads, block uploads (`comp=block`, `comp=blocklist`) and ranged downloads.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{Incoming, body};
use crate::adapters::blobs::DirectoryBlobs;
use crate::adapters::blobs::directory::signing::Right;
use crate::adapters::blobs::rules::limited;
use crate::error::{Code, Error, Result};
use crate::http::cors::Cors;
use crate::http::{Body, Response, problem};
use crate::ports::blobs::{BlobName, BlobStore, ByteStream, PutOptions};
use crate::ports::{PortError, PortErrorKind};
use crate::types::RequestId;

/// A list of blocks: 50 000 ids in XML.
const MAX_BLOCK_LIST: usize = 8 * 1024 * 1024;

/// Answers one request below `/blobs/`.
pub async fn answer<S, B>(blobs: &Arc<DirectoryBlobs>, cors: &Cors, incoming: Incoming<S>) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let headers = incoming.headers.clone();
    let path = incoming.path.clone();
    let id = RequestId::generate();
    let mut response = if incoming.method == Method::OPTIONS {
        cors.preflight(&headers, "GET, HEAD, OPTIONS, PUT")
    } else {
        serve(blobs, incoming).await.unwrap_or_else(|error| {
            tracing::info!(request_id = %id, error = %error.chain(), "signed blob request refused");
            problem::response(&error, id.as_str(), &path)
        })
    };
    cors.apply(&headers, &mut response);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

async fn serve<S, B>(blobs: &Arc<DirectoryBlobs>, incoming: Incoming<S>) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let grant = blobs.authorise(incoming.method.as_str(), &incoming.path, &incoming.query).map_err(|refusal| {
        Error::new(Code::NotPermitted, "The signed address is not valid for this.").with_source(refusal)
    })?;
    match grant.right {
        Right::Read => download(blobs, &grant.blob, &incoming.method, &incoming.headers).await,
        Right::Write { content_type, max_bytes } => upload(blobs, &grant.blob, content_type, max_bytes, incoming).await,
    }
}

async fn upload<S, B>(
    blobs: &Arc<DirectoryBlobs>,
    blob: &BlobName,
    content_type: String,
    max_bytes: u64,
    incoming: Incoming<S>,
) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let query: Vec<(String, String)> = url::form_urlencoded::parse(incoming.query.as_bytes()).into_owned().collect();
    let parameter = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let options = PutOptions { content_type: Some(content_type), ..PutOptions::default() };
    match parameter("comp") {
        None => {
            if incoming.headers.get("x-ms-blob-type").map(HeaderValue::as_bytes) != Some(b"BlockBlob") {
                return Err(Error::field("x-ms-blob-type", "expected BlockBlob"));
            }
            let content = limited(body::all(incoming.body), max_bytes);
            let written = blobs.put(blob, content, options).await.map_err(explain)?;
            created(Some(&written.etag.0))
        }
        Some("block") => {
            let id = parameter("blockid").ok_or_else(|| Error::field("blockid", "expected the id of the block"))?;
            let content = limited(body::all(incoming.body), max_bytes);
            blobs.stage_block(blob, id, content, max_bytes).await.map_err(explain)?;
            created(None)
        }
        Some("blocklist") => {
            let list = body::read(incoming.body, MAX_BLOCK_LIST).await?;
            let ids = block_ids(&list)?;
            let written = blobs.commit_blocks(blob, &ids, options).await.map_err(explain)?;
            created(Some(&written.etag.0))
        }
        Some(_) => Err(Error::field("comp", "expected block or blocklist")),
    }
}

fn created(etag: Option<&str>) -> Result<Response> {
    let mut response = Response::new(Body::Full(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::CREATED;
    if let Some(etag) = etag {
        let value = HeaderValue::from_str(&format!("\"{etag}\"")).map_err(Error::internal)?;
        response.headers_mut().insert(ETAG, value);
    }
    Ok(response)
}

async fn download(
    blobs: &Arc<DirectoryBlobs>,
    blob: &BlobName,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response> {
    let missing = || Error::not_found("There is no such blob.");
    let properties = blobs.properties(blob).await?.ok_or_else(missing)?;
    let range =
        headers.get(RANGE).and_then(|value| value.to_str().ok()).and_then(|text| byte_range(text, properties.size));
    let content = blobs.get(blob, range.clone()).await.map_err(explain)?.ok_or_else(missing)?;
    let stream: ByteStream =
        if *method == Method::HEAD { Box::pin(futures_util::stream::empty()) } else { content.stream };
    let mut response = Response::new(Body::Stream(stream));
    let size = content.properties.size;
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_str(&content.properties.content_type).map_err(Error::internal)?);
    out.insert(ETAG, HeaderValue::from_str(&format!("\"{}\"", content.properties.etag)).map_err(Error::internal)?);
    out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Uploads are not ours: whatever they claim to be, a browser must not run them.
    out.insert("content-security-policy", HeaderValue::from_static("sandbox"));
    match range {
        Some(range) => {
            let end = range.end.min(size);
            out.insert(CONTENT_LENGTH, (end - range.start).into());
            let value = format!("bytes {}-{}/{size}", range.start, end - 1);
            out.insert(CONTENT_RANGE, HeaderValue::from_str(&value).map_err(Error::internal)?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        None => {
            out.insert(CONTENT_LENGTH, size.into());
        }
    }
    Ok(response)
}

/// One range of bytes (RFC 9110 §14.1.2). Anything else is ignored, as the RFC allows.
fn byte_range(text: &str, size: u64) -> Option<std::ops::Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first.is_empty(), last.is_empty()) {
        (true, _) => (size.saturating_sub(last.parse().ok()?), size),
        (false, true) => (first.parse().ok()?, size),
        (false, false) => (first.parse().ok()?, last.parse::<u64>().ok()?.saturating_add(1).min(size)),
    };
    (start < end).then_some(start..end)
}

/// The ids of a block list (Put Block List): the texts of `Latest`, `Uncommitted` and `Committed`.
fn block_ids(list: &[u8]) -> Result<Vec<String>> {
    let malformed = || Error::new(Code::MalformedRequest, "Expected a BlockList in XML.");
    let text = std::str::from_utf8(list).map_err(|_| malformed())?;
    let document = roxmltree::Document::parse(text).map_err(|_| malformed())?;
    let root = document.root_element();
    if root.tag_name().name() != "BlockList" {
        return Err(malformed());
    }
    Ok(root
        .children()
        .filter(|node| node.is_element())
        .filter_map(|node| node.text())
        .map(|id| id.trim().to_owned())
        .collect())
}

fn explain(error: PortError) -> Error {
    match error.kind() {
        PortErrorKind::TooLarge => {
            Error::new(Code::PayloadTooLarge, "The upload is larger than was agreed.").with_source(error)
        }
        PortErrorKind::InvalidRequest => {
            Error::new(Code::MalformedRequest, "The upload cannot be taken as it is.").with_source(error)
        }
        PortErrorKind::Conflict | PortErrorKind::PreconditionFailed => {
            Error::new(Code::Conflict, "The blob is not in a state for this.").with_source(error)
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clipped_or_ignored() {
        assert_eq!(byte_range("bytes=0-9", 100), Some(0..10));
        assert_eq!(byte_range("bytes=90-200", 100), Some(90..100));
        assert_eq!(byte_range("bytes=-10", 100), Some(90..100));
        assert_eq!(byte_range("bytes=50-", 100), Some(50..100));
        for ignored in ["bytes=100-", "bytes=9-3", "bytes=a-b", "items=0-1", "bytes=0-1,4-5"] {
            assert_eq!(byte_range(ignored, 100), None, "{ignored}");
        }
    }

    #[test]
    fn block_lists_are_xml() {
        let list = br#"<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>QQ==</Latest><Uncommitted>Qg==</Uncommitted></BlockList>"#;
        assert_eq!(block_ids(list).unwrap(), ["QQ==", "Qg=="]);
        assert!(block_ids(b"<Other/>").is_err());
        assert!(block_ids(b"nonsense").is_err());
    }
}
