//! Microsoft Entra ID as a program meets it: the identity endpoint of App Service and Functions
//! (<https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>),
//! that of a virtual machine, and the token endpoint for federated identities. Each checks what it is
//! asked and books what it refuses; the tokens it issues are known to the services that take them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, Context, HttpClient, Request, Transport};
use bytes::Bytes;
use http::{Response, StatusCode};
use pravis::adapters::azure::AzureTransport;
use serde_json::json;
use ulid::Ulid;

use super::loopback::{Answered, Fault, Loopback, authority};

/// What the platform tells a program to send along.
pub const IDENTITY_HEADER: &str = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a";
/// The user-assigned identity that exists.
pub const CLIENT_ID: &str = "2c4d9d0e-6d1f-4a55-9b0a-6f6b1a0e7c11";
pub const TENANT_ID: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
/// The token of the platform that a federated identity shows.
pub const ASSERTION: &str = "an-assertion-of-the-cluster";
const API_VERSION: &str = "2019-08-01";

/// Tokens that were issued, and what for.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<String, Issued>>);

#[derive(Clone)]
pub struct Issued {
    pub resource: String,
    pub client_id: Option<String>,
    expires_at: SystemTime,
}

impl Tokens {
    /// Whether a token is good for a resource at this moment, and if not, why.
    pub fn check(&self, token: &str, resource: &str) -> Result<(), String> {
        let all = self.0.lock().unwrap();
        let issued = all.get(token).ok_or("a token that nobody issued")?;
        if issued.resource != resource {
            return Err(format!("a token for {}", issued.resource));
        }
        if issued.expires_at <= SystemTime::now() { Err("an expired token".into()) } else { Ok(()) }
    }

    /// All that were issued, in no order.
    pub fn all(&self) -> Vec<(String, Issued)> {
        self.0.lock().unwrap().iter().map(|(token, issued)| (token.clone(), issued.clone())).collect()
    }

    /// A new token and when it expires, in seconds since 1970.
    pub fn issue(&self, resource: &str, client_id: Option<String>, lifetime: Duration) -> (String, u64) {
        let token = format!("token-{}", Ulid::generate());
        let expires_at = SystemTime::now() + lifetime;
        let issued = Issued { resource: resource.to_owned(), client_id, expires_at };
        self.0.lock().unwrap().insert(token.clone(), issued);
        (token, expires_at.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }
}

/// The endpoints, served until this is dropped.
pub struct Entra {
    pub tokens: Arc<Tokens>,
    plain: Loopback,
    tls: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    tokens: Arc<Tokens>,
    lifetime: Mutex<Duration>,
    refused: Mutex<Vec<String>>,
}

impl Entra {
    pub async fn start() -> Self {
        let tokens = Arc::new(Tokens::default());
        let lifetime = Mutex::new(Duration::from_secs(3600));
        let shared = Arc::new(Shared { tokens: tokens.clone(), lifetime, refused: Mutex::default() });
        let (here, there) = (shared.clone(), shared.clone());
        let plain = Loopback::start(false, move |request| here.answer(&request)).await;
        let tls = Loopback::start(true, move |request| there.answer(&request)).await;
        Self { tokens, plain, tls, shared }
    }

    /// The variables of App Service and Functions.
    pub fn app_service(&self) -> [(String, String); 2] {
        let endpoint = format!("http://{}/msi/token", self.plain.address);
        [("IDENTITY_ENDPOINT".into(), endpoint), ("IDENTITY_HEADER".into(), IDENTITY_HEADER.into())]
    }

    /// The variables of a federated identity.
    pub fn workload(&self, token_file: &std::path::Path) -> [(String, String); 4] {
        let authority = format!("https://localhost:{}", self.tls.address.port());
        [
            ("AZURE_CLIENT_ID".into(), CLIENT_ID.into()),
            ("AZURE_TENANT_ID".into(), TENANT_ID.into()),
            ("AZURE_FEDERATED_TOKEN_FILE".into(), token_file.to_string_lossy().into_owned()),
            ("AZURE_AUTHORITY_HOST".into(), authority),
        ]
    }

