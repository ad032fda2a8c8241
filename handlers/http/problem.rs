use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Response};
use crate::error::{Code, Error, ExceededLimit, FieldError, Shortage};

/// The body of every answer that is not a success (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:pravis:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// For programs: one of a closed set.
    pub code: Code,
    /// Quote it when you report the problem.
    pub request_id: String,
    /// What is wrong with single fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Which limit was exceeded, what is left of it, and when to come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<ExceededLimit>,
    /// What there is too little of, and what could be had instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortage: Option<Shortage>,
}

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What `Retry-After` says where nothing better is known.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// The HTTP status that tells of a code.
pub const fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedRequest => StatusCode::BAD_REQUEST,
        Code::ValidationFailed | Code::IdempotencyKeyReused | Code::RecordingRejected => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::NotAuthenticated | Code::InvalidToken | Code::InvalidCredentials => StatusCode::UNAUTHORIZED,
        Code::NotPermitted | Code::AccountClosing => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::Conflict | Code::OutOfStock | Code::RequestInProgress => StatusCode::CONFLICT,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code in a few words.
pub const fn title(code: Code) -> &'static str {
    match code {
        Code::MalformedRequest => "The request cannot be read",
        Code::ValidationFailed => "The request breaks a rule",
        Code::NotAuthenticated => "Not signed in",
        Code::InvalidToken => "The access token is not accepted",
        Code::InvalidCredentials => "Wrong email or password",
        Code::AccountClosing => "The account is about to be erased",
        Code::NotPermitted => "Not permitted",
        Code::NotFound => "Not found",
        Code::MethodNotAllowed => "The method is not allowed here",
        Code::NotAcceptable => "No acceptable form of the answer",
        Code::RequestTimeout => "The request did not arrive in time",
        Code::Conflict => "It conflicts with what is there",
        Code::OutOfStock => "There are not enough pieces",
        Code::PreconditionFailed => "It was changed meanwhile",
        Code::PreconditionRequired => "The version that is meant has to be named",
        Code::PayloadTooLarge => "The body is too large",
        Code::UnsupportedMediaType => "The media type is not supported",
        Code::IdempotencyKeyReused => "The idempotency key was used for another request",
        Code::RequestInProgress => "The same request is still running",
        Code::TooManyRequests => "Too many requests",
        Code::RecordingRejected => "The recording cannot be used",
        Code::Unavailable => "Not available now",
        Code::TimedOut => "It took too long",
        Code::Internal => "Internal error",
    }
}

/// The wire form of a code.
pub fn code_text(code: Code) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The problem document for an error, as a response to the request `request_id` for `path`.
pub fn response(error: &Error, request_id: &str, path: &str) -> Response {
    let code = error.code();
    let problem = Problem {
        kind: format!("urn:pravis:problem:{}", code_text(code)),
        title: title(code).to_owned(),
        status: status(code).as_u16(),
        detail: error.detail().to_owned(),
        instance: path.to_owned(),
        code,
        request_id: request_id.to_owned(),
        errors: error.field_errors().to_vec(),
        limit: error.limit().cloned(),
        shortage: error.shortage().cloned(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::Full(body.into()));
    *response.status_mut() = status(code);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 6750 §3: what is asked for, and why a token that was sent is not accepted.
    match code {
        Code::NotAuthenticated | Code::InvalidCredentials => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Code::InvalidToken => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="invalid_token""#));
        }
        _ => {}
    }
    // These always say when to come again.
    let asks_to_wait = matches!(code, Code::TooManyRequests | Code::Unavailable);
    if let Some(delay) = error.retry_after().or(asks_to_wait.then_some(RETRY_AFTER_DEFAULT)) {
        headers.insert(RETRY_AFTER, delay.as_secs().max(1).into());
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_all_different_and_tell_of_failures() {
        let texts: BTreeSet<String> = Code::ALL.iter().map(|&code| code_text(code)).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|&code| status(code).is_client_error() || status(code).is_server_error()));
    }

    #[test]
    fn who_is_to_wait_is_told_how_long() {
        for code in Code::ALL {
            let waits = matches!(status(code).as_u16(), 429 | 503);
            let response = response(&Error::new(code, "…"), "req_1", "/api/v1/x");
            assert_eq!(response.headers().contains_key(RETRY_AFTER), waits, "{code:?}");
        }
    }

    #[test]
    fn the_cause_never_reaches_the_caller() {
        let error = Error::internal(std::io::Error::other("password=hunter2"));
        let response = response(&error, "req_1", "/api/v1/x");
        let Body::Full(body) = response.body() else { panic!("a problem is not streamed") };
        assert!(!String::from_utf8_lossy(body).contains("hunter2"));
        assert!(error.chain().contains("hunter2"));
    }
}
