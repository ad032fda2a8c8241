//! The ground rules around every HTTP function, in their order: request id, trusted hop, match, CORS, caller,
//! limits, access, body, idempotency, handler, conditional answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Buf;
use futures_util::{FutureExt, Stream};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use tracing::Instrument;

use super::limits::{self, Counted};
use super::{Incoming, Server, body, client, coded, credentials, refusals, storefront};
use crate::audit::Origin;
use crate::error::{Code, Error, Result};
use crate::function::{Function, HttpTrigger};
use crate::http::idempotency::{Decision, Idempotency, StoredAnswer};
use crate::http::{Body, Client, Request, Response, compression, conditional, problem};
use crate::identity::Caller;
use crate::ports::spent::{self, Spent};
use crate::registry::Match;
use crate::telemetry;
use crate::types::{Network, RequestId, Service};

/// How long a handler may run; shorter than the platform's 230 s and than an idempotency lock.
const HANDLER_TIME_LIMIT: Duration = Duration::from_secs(60);

/// Answers one request below `/api/`.
pub async fn answer<S, B>(server: &Server, incoming: Incoming<S>) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let started = Instant::now();
    let request_id = request_id(&incoming.headers);
    let (method, path, headers) = (incoming.method.clone(), incoming.path.clone(), incoming.headers.clone());
    let matched = server.routes.find(&method, &path);
    let function = match &matched {
        Match::Function { index, .. } => server.registry.functions().get(*index),
        _ => None,
    };
    let name = function.map_or("unmatched", |function| function.name);
    let span = tracing::info_span!("request", request_id = %request_id, function = name, method = %method);
    let front_door = server.state.settings.front_door_id.as_deref();
    let probe = function.and_then(Function::http_trigger).is_some_and(|http| http.probe);
    let trusted = probe || front_door.is_none_or(|id| client::came_by(id, &headers));
    let mut counted = Counted::default();
    let work = async {
        let outcome = match (function, matched) {
            _ if !trusted => Err(Error::new(Code::NotPermitted, "This API is reached by its public address only.")),
            (Some(function), Match::Function { params, .. }) => {
                run(server, function, params, incoming, &request_id, &mut counted).await
            }
            (_, Match::Method { allowed }) if method == Method::OPTIONS => {
                Ok(server.cors.preflight(&headers, &allowed))
            }
            (_, Match::Method { allowed }) => Ok(method_not_allowed(&allowed, &request_id, &path)),
            _ => Err(Error::not_found("There is nothing under this address.")),
        };
        outcome.unwrap_or_else(|error| {
            log_failure(&error);
            problem::response(&error, &request_id, &path)
        })
    }
    .instrument(span.clone());
    let (response, spent) = spent::counted(work).await;
    let response = conditional::not_modified(&method, &headers, compression::with_vary(response));
    let mut response = coded::answer(&server.state, &headers, response).await;
    if method == Method::HEAD {
        response = without_body(response);
    }
    server.cors.apply(&headers, &mut response);
    counted.tell(response.headers_mut());
    let out = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        out.insert("x-request-id", id);
    }
    out.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    let elapsed = started.elapsed();
    if let Ok(timing) = HeaderValue::from_str(&server_timing(elapsed, &spent)) {
        out.insert("server-timing", timing);
    }
    let request_units = spent.values().map(|spent| spent.request_units).fold(0.0, |sum, charge| sum + charge);
    let budget = function.and_then(Function::http_trigger).and_then(|http| http.request_units);
    telemetry::metrics().request(name, &method, response.status(), elapsed);
    span.in_scope(|| {
        if budget.is_some_and(|most| request_units > most) {
            telemetry::metrics().over_budget(name);
            tracing::warn!(request_units, budget, "request cost more than its function may");
        }
        tracing::info!(
            status = response.status().as_u16(),
            duration_ms = elapsed.as_millis() as u64,
            request_units,
            "request answered"
        );
    });
    response
}

/// The time in all and at each service (<https://www.w3.org/TR/server-timing/>), with its calls and price.
fn server_timing(elapsed: Duration, spent: &BTreeMap<&'static str, Spent>) -> String {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let mut timing = format!("total;dur={:.1}", milliseconds(elapsed));
    for (service, spent) in spent {
        let price = if spent.request_units > 0.0 { format!(", {:.2} RU", spent.request_units) } else { String::new() };
        let calls = spent.calls;
        timing += &format!(", {service};dur={:.1};desc=\"{calls} calls{price}\"", milliseconds(spent.time));
    }
    timing
}

async fn run<S, B>(
    server: &Server,
    function: &Function,
    params: Vec<(String, String)>,
    incoming: Incoming<S>,
    request_id: &str,
    counted: &mut Counted,
) -> Result<Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let http = function.http_trigger().ok_or_else(|| Error::not_found("There is nothing under this address."))?;
    let front_door = server.state.settings.front_door_id.is_some();
    let address = client::address(&server.mode, front_door, incoming.peer, &incoming.headers);
    let agent = incoming.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let origin = || Origin::from_parts(address, agent, request_id);
    let caller = match credentials::principal(&server.state, &incoming.headers).await {
        Ok(Some(principal)) => Ok(Caller::Known(principal)),
        Ok(None) => {
            Ok(Caller::Anonymous { tenant: storefront::tenant(&server.state, function, &incoming.headers).await })
        }
        Err(error) => Err(error),
    };
    limits::count(&server.state, http.limit, caller.as_ref().ok(), Network::of(address), counted).await?;
    let caller = caller.inspect_err(|error| refusals::token(server, origin, error))?;
    http.access.check(&caller).inspect_err(|error| refusals::access(server, &caller, function.name, origin, error))?;
    // Health is told without looking anything up.
    if function.service != Service::Ops {
        server.state.check_open(caller.tenant()).await?;
    }
    check_accept(http, &incoming.headers)?;
    let declared =
        incoming.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > http.body_limit as u64) {
        body::discard(incoming.body).await;
        return Err(body::too_large(http.body_limit));
    }
    let expected = match declared {
        Some(length) => length as usize,
        // Only a body that may come undeclared (chunked, or over HTTP/2) can be as large as the limit.
        None if incoming.method == Method::GET || incoming.method == Method::HEAD => 0,
        None => http.body_limit,
    };
    let _room = server.bodies.take(expected).await?;
    let body = body::read(incoming.body, http.body_limit).await?;
    let request = Request {
        id: request_id.to_owned(),
        method: incoming.method,
        path: incoming.path,
        params,
        query: incoming.query,
        headers: incoming.headers,
        caller,
        client: Client { address },
        body,
    };
    match Idempotency::key_of(&request)? {
        Some(key) if http.idempotent => once(server, function, http, request, &key).await,
        _ => call(server, http, request).await,
    }
}

