use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::ports::blobs::ByteStream;

/// What a response carries.
pub enum Body {
    Full(Bytes),
    Stream(ByteStream),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

pub type Response = http::Response<Body>;

/// 200 with a JSON body.
pub fn json(value: &impl Serialize) -> Result<Response> {
    json_with(StatusCode::OK, value)
}

/// A status and a JSON body.
pub fn json_with(status: StatusCode, value: &impl Serialize) -> Result<Response> {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    let mut response = Response::new(Body::Full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 200 with bytes that flow from a store; `length` in bytes when it is known.
pub fn stream(content_type: &str, content: ByteStream, length: Option<u64>) -> Result<Response> {
    let mut response = Response::new(Body::Stream(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(content_type).map_err(Error::internal)?);
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    Ok(response)
}

/// Marks an answer that is for this caller and this moment only.
pub fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
