//! A Key Vault on this machine, over HTTPS: it challenges whoever sends no token, takes only tokens that
//! were issued for Key Vault, and keeps versions
//! (<https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method, StatusCode};
use pravis::adapters::azure::{AzureTransport, credential};
use pravis::adapters::secrets::KeyVaultSecrets;
use pravis::settings::{CredentialKind, CredentialSettings, KeyVaultSettings};
use serde_json::{Value, json};
use ulid::Ulid;
use url::Url;

use super::entra::{Entra, Tokens, parameters, reply};
use super::loopback::{Answered, Fault, Loopback, authority};

/// What tokens for a vault are for.
pub const RESOURCE: &str = "https://vault.azure.net";

/// A vault, served until this is dropped.
pub struct Vault {
    server: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    tokens: Arc<Tokens>,
    /// What the challenge asks a token for.
    resource: Mutex<String>,
    secrets: Mutex<BTreeMap<String, Vec<Version>>>,
    reads: Mutex<BTreeMap<String, usize>>,
    forbidden: Mutex<bool>,
    listing_forbidden: Mutex<bool>,
    refused: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct Version {
    id: String,
    value: String,
    created: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    enabled: bool,
}

impl Vault {
    /// A vault that takes the tokens of `entra`.
    pub async fn start(entra: &Entra) -> Self {
        let shared = Arc::new(Shared {
            tokens: entra.tokens.clone(),
            resource: Mutex::new(RESOURCE.into()),
            secrets: Mutex::default(),
            reads: Mutex::default(),
            forbidden: Mutex::default(),
            listing_forbidden: Mutex::default(),
            refused: Mutex::default(),
        });
        let answering = shared.clone();
        let server = Loopback::start(true, move |request| answering.answer(&request)).await;
        Self { server, shared }
    }

    /// Where it is; by a name that stands in its certificate.
    pub fn url(&self) -> Url {
        Url::parse(&format!("https://localhost:{}", self.server.address.port())).unwrap()
    }

    /// What a process of its own must be told to use it and to trust it; `place` is for a file.
    pub fn variables(&self, place: &Path) -> [(String, String); 2] {
        let roots = place.join("roots.pem");
        std::fs::write(&roots, &authority().pem).unwrap();
        [
            ("KEY_VAULT_URL".into(), self.url().to_string()),
            ("SSL_CERT_FILE".into(), roots.to_string_lossy().into_owned()),
        ]
    }

    /// Stores a new version.
    pub fn set(&self, name: &str, value: &str) {
        self.set_at(name, value, Utc::now());
    }

    /// Stores a version that was made at a time.
    pub fn set_at(&self, name: &str, value: &str, created: DateTime<Utc>) {
        let id = Ulid::generate().to_string().to_lowercase();
        let version = Version { id, value: value.into(), created, expires: None, enabled: true };
        self.shared.secrets.lock().unwrap().entry(name.into()).or_default().push(version);
    }

    /// Forbids the use of the newest version.
    pub fn disable(&self, name: &str) {
        self.newest(name, |version| version.enabled = false);
    }

    /// Ends the time of the newest version.
    pub fn expire(&self, name: &str) {
        self.newest(name, |version| version.expires = Some(Utc::now() - chrono::Duration::hours(1)));
    }

    fn newest(&self, name: &str, change: impl FnOnce(&mut Version)) {
        change(self.shared.secrets.lock().unwrap().get_mut(name).unwrap().last_mut().unwrap());
    }

    pub fn delete(&self, name: &str) {
        self.shared.secrets.lock().unwrap().remove(name);
    }

    /// Takes the identity's role away, or gives it back.
    pub fn forbid(&self, forbidden: bool) {
        *self.shared.forbidden.lock().unwrap() = forbidden;
    }

    /// Takes the right to list versions away, or gives it back.
    pub fn forbid_listing(&self, forbidden: bool) {
        *self.shared.listing_forbidden.lock().unwrap() = forbidden;
    }

    /// Asks for tokens for something else.
    pub fn challenge_for(&self, resource: &str) {
        *self.shared.resource.lock().unwrap() = resource.into();
    }

    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        self.server.fail(fault);
    }

    /// Requests of any kind, also those without a token.
    pub fn requests(&self) -> usize {
        self.server.requests()
    }

    /// How often the newest value of a secret was asked for with a good token.
    pub fn reads(&self, name: &str) -> usize {
        self.shared.reads.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// What was refused, and why.
    pub fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().unwrap().clone()
    }

    /// The adapter under test on this vault, as a virtual machine's identity, with a period of refreshing.
    pub fn secrets(&self, entra: &Entra, refresh: Duration) -> KeyVaultSecrets {
        let transport = AzureTransport::over(entra.transport());
        let identity = CredentialSettings { kind: CredentialKind::ManagedIdentity, client_id: None };
        let credential = credential(&identity, &transport).unwrap();
        let settings = KeyVaultSettings { url: self.url(), refresh };
        KeyVaultSecrets::new(&settings, BTreeMap::new(), credential, &transport).unwrap()
    }
}