/// Runs a function under an idempotency key.
async fn once(
    server: &Server,
    function: &Function,
    http: &HttpTrigger,
    request: Request,
    key: &str,
) -> Result<Response> {
    let idempotency = server.state.idempotency();
    let claim = match idempotency.begin(function.name, key, &request).await? {
        Decision::Replay(response) => return Ok(response),
        Decision::Run(claim) => claim,
    };
    match call(server, http, request).await {
        Ok(response) => {
            let kept = StoredAnswer::of(&response);
            idempotency.finish(claim, kept).await?;
            Ok(response)
        }
        Err(error) => {
            if let Err(abandoning) = idempotency.abandon(claim).await {
                tracing::warn!(error = %abandoning.chain(), "idempotency key not freed; it frees itself");
            }
            Err(error)
        }
    }
}

/// Runs the handler within its time; a panic in it is a fault of ours, told like any other.
async fn call(server: &Server, http: &HttpTrigger, request: Request) -> Result<Response> {
    let handler = (http.handler)(server.state.clone(), request);
    let guarded = std::panic::AssertUnwindSafe(handler).catch_unwind();
    match tokio::time::timeout(HANDLER_TIME_LIMIT, guarded).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Error::new(Code::Internal, "Something went wrong on our side.")),
        Err(_) => Err(Error::new(Code::TimedOut, "The request took too long.")),
    }
}

/// Refuses a caller that takes none of the forms the function can answer in.
fn check_accept(http: &HttpTrigger, headers: &HeaderMap) -> Result<()> {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return Ok(()) };
    // An empty list says nothing (RFC 9110 §12.5.1).
    if accept.trim().is_empty() {
        return Ok(());
    }
    let forms: Vec<&str> =
        http.operation.answers.iter().filter_map(|answer| Some(answer.content.as_ref()?.media_type)).collect();
    if forms.is_empty() || forms.iter().any(|form| accepts(accept, form)) {
        return Ok(());
    }
    Err(Error::new(Code::NotAcceptable, format!("The answer can be {}.", forms.join(" or "))))
}

/// Whether an `Accept` header takes a media type (RFC 9110 §12.5.1), weights of zero respected.
fn accepts(accept: &str, media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or(media_type).trim();
    let major = essence.split('/').next().unwrap_or(essence);
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused =
            parts.any(|parameter| matches!(parameter.strip_prefix("q="), Some(weight) if weight.parse() == Ok(0.0)));
        !refused && (name == "*/*" || name == essence || name.strip_suffix("/*") == Some(major))
    })
}

fn method_not_allowed(allowed: &str, request_id: &str, path: &str) -> Response {
    let error = Error::new(Code::MethodNotAllowed, format!("This address takes {allowed}."));
    let mut response = problem::response(&error, request_id, path);
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// The answer to `HEAD`: the head of the answer to `GET`.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Body::Full(bytes) = body
        && parts.status == StatusCode::OK
        && parts.headers.contains_key(CONTENT_TYPE)
    {
        parts.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
    }
    Response::from_parts(parts, Body::Full(bytes::Bytes::new()))
}

/// The caller's own id when it is sane, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        })
        .map_or_else(|| RequestId::generate().to_string(), str::to_owned)
}

fn log_failure(error: &Error) {
    if problem::status(error.code()).is_server_error() {
        tracing::error!(code = %problem::code_text(error.code()), error = %error.chain(), "request failed");
    } else {
        tracing::info!(code = %problem::code_text(error.code()), error = %error.chain(), "request refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_ranges_are_understood() {
        assert!(accepts("application/json", "application/json"));
        assert!(accepts("text/html, */*;q=0.1", "application/json"));
        assert!(accepts("audio/*", "audio/ogg; codecs=opus"));
        assert!(!accepts("text/html", "application/json"));
        assert!(!accepts("application/json;q=0", "application/json"));
    }

    #[test]
    fn the_timing_names_each_service() {
        let cosmos = Spent { calls: 2, time: Duration::from_millis(3), request_units: 6.9 };
        let blobs = Spent { calls: 1, time: Duration::from_micros(1500), request_units: 0.0 };
        assert_eq!(
            server_timing(Duration::from_millis(12), &BTreeMap::from([("cosmos", cosmos), ("blobs", blobs)])),
            r#"total;dur=12.0, blobs;dur=1.5;desc="1 calls", cosmos;dur=3.0;desc="2 calls, 6.90 RU""#
        );
    }

    #[test]
    fn only_a_sane_request_id_is_kept() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_str(id).unwrap());
            request_id(&headers)
        };
        assert_eq!(with("abc-1.2_3"), "abc-1.2_3");
        assert!(with("a b").starts_with("req_"));
        assert!(with(&"x".repeat(65)).starts_with("req_"));
    }
}