    /// A way to the outside on which the metadata service of a virtual machine is this, and services that
    /// show the certificate of these tests are trusted.
    pub fn transport(&self) -> Transport {
        let trusting = AzureTransport::trusting(authority().pem.as_bytes()).unwrap();
        let transport = trusting.client_options().transport.unwrap();
        Transport::new(Arc::new(Rerouted { transport, metadata: self.plain.address }))
    }

    /// Tokens live this long from now on.
    pub fn set_lifetime(&self, lifetime: Duration) {
        *self.shared.lifetime.lock().unwrap() = lifetime;
    }

    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        let fault = fault.into();
        self.plain.fail(fault);
        self.tls.fail(fault);
    }

    pub fn requests(&self) -> usize {
        self.plain.requests() + self.tls.requests()
    }

    /// What was refused, and why.
    pub fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().unwrap().clone()
    }
}

impl Shared {
    fn answer(&self, request: &http::Request<Bytes>) -> Answered {
        let outcome = match request.uri().path() {
            "/msi/token" => self.identity(request, "x-identity-header", IDENTITY_HEADER),
            "/metadata/identity/oauth2/token" => self.identity(request, "metadata", "true"),
            path if path == format!("/{TENANT_ID}/oauth2/v2.0/token") => self.federated(request.body()),
            path => Err(format!("nothing at {path}")),
        };
        outcome.unwrap_or_else(|problem| {
            self.refused.lock().unwrap().push(problem.clone());
            let body = json!({ "error": "invalid_request", "error_codes": [700016], "error_description": problem });
            reply(StatusCode::BAD_REQUEST, &body)
        })
    }

    fn identity(&self, request: &http::Request<Bytes>, header: &str, expected: &str) -> Result<Answered, String> {
        let sent = request.headers().get(header).and_then(|value| value.to_str().ok());
        if sent != Some(expected) {
            return Err(format!("a request without its {header}"));
        }
        let query = parameters(request.uri().query().unwrap_or_default().as_bytes());
        if query.get("api-version").map(String::as_str) != Some(API_VERSION) {
            return Err("another api-version".into());
        }
        let resource = query.get("resource").ok_or("a request without a resource")?;
        let client_id = query.get("client_id").cloned();
        if client_id.as_deref().is_some_and(|id| id != CLIENT_ID) {
            return Err("an identity that is not assigned".into());
        }
        let lifetime = *self.lifetime.lock().unwrap();
        let (token, expires_on) = self.tokens.issue(resource, client_id, lifetime);
        let body = json!({ "access_token": token, "expires_on": expires_on.to_string(), "resource": resource,
                           "token_type": "Bearer" });
        Ok(reply(StatusCode::OK, &body))
    }

    fn federated(&self, body: &[u8]) -> Result<Answered, String> {
        let form = parameters(body);
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "client_credentials" || field("client_id") != CLIENT_ID {
            return Err("another grant or client".into());
        }
        if field("client_assertion") != ASSERTION {
            return Err("another assertion".into());
        }
        let resource = field("scope").strip_suffix("/.default").ok_or("a scope without /.default")?;
        let lifetime = *self.lifetime.lock().unwrap();
        let (token, _) = self.tokens.issue(resource, Some(CLIENT_ID.into()), lifetime);
        let body = json!({ "access_token": token, "expires_in": lifetime.as_secs(), "token_type": "Bearer" });
        Ok(reply(StatusCode::OK, &body))
    }
}

/// An answer in JSON.
pub fn reply(status: StatusCode, body: &serde_json::Value) -> Answered {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// The pairs of a query or of a form.
pub fn parameters(text: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// Sends what is meant for the metadata service's link-local address to another one.
#[derive(Debug)]
struct Rerouted {
    transport: Transport,
    metadata: SocketAddr,
}

#[async_trait]
impl HttpClient for Rerouted {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        if request.url().host_str() == Some("169.254.169.254") {
            let url = request.url_mut();
            url.set_ip_host(self.metadata.ip()).unwrap();
            url.set_port(Some(self.metadata.port())).unwrap();
        }
        self.transport.send(&Context::new(), &mut request).await
    }
}
