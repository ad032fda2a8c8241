//! Answers `POST /<FunctionName>` of the Functions host. Everything from outside comes under the route
//! prefix `/api/`; but a host that forwards reads the path again as a .NET `Uri`, where
//! `/api/..%5CName` becomes `/Name`, so an invocation must also come as only the host itself sends it:
//! see [`invoked`].
//!
//! The host hangs on an empty 2xx answer and fails on one that is not JSON, so every answer is a JSON
//! object; any other status is a failed invocation, which the host delivers again.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;
use tracing::Instrument;

use super::envelope::{self, EnvelopeError};
use crate::error::{Code, Error, Result};
use crate::function::{Function, Outcome, Trigger};
use crate::http::{Body, Response};
use crate::ports::blobs::ByteStream;
use crate::ports::spent;
use crate::registry::{Registry, trigger_name};
use crate::state::AppState;
use crate::telemetry;

/// A payload larger than this is refused: tickets and messages are small, and the change feed is
/// handed over in at most 100 documents at a time.
const MAX_PAYLOAD: usize = 64 * 1024 * 1024;

/// What a request bears that came through a proxy, and so from outside.
const SIGNS_OF_OUTSIDE: [&str; 4] = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"];

/// The function that a request of the host fires: `POST` to exactly its name, addressed to this process
/// itself, which listens on `port`. What the host passes on from outside bears the address that the client
/// called (when it forwards), or `X-Forwarded-*` (when it proxies; also from the platform's front end).
pub fn invoked<'a>(
    registry: &'a Registry,
    port: u16,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Option<&'a Function> {
    let function = registry.get(path.strip_prefix('/')?).filter(|function| function.http_trigger().is_none())?;
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let local = host.strip_prefix("127.0.0.1:").is_some_and(|text| text.parse() == Ok(port));
    let outside = SIGNS_OF_OUTSIDE.iter().any(|name| headers.contains_key(*name));
    (method == Method::POST && local && !outside).then_some(function)
}

/// Runs a function with the payload of its invocation.
pub async fn answer(state: &AppState, function: &Function, body: ByteStream) -> Response {
    match read(body).await {
        Ok(payload) => match invoke(state, function, &payload).await {
            Ok(outcome) => reply(StatusCode::OK, &outcome.summary),
            Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, "the invocation failed; see the log"),
        },
        Err(error) => {
            tracing::error!(function = function.name, error = %error.chain(), "payload not read");
            reply(StatusCode::BAD_REQUEST, "the payload cannot be read")
        }
    }
}

/// Decodes the payload for the function's trigger and runs its handler.
async fn invoke(state: &AppState, function: &Function, payload: &[u8]) -> Result<Outcome> {
    let run = async {
        match &function.trigger {
            Trigger::Blob { handler, .. } => handler(state.clone(), envelope::blob(payload).map_err(unreadable)?).await,
            Trigger::Timer { handler, .. } => {
                handler(state.clone(), envelope::timer(payload).map_err(unreadable)?).await
            }
            Trigger::Queue { handler, .. } => {
                handler(state.clone(), envelope::queue(payload).map_err(unreadable)?).await
            }
            Trigger::ChangeFeed { handler, .. } => {
                handler(state.clone(), envelope::documents(payload).map_err(unreadable)?).await
            }
            Trigger::StorageEvents { handler } => match envelope::storage_event(payload).map_err(unreadable)? {
                Some(event) => handler(state.clone(), event).await,
                None => Ok(Outcome::of("an event of another kind")),
            },
            Trigger::Http(_) => Err(Error::not_found("there is no such function")),
        }
    };
    observed(function, run).await
}

/// Runs an invocation with its log lines; a panic in it is a failure like any other.
pub async fn observed(function: &Function, run: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    let started = Instant::now();
    let span = tracing::info_span!("invocation", function = function.name, trigger = trigger_name(&function.trigger));
    async {
        let (outcome, spent) = spent::counted(std::panic::AssertUnwindSafe(run).catch_unwind()).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::new(Code::Internal, "the handler panicked")));
        let elapsed = started.elapsed();
        telemetry::metrics().invocation(function.name, outcome.is_ok(), elapsed);
        let duration_ms = elapsed.as_millis() as u64;
        let request_units = spent.values().map(|spent| spent.request_units).sum::<f64>();
        match &outcome {
            Ok(outcome) => tracing::info!(duration_ms, request_units, summary = %outcome.summary, "invocation done"),
            Err(error) => tracing::error!(duration_ms, request_units, error = %error.chain(), "invocation failed"),
        }
        outcome
    }
    .instrument(span)
    .await
}

fn unreadable(error: EnvelopeError) -> Error {
    Error::new(Code::MalformedRequest, "the payload is not an invocation of this function").with_source(error)
}

/// Reads a chunked payload by counting bytes: the host declares no length.
async fn read(mut body: ByteStream) -> Result<Bytes> {
    let mut payload = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if payload.len() + chunk.len() > MAX_PAYLOAD {
            return Err(Error::new(Code::PayloadTooLarge, "the payload is too large"));
        }
        payload.extend_from_slice(&chunk);
    }
    Ok(payload.freeze())
}

fn reply(status: StatusCode, log: &str) -> Response {
    let body = json!({ "Outputs": {}, "Logs": [log], "ReturnValue": null }).to_string();
    let mut response = Response::new(Body::Full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
