//! The emulator as a service on a port of this machine, for clients that know nothing of it: the program in a
//! process of its own, or a store made from settings. It looks at keys as the service does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use aws_lc_rs::hmac;
use azure_core::http::{Method, Request as CoreRequest};
use azure_data_cosmos_driver::in_memory_emulator::InMemoryEmulatorHttpClient;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use percent_encoding::percent_decode_str;
use pravis::ports::documents::Container;
use pravis::settings::{CosmosSettings, Settings};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use super::{DATABASE, Emulator, KEY, Plan};

/// How the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Always,
    /// Takes requests and leaves them waiting until it answers again.
    Late,
    /// Closes every connection.
    Never,
}

/// A request for documents that the service got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub container: String,
    /// The partition key as it was sent; `None` for a request that may go to all partitions.
    pub partition: Option<String>,
}

/// A running service; it ends when dropped.
pub struct Hosted {
    pub emulator: Emulator,
    pub endpoint: Url,
    address: SocketAddr,
    answers: watch::Sender<Answers>,
    keys: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    thread: Option<JoinHandle<()>>,
}

impl Hosted {
    /// Serves an account with the database and these containers, each of so many physical partitions.
    pub fn start(containers: &[&Container], partitions: u32) -> Self {
        Self::known_as(None, containers, partitions)
    }

    /// The same without a database, for clients that reach it at another address.
    pub fn behind(address: SocketAddr) -> Self {
        Self::known_as(Some(address), &[], 0)
    }

    fn known_as(address: Option<SocketAddr>, containers: &[&Container], partitions: u32) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let here = listener.local_addr().unwrap();
        let endpoint = Url::parse(&format!("http://{}/", address.unwrap_or(here))).unwrap();
        let emulator = Emulator::new(Plan { endpoint: Some(endpoint.clone()), ..Plan::default() });
        if !containers.is_empty() {
            emulator.create(containers, partitions);
        }
        let (answers, seen) = watch::channel(Answers::Always);
        let keys = Arc::new(Mutex::new(vec![KEY.to_owned()]));
        let asked = Arc::default();
        let service = Service {
            asked: Arc::clone(&asked),
            client: Arc::clone(&emulator.client),
            endpoint: endpoint.clone(),
            keys: Arc::clone(&keys),
            answers: seen,
        };
        // Its own runtime: the emulator has work in the background, which is to outlive a caller's.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(service.run(listener)));
        Self { emulator, endpoint, address: here, answers, keys, asked, thread: Some(thread) }
    }

    /// Where it listens itself.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the program's environment says about the service.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let variables =
            [("COSMOS_ENDPOINT", self.endpoint.as_str()), ("COSMOS_DATABASE", DATABASE), ("COSMOS_KEY", KEY)];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// What the program reads from its environment.
    pub fn settings(&self) -> CosmosSettings {
        Settings::from_variables(&self.variables()).unwrap().connections.cosmos.unwrap()
    }

    /// The requests for documents since this was last asked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub fn answer(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    /// From now on these account keys are taken, and no others.
    pub fn take_keys(&self, keys: &[&str]) {
        *self.keys.lock().unwrap() = keys.iter().map(|&key| key.to_owned()).collect();
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        // The service ends with the last sender.
        self.answers = watch::channel(Answers::Never).0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Service {
    asked: Arc<Mutex<Vec<Asked>>>,
    client: Arc<InMemoryEmulatorHttpClient>,
    endpoint: Url,
    keys: Arc<Mutex<Vec<String>>>,
    answers: watch::Receiver<Answers>,
}

impl Service {
    async fn run(self, listener: StdListener) {
        let listener = TcpListener::from_std(listener).unwrap();
        let mut answers = self.answers.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(self.clone().serve(stream));
                    }
                }
                // No sender is left.
                gone = answers.changed() => if gone.is_err() { return },
            }
        }
    }

    async fn serve(mut self, stream: TcpStream) {
        let mut answers = self.answers.clone();
        let service = hyper::service::service_fn(|request| self.clone().respond(request));
        let builder = Builder::new(TokioExecutor::new());
        tokio::select! {
            _ = builder.serve_connection(TokioIo::new(stream), service) => {}
            _ = answers.wait_for(|answers| *answers == Answers::Never) => {}
        }
        self.answers.mark_unchanged();
    }

    async fn respond(mut self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if self.answers.wait_for(|answers| *answers != Answers::Late).await.is_err() {
            return Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"));
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        if !self.is_signed(&head.method, head.uri.path(), &head.headers) {
            return Ok(problem(StatusCode::UNAUTHORIZED, "Unauthorized"));
        }
        if let Some((_, rest)) = head.uri.path().split_once("/colls/")
            && let Some((container, "docs")) =
                rest.split_once('/').map(|(container, rest)| (container, rest.split('/').next().unwrap_or_default()))
        {
            let partition = head.headers.get("x-ms-documentdb-partitionkey");
            self.asked.lock().unwrap().push(Asked {
                container: container.to_owned(),
                partition: partition.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
            });
        }
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let url = self.endpoint.join(target).unwrap();
        let mut request = CoreRequest::new(url, head.method.as_str().parse::<Method>().unwrap());
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            request.insert_header(name.as_str().to_owned(), value);
        }
        request.set_body(body);
        let Ok(answer) = self.client.execute_request(&request).await else {
            return Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"));
        };
        let answer = answer.try_into_raw_response().await.unwrap();
        let mut response = Response::builder().status(u16::from(answer.status()));
        for (name, value) in answer.headers().iter() {
            response = response.header(name.as_str(), ascii(value.as_str()));
        }
        Ok(response.body(Full::from(answer.body().to_vec())).unwrap())
    }

    /// Whether one of the account's keys signed the request
    /// (<https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources>).
    fn is_signed(&self, method: &http::Method, path: &str, headers: &HeaderMap) -> bool {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(authorisation), Some(date)) = (header("authorization"), header("x-ms-date")) else { return false };
        let authorisation = percent_decode_str(authorisation).decode_utf8_lossy().into_owned();
        let Some(signature) = authorisation.strip_prefix("type=master&ver=1.0&sig=") else { return false };
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let link = percent_decode_str(path.trim_matches('/')).decode_utf8_lossy().into_owned();
        let parts: Vec<&str> = link.split('/').filter(|part| !part.is_empty()).collect();
        // A path names a resource (type and id by turns), or ends with the type of a list of them.
        let (kind, link) = match parts.len() % 2 {
            0 => (parts.len().checked_sub(2).map_or("", |place| parts[place]), link.as_str()),
            _ => (parts[parts.len() - 1], link.rsplit_once('/').map_or("", |(parent, _)| parent)),
        };
        let method = method.as_str().to_lowercase();
        let text = format!("{method}\n{}\n{link}\n{}\n\n", kind.to_lowercase(), date.to_lowercase());
        let signed = |key: &String| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
            hmac::verify(&key, text.as_bytes(), &signature).is_ok()
        };
        self.keys.lock().unwrap().iter().any(signed)
    }
}

/// A position in the change feed is JSON with a document's id in a header; escaped it says the same.
fn ascii(value: &str) -> String {
    let mut units = [0; 2];
    let escaped = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    value.chars().map(escaped).collect()
}

fn problem(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "code": code, "message": "as the test wants it" }).to_string();
    Response::builder().status(status).header("content-type", "application/json").body(Full::from(body)).unwrap()
}
