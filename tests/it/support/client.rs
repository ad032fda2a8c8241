//! A client that speaks as one kind of caller, and checks on every answer what no single test
//! would think of.

use std::future::IntoFuture;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pravis::error::Code;
use pravis::http::{Problem, problem};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing in the product may take longer than this in a test.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Names that a standard or the storefront asks for: OAuth 2.0's token response (RFC 6749 §5.1), the peaks of
/// audiowaveform, languages (BCP 47).
pub const FOREIGN_NAMES: [&str; 11] = [
    "access_token",
    "refresh_token",
    "device_token",
    "token_type",
    "expires_in",
    "user_id",
    "sample_rate",
    "samples_per_pixel",
    "en-IN",
    "hi-IN",
    "te-IN",
];

/// Words that tell of our inside; none of them belongs into an answer about a failure.
const INTERNAL_WORDS: [&str; 12] = [
    "panicked",
    "sqlite",
    "rusqlite",
    ".rs:",
    "handlers/",
    "unwrap",
    "backtrace",
    "/tmp",
    "tokio",
    "serde",
    "documents.db",
    "poisoned",
];

/// One caller.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A stranger at the address of this machine that `from` says.
    pub fn new(server: SocketAddr, from: Option<IpAddr>) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .local_address(from)
            .timeout(TIME_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, base: format!("http://{server}"), token: None }
    }

    /// The same caller with an access token.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().expect("this caller is nobody")
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A request for a path below the server, or for a whole address that the server gave.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Call { http: self.http.clone(), request }
    }
}

/// A request that is being made; awaiting it sends it.
pub struct Call {
    http: reqwest::Client,
    request: reqwest::RequestBuilder,
}

impl Call {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request = self.request.header(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.request = self.request.json(body);
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.header(CONTENT_TYPE, content_type).body(body);
        self
    }

    /// A body of no declared type.
    pub fn raw_body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    pub fn multipart(mut self, form: reqwest::multipart::Form) -> Self {
        self.request = self.request.multipart(form);
        self
    }

    /// Sends the request, and gives what went wrong on the way to an answer.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let request = self.request.build()?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let sent = request.headers().clone();
        let response = self.http.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Answer { method, path, status, headers, body: response.bytes().await? };
        answer.check(sent.get(AUTHORIZATION));
        Ok(answer)
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.try_send().await.expect("the server answers") })
    }
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    method: Method,
    path: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The answer, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:.300}");
        self
    }

    /// The problem of a failure with this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: Code) -> Problem {
        assert_eq!(self.status.as_u16(), status, "{self:.300}");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.code, code, "{self:.300}");
        problem
    }

    /// The field errors of a 422.
    #[track_caller]
    pub fn refused_fields(&self) -> Vec<String> {
        self.problem(422, Code::ValidationFailed).errors.into_iter().map(|error| error.field).collect()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:.300}"))
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The invariants of every answer.
    fn check(&self, authorization: Option<&HeaderValue>) {
        // The host's probe is answered before everything else.
        if self.path == "/" {
            return;
        }
        let id = self.header("x-request-id");
        assert!(
            (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()),
            "no request id: {self:.300}"
        );
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:.300}");
        assert!(self.headers.contains_key("date"), "{self:.300}");
        if let Some(secret) = authorization.and_then(|value| value.to_str().ok()?.split_once(' ')) {
            let echoed = |text: &[u8]| !secret.1.is_empty() && contains(text, secret.1.as_bytes());
            assert!(!self.headers.values().any(|value| echoed(value.as_bytes())), "credentials echoed: {self:.300}");
            assert!(secret.1.len() < 20 || !echoed(&self.body), "credentials echoed: {self:.300}");
        }
        if self.method == Method::HEAD || matches!(self.status.as_u16(), 204 | 304) {
            assert!(self.body.is_empty(), "{self:.300}");
            return;
        }
        if self.headers.contains_key("content-length") {
            assert_eq!(self.header("content-length"), self.body.len().to_string(), "{self:.300}");
        }
        let kind = self.header("content-type");
        if self.status.is_client_error() || self.status.is_server_error() {
            let is_health = self.status == StatusCode::SERVICE_UNAVAILABLE && self.path.starts_with("/api/v1/health");
            if !is_health {
                self.check_problem();
            }
        } else {
            assert_ne!(kind, problem::MEDIA_TYPE, "{self:.300}");
        }
        let plain = !self.headers.contains_key("content-encoding");
        if plain && kind.starts_with("application/json") && self.path != "/api/openapi.json" {
            check_names(&self.json(), self);
        }
    }

    /// RFC 9457 as this API uses it.
    fn check_problem(&self) {
        assert_eq!(self.header("content-type"), problem::MEDIA_TYPE, "{self:.300}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:.300}");
        let told: Problem = serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:.300}"));
        let Value::Object(members) = self.json() else { panic!("not an object: {self:.300}") };
        let known =
            ["type", "title", "status", "detail", "instance", "code", "requestId", "errors", "limit", "shortage"];
        assert!(members.keys().all(|name| known.contains(&name.as_str())), "{self:.300}");
        assert_eq!(told.status, self.status.as_u16(), "{self:.300}");
        assert_eq!(problem::status(told.code), self.status, "{self:.300}");
        assert_eq!(told.kind, format!("urn:pravis:problem:{}", problem::code_text(told.code)), "{self:.300}");
        assert_eq!(told.title, problem::title(told.code), "{self:.300}");
        assert!(!told.detail.is_empty(), "{self:.300}");
        assert_eq!(told.instance, self.path, "{self:.300}");
        assert_eq!(told.request_id, self.header("x-request-id"), "{self:.300}");
        assert!(told.code != Code::ValidationFailed || !told.errors.is_empty(), "which field? {self:.300}");
        assert!(told.errors.iter().all(|error| !error.message.is_empty()), "{self:.300}");
        let needed = match self.status.as_u16() {
            401 => "www-authenticate",
            405 => "allow",
            429 | 503 => "retry-after",
            _ => "x-request-id",
        };
        assert!(self.headers.contains_key(needed), "no {needed}: {self:.300}");
        if self.status.is_server_error() {
            let words = String::from_utf8_lossy(&self.body).to_lowercase();
            assert!(!INTERNAL_WORDS.iter().any(|word| words.contains(word)), "{self:.300}");
        }
    }
}

