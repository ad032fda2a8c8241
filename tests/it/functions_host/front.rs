//! The host's listener for the outside: finds the function by its route, books the request under it, and
//! forwards or proxies it to the handler.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::payload::guid;
use super::{HttpMode, Shared, VERSION, routing};
use crate::support::process::{OutBody, send, sized};

/// The largest body that the host takes (`DefaultMaxRequestBodySize`).
const MAX_BODY: u64 = 104_857_600;

/// Headers that end at each hop (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request from outside that went to a function.
#[derive(Clone, Debug)]
pub struct Booking {
    pub function: String,
    pub method: Method,
    /// As the client sent it.
    pub target: String,
    /// As the handler got it.
    pub forwarded: String,
    /// `None` when the handler did not answer.
    pub status: Option<StatusCode>,
}

/// Serves the outside until it is dropped.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        let shared = shared.clone();
        let service = service_fn(move |request| {
            let shared = shared.clone();
            async move { Ok::<_, std::convert::Infallible>(answer(&shared, request, peer).await) }
        });
        connections.spawn(async move {
            // A client that breaks off is no concern of the host.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>, peer: std::net::SocketAddr) -> Response<Full<Bytes>> {
    let Some(path) = routing::request_path(request.uri().path()) else {
        return own(StatusCode::BAD_REQUEST, "");
    };
    let Some(function) = routing::route(&shared.root, request.method(), &path) else {
        return match path == "/" && request.method() == Method::GET {
            true => own(StatusCode::OK, "Your Functions 4.0 app is up and running"),
            false => own(StatusCode::NOT_FOUND, ""),
        };
    };
    let (method, target) = (request.method().clone(), request.uri().to_string());
    let (parts, body) = request.into_parts();
    let length: u64 = number(&parts.headers, CONTENT_LENGTH);
    if length > MAX_BODY {
        return own(StatusCode::PAYLOAD_TOO_LARGE, "");
    }
    if shared.mode == HttpMode::Forwarding && parts.headers.contains_key(TRANSFER_ENCODING) {
        return own(StatusCode::INTERNAL_SERVER_ERROR, "a chunked request has no content object");
    }
    let Ok(body) = body.collect().await else { return own(StatusCode::BAD_REQUEST, "") };
    let body = body.to_bytes();
    let address = shared.worker.address().await;
    let host = address.map(|address| address.to_string()).unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let outgoing = match shared.mode {
        HttpMode::Forwarding => forwarded(&parts, &path, query, body),
        HttpMode::Proxying => proxied(&parts, &path, query, body, &host, peer),
    };
    let forwarded = outgoing.uri().to_string();
    let answered = match address {
        Some(address) => send(address, outgoing).await.ok(),
        None => None,
    };
    let status = answered.as_ref().map(|answer| answer.status);
    let booking = Booking { function: function.name.clone(), method, target, forwarded, status };
    shared.bookings.lock().unwrap().push(booking);
    let Some(answered) = answered else { return own(StatusCode::BAD_GATEWAY, "") };
    let mut response = Response::new(Full::new(answered.body));
    *response.status_mut() = answered.status;
    *response.headers_mut() = answered.headers;
    HOP_BY_HOP.iter().for_each(|name| drop(response.headers_mut().remove(*name)));
    response
}

/// `ToHttpRequestMessage`: the path as .NET's `Uri` reads it, the query rebuilt, the host kept, of the
/// headers on content only type and length, and the body only when a length says that there is one.
fn forwarded(parts: &http::request::Parts, path: &str, query: &str, body: Bytes) -> Request<OutBody> {
    let query = routing::forwarded_query(query);
    let separator = if query.is_empty() { "" } else { "?" };
    let target = format!("{}{separator}{query}", routing::forwarded_path(path));
    let mut headers = end_to_end(&parts.headers);
    let content = |name: &HeaderName| name.as_str().starts_with("content-") && name != CONTENT_TYPE;
    let dropped: Vec<HeaderName> = headers.keys().filter(|name| content(name)).cloned().collect();
    dropped.iter().for_each(|name| drop(headers.remove(name)));
    // Appended, not set: what the outside sent under these names is still there, and first.
    headers.append("x-azure-functions-hostversion", HeaderValue::from_static(VERSION));
    headers.append("x-azure-functions-invocationid", HeaderValue::from_str(&guid()).unwrap());
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = format!("{agent} Azure-Functions-Host/{VERSION}");
    headers.insert(USER_AGENT, HeaderValue::from_str(agent.trim()).unwrap());
    let body = if number(&parts.headers, CONTENT_LENGTH) > 0 { body } else { Bytes::new() };
    built(parts, &target, headers, body)
}

/// YARP's direct forwarder with its default transforms: the query verbatim, the forwarding headers
/// overwritten with the host's own view, the host that of the handler.
fn proxied(
    parts: &http::request::Parts,
    path: &str,
    query: &str,
    body: Bytes,
    host: &str,
    peer: std::net::SocketAddr,
) -> Request<OutBody> {
    let separator = if query.is_empty() { "" } else { "?" };
    let target = format!("{}{separator}{query}", routing::proxied_path(path));
    let mut headers = end_to_end(&parts.headers);
    headers.remove(CONTENT_LENGTH);
    let original = headers.insert(HOST, HeaderValue::from_str(host).unwrap());
    let id = HeaderValue::from_str(&guid()).unwrap();
    headers.insert("x-azure-functions-hostversion", HeaderValue::from_static(VERSION));
    headers.insert("x-azure-functions-invocationid", id.clone());
    headers.insert("x-ms-invocation-id", id);
    headers.insert("x-forwarded-for", HeaderValue::from_str(&peer.ip().to_string()).unwrap());
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Some(original) = original {
        headers.insert("x-forwarded-host", original);
    }
    built(parts, &target, headers, body)
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(*name)));
    headers
}

fn built(parts: &http::request::Parts, target: &str, headers: HeaderMap, body: Bytes) -> Request<OutBody> {
    let mut request = Request::new(sized(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = target.parse().unwrap();
    *request.headers_mut() = headers;
    request
}

fn number(headers: &HeaderMap, name: HeaderName) -> u64 {
    headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// An answer of the host itself.
fn own(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
