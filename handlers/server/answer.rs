use std::convert::Infallible;

use futures_util::TryStreamExt;
use http::header::{CONTENT_TYPE, HeaderValue};
use sync_wrapper::SyncStream;
use warp::Reply;

use crate::error::{Code, Error};
use crate::http::{Body, Response, problem};
use crate::types::RequestId;

/// A response in warp's form.
pub fn into_warp(response: Response) -> warp::reply::Response {
    let (parts, body) = response.into_parts();
    let mut reply = match body {
        Body::Full(bytes) => warp::reply::Response::new(bytes.into()),
        Body::Stream(stream) => {
            warp::reply::stream(SyncStream::new(stream.map_err(|error| Box::new(error) as BoxError))).into_response()
        }
    };
    *reply.status_mut() = parts.status;
    *reply.headers_mut() = parts.headers;
    reply
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What answers the host's probe.
pub fn welcome() -> Response {
    let mut response = Response::new(Body::Full(
        concat!("Pravis Boutique API ", env!("CARGO_PKG_VERSION"), ". Documentation: /api/docs\n").into(),
    ));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The problem document for what warp itself rejects. The one filter rejects nothing, so this is the
/// net under it.
pub async fn rejection(rejection: warp::Rejection) -> Result<warp::reply::Response, Infallible> {
    use warp::reject::{
        InvalidHeader, InvalidQuery, LengthRequired, MethodNotAllowed, MissingHeader, PayloadTooLarge,
        UnsupportedMediaType,
    };
    let error = if rejection.is_not_found() {
        Error::not_found("There is nothing under this address.")
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        Error::new(Code::MethodNotAllowed, "This address does not take this method.")
    } else if rejection.find::<PayloadTooLarge>().is_some() {
        Error::new(Code::PayloadTooLarge, "The body is too large.")
    } else if rejection.find::<UnsupportedMediaType>().is_some() {
        Error::new(Code::UnsupportedMediaType, "The media type of the body is not taken here.")
    } else if rejection.find::<InvalidQuery>().is_some()
        || rejection.find::<InvalidHeader>().is_some()
        || rejection.find::<MissingHeader>().is_some()
        || rejection.find::<LengthRequired>().is_some()
    {
        Error::new(Code::MalformedRequest, "The request cannot be read.")
    } else {
        Error::new(Code::Internal, "Something went wrong on our side.")
    };
    let request_id = RequestId::generate();
    tracing::warn!(request_id = %request_id, rejection = ?rejection, "request rejected before its function");
    Ok(into_warp(problem::response(&error, request_id.as_str(), "")))
}