impl std::fmt::Display for Answer {
    /// The answer on one line; the precision bounds the body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(f.precision().unwrap_or(2000)).collect();
        write!(f, "{} {} → {} {body}", self.method, self.path, self.status)
    }
}

/// Names are in camel case, save the foreign ones; keys of `facets` are values of the catalogue,
/// those of `uploadHeaders` are headers, those of `preferences` the client's, those of `found` and `late` the
/// containers of which an erasure counts, those of `histogram` stars.
fn check_names(value: &Value, answer: &Answer) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let camel = name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.bytes().all(|c| c.is_ascii_alphanumeric());
                assert!(camel || FOREIGN_NAMES.contains(&name.as_str()), "name {name:?}: {answer:.300}");
                if !["facets", "found", "late", "histogram", "preferences", "uploadHeaders"].contains(&name.as_str()) {
                    check_names(value, answer);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_names(item, answer)),
        _ => {}
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Sends bytes as they are on a connection of their own, and reads what comes until the server closes
/// it or has sent the length it declared. `None` when it closed without a word.
pub async fn raw(server: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    read_answer(&mut stream, request).await
}

/// Reads one answer from a connection.
pub async fn read_answer(stream: &mut TcpStream, request: &[u8]) -> Option<Answer> {
    let mut received = Vec::new();
    let reading = async {
        let mut chunk = [0; 16 * 1024];
        while !is_whole(&received) {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(count) => received.extend_from_slice(&chunk[..count]),
            }
        }
    };
    tokio::time::timeout(TIME_LIMIT, reading).await.expect("the server answers in time");
    let (head, body) = split(&received)?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.trim().parse().unwrap()))
        .collect();
    let first = String::from_utf8_lossy(request);
    let mut first = first.split(' ');
    let method = first.next().and_then(|method| method.parse().ok()).unwrap_or(Method::GET);
    let path = first.next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let answer = Answer { method, path, status, headers, body: Bytes::copy_from_slice(body) };
    // What hyper refuses before there is a request has no body; there is no path to tell about.
    if !(answer.body.is_empty() && matches!(answer.status.as_u16(), 400 | 408 | 414 | 431)) {
        answer.check(None);
    }
    Some(answer)
}

fn split(received: &[u8]) -> Option<(&str, &[u8])> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&received[..end]).ok()?, &received[end + 4..]))
}

fn is_whole(received: &[u8]) -> bool {
    let Some((head, body)) = split(received) else { return false };
    let length = head
        .to_ascii_lowercase()
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}