impl Shared {
    fn answer(&self, request: &http::Request<Bytes>) -> Answered {
        if let Err(problem) = self.admit(request) {
            if let Some(problem) = problem {
                self.refused.lock().unwrap().push(problem);
            }
            let body = json!({ "error": { "code": "Unauthorized", "message": "AKV10000: no good token" } });
            let mut response = reply(StatusCode::UNAUTHORIZED, &body);
            let resource = self.resource.lock().unwrap().clone();
            let challenge = format!(
                r#"Bearer authorization="https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47", resource="{resource}""#
            );
            response.headers_mut().insert("www-authenticate", HeaderValue::from_str(&challenge).unwrap());
            return response;
        }
        if *self.forbidden.lock().unwrap() {
            return refusal(StatusCode::FORBIDDEN, "Forbidden", Some("ForbiddenByRbac"));
        }
        let query = parameters(request.uri().query().unwrap_or_default().as_bytes());
        if query.get("api-version").map(String::as_str) != Some("2025-07-01") || request.method() != Method::GET {
            self.refused.lock().unwrap().push("another method or api-version".into());
            return refusal(StatusCode::BAD_REQUEST, "BadParameter", None);
        }
        let path: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
        match path[..] {
            ["secrets", name] => self.newest(request, name),
            ["secrets", _, "versions"] if *self.listing_forbidden.lock().unwrap() => {
                refusal(StatusCode::FORBIDDEN, "Forbidden", Some("ForbiddenByRbac"))
            }
            ["secrets", name, "versions"] => self.versions(request, name),
            ["secrets", name, version] => self.version(request, name, version),
            _ => refusal(StatusCode::NOT_FOUND, "NotFound", None),
        }
    }

    /// `Err(None)` when there is no token at all, as in the first request of every client.
    fn admit(&self, request: &http::Request<Bytes>) -> Result<(), Option<String>> {
        let value = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.ok_or(None)?.strip_prefix("Bearer ").ok_or_else(|| Some("another scheme".to_owned()))?;
        self.tokens.check(token, RESOURCE).map_err(Some)
    }

    fn newest(&self, request: &http::Request<Bytes>, name: &str) -> Answered {
        *self.reads.lock().unwrap().entry(name.into()).or_default() += 1;
        let newest = self.of(name).into_iter().max_by_key(|version| version.created);
        newest.map_or_else(missing, |version| version.shown(request, name))
    }

    fn version(&self, request: &http::Request<Bytes>, name: &str, id: &str) -> Answered {
        let version = self.of(name).into_iter().find(|version| version.id == id);
        version.map_or_else(missing, |version| version.shown(request, name))
    }

    /// Two to a page: there is always a next one to follow.
    fn versions(&self, request: &http::Request<Bytes>, name: &str) -> Answered {
        const PAGE: usize = 2;
        let query = parameters(request.uri().query().unwrap_or_default().as_bytes());
        let skip: usize = query.get("$skiptoken").map_or(0, |text| text.parse().unwrap());
        let all = self.of(name);
        let shown: Vec<Value> =
            all.iter().skip(skip).take(PAGE).map(|version| version.properties(request, name)).collect();
        let more = all.len() > skip + PAGE;
        let next = format!("{}/versions?api-version=2025-07-01&$skiptoken={}", id_of(request, name), skip + PAGE);
        reply(StatusCode::OK, &json!({ "value": shown, "nextLink": more.then_some(next) }))
    }

    fn of(&self, name: &str) -> Vec<Version> {
        self.secrets.lock().unwrap().get(name).cloned().unwrap_or_default()
    }
}

impl Version {
    fn shown(&self, request: &http::Request<Bytes>, name: &str) -> Answered {
        if !self.enabled {
            return refusal(StatusCode::FORBIDDEN, "Forbidden", Some("SecretDisabled"));
        }
        let mut body = self.properties(request, name);
        body["value"] = json!(self.value);
        reply(StatusCode::OK, &body)
    }

    fn properties(&self, request: &http::Request<Bytes>, name: &str) -> Value {
        let mut attributes = json!({ "enabled": self.enabled, "created": self.created.timestamp(),
                                     "updated": self.created.timestamp(), "recoveryLevel": "Recoverable" });
        if let Some(expires) = self.expires {
            attributes["exp"] = json!(expires.timestamp());
        }
        json!({ "id": format!("{}/{}", id_of(request, name), self.id), "attributes": attributes })
    }
}

fn id_of(request: &http::Request<Bytes>, name: &str) -> String {
    let host = request.headers().get(http::header::HOST).unwrap().to_str().unwrap();
    format!("https://{host}/secrets/{name}")
}

fn missing() -> Answered {
    refusal(StatusCode::NOT_FOUND, "SecretNotFound", None)
}

fn refusal(status: StatusCode, code: &str, inner: Option<&str>) -> Answered {
    let mut error = json!({ "code": code, "message": "sig=hush" });
    if let Some(inner) = inner {
        error["innererror"] = json!({ "code": inner });
    }
    reply(status, &json!({ "error": error }))
}
