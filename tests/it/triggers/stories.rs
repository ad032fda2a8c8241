//! What the tests of triggers share: customers, recordings, and a recogniser that can be told to wait.

use std::path::PathBuf;
use std::sync::Arc;

use http::{Method, StatusCode};
use pravis::containers::{CUSTOMERS, VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS, customer};
use pravis::ports::blobs::{BlobName, PutOptions, whole};
use pravis::ports::documents::{Query, Scope};
use pravis::ports::reporting::{Cell, Projection, Select};
use pravis::services::analytics;
use pravis::types::TenantId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::functions_host::storage::{Progress, Stores};
use crate::functions_host::{FunctionsHost, Setup};
use crate::support::process::{Answer, eventually, request, sized};

/// Someone says "show me red silk sarees under five thousand", 2.4 s.
pub const SPEECH: &[u8] = include_bytes!("../../fixtures/audio/speech.webm");

/// A host with the stores behind it.
pub struct Story {
    pub host: FunctionsHost,
    pub stores: Arc<Stores>,
    pub progress: Arc<Progress>,
    pub recogniser: Recogniser,
}

impl Story {
    pub async fn begin() -> Self {
        Self::with(FunctionsHost::setup()).await
    }

    /// A story of a host that is set up in another way.
    pub async fn with(setup: Setup) -> Self {
        let recogniser = Recogniser::new();
        let host = setup.setting("PRAVIS_RECOGNISER", recogniser.command()).start().await;
        let stores = Arc::new(Stores::open(host.data()));
        Self { host, stores, progress: Arc::default(), recogniser }
    }

    /// The same over other stores than the embedded ones.
    pub async fn over(setup: Setup, stores: Stores) -> Self {
        let recogniser = Recogniser::new();
        let host = setup.setting("PRAVIS_RECOGNISER", recogniser.command()).start().await;
        Self { host, stores: Arc::new(stores), progress: Arc::default(), recogniser }
    }

    /// A request from outside in JSON.
    pub async fn call(&self, token: Option<&str>, method: Method, path: &str, body: Value) -> Answer {
        let mut builder = request(method, path, "shop.example").header("content-type", "application/json");
        if let Some(token) = token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        self.host.request(builder.body(sized(body.to_string())).unwrap()).await
    }

    /// Opens an account.
    pub async fn customer(&self) -> Customer {
        let email = format!("{}@example.in", ulid::Ulid::generate());
        let body = json!({ "email": email, "password": "kanjivaram-9", "firstName": "Lakshmi" });
        let answer = self.call(None, Method::POST, "/api/v1/auth/register", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let signed_in: Value = answer.json();
        let text = |field: &str| signed_in[field].as_str().unwrap().to_owned();
        Customer { id: text("user_id"), token: text("access_token") }
    }

    /// A customer who lets recordings be kept.
    pub async fn consenting_customer(&self) -> Customer {
        let customer = self.customer().await;
        let consent = json!({ "purpose": "voiceStorage", "granted": true, "version": "1.0" });
        let answer = self.call(Some(&customer.token), Method::POST, "/api/v1/users/me/consents", consent).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        customer
    }

    /// Announces a recording; gives the sample's id.
    pub async fn announce(&self, customer: &Customer) -> String {
        let body = json!({ "contentType": "audio/webm", "language": "en-IN" });
        let answer = self.call(Some(&customer.token), Method::POST, "/api/v1/voice/samples", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json::<Value>()["id"].as_str().unwrap().to_owned()
    }

    /// Announces a recording and puts it where the signed address would.
    pub async fn upload(&self, customer: &Customer, recording: &'static [u8]) -> String {
        let id = self.announce(customer).await;
        let options = PutOptions { content_type: Some("audio/webm".into()), ..PutOptions::default() };
        self.stores.blobs.put(&customer.upload(&id), whole(recording), options).await.unwrap();
        id
    }

    /// Uploads a recording and says so, which writes the ticket.
    pub async fn submit(&self, customer: &Customer, recording: &'static [u8]) -> String {
        let id = self.upload(customer, recording).await;
        let path = format!("/api/v1/voice/samples/{id}/complete");
        let answer = self.call(Some(&customer.token), Method::POST, &path, json!({})).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        id
    }

    /// A sample as its owner sees it.
    pub async fn sample(&self, customer: &Customer, id: &str) -> Value {
        let path = format!("/api/v1/voice/samples/{id}");
        let answer = self.call(Some(&customer.token), Method::GET, &path, json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Follows a sample to its end.
    pub async fn ended(&self, customer: &Customer, id: &str) -> Value {
        eventually(&format!("the end of {id}"), async || {
            let sample = self.sample(customer, id).await;
            matches!(sample["status"].as_str(), Some("completed" | "rejected" | "failed")).then_some(sample)
        })
        .await
    }

    /// The payload that the host makes of the ticket of a sample.
    pub async fn ticket_payload(&self, id: &str) -> Option<Vec<u8>> {
        self.host.blob_payload(&self.stores, "VoiceJobsRun", &ticket_blob(id)).await
    }

    /// The documents of one kind that a customer has.
    pub async fn documents(&self, customer: &Customer, kind: &str) -> Vec<Value> {
        let partition = self::customer(&TenantId::pravis(), &customer.id);
        let query = Query { limit: 1000, ..Query::default() };
        let page = self.stores.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.unwrap();
        let bodies = page.items.iter().map(|document| serde_json::from_str::<Value>(document.body.get()).unwrap());
        bodies.filter(|body| body["kind"] == kind).collect()
    }

    /// The stored sample itself.
    pub async fn stored(&self, customer: &Customer, id: &str) -> Value {
        let samples = self.documents(customer, "sample").await;
        samples.into_iter().find(|sample| sample["id"] == id).unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// The blobs of all containers that belong to voice samples.
    pub async fn blobs(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for container in [VOICE_UPLOADS, VOICE_JOBS, VOICE_RESULTS] {
            paths.extend(self.stores.paths(container).await.into_iter().map(|path| format!("{container}/{path}")));
        }
        paths
    }

    /// The voice facts of the reporting database.
    pub async fn facts(&self) -> Vec<[String; 3]> {
        facts(&self.stores).await
    }

    /// Whether the handler has run any function that is no HTTP function, since it last started.
    pub async fn anything_fired(&self) -> bool {
        self.host
            .output()
            .await
            .iter()
            .any(|line| line.contains("\"invocation done\"") || line.contains("\"invocation failed\""))
    }
}

/// Ids, outcomes and intents of the voice facts in a reporting database.
pub async fn facts(stores: &Stores) -> Vec<[String; 3]> {
    let [table] = analytics::TABLES;
    let projections = ["event_id", "outcome", "intent"].map(Projection::Column).to_vec();
    let select = Select { table, projections, filters: Vec::new(), order: vec![(0, false)], limit: 10_000 };
    let rows = stores.reporting.select(select).await.unwrap();
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        _ => String::new(),
    };
    rows.iter().map(|row| [text(&row[0]), text(&row[1]), text(&row[2])]).collect()
}

/// Someone with an account.
pub struct Customer {
    pub id: String,
    pub token: String,
}

impl Customer {
    /// Where the recording of a sample goes.
    pub fn upload(&self, sample: &str) -> BlobName {
        BlobName::new(VOICE_UPLOADS, format!("pravis/{}/{sample}", self.id))
    }

    /// The ticket of one of the customer's samples.
    pub fn ticket(&self, sample: &str) -> Value {
        json!({ "tenantId": "pravis", "userId": self.id, "sampleId": sample })
    }
}

/// Where the ticket of a sample lies.
pub fn ticket_blob(sample: &str) -> BlobName {
    BlobName::new(VOICE_JOBS, format!("pravis/{sample}.json"))
}

/// A domain event in the form in which the bus carries it.
pub fn event(kind: &str) -> Value {
    json!({
        "id": format!("evt_{}", ulid::Ulid::generate()), "type": kind, "tenantId": "pravis",
        "subject": format!("smp_{}", ulid::Ulid::generate()), "occurredAt": "2026-01-15T06:30:00Z",
        "data": { "intent": "search", "channel": "sample", "audioMs": 2400 }
    })
}

/// A recogniser that hears the same sentence in everything, and that waits with its answer while it is
/// held. It follows the protocol of `handlers/adapters/speech/local/recogniser.rs`.
pub struct Recogniser {
    directory: TempDir,
}

impl Recogniser {
    fn new() -> Self {
        let recogniser = Self { directory: tempfile::tempdir().unwrap() };
        let directory = recogniser.directory.path().display();
        // Ends by itself after a minute, since nobody kills it when the handler is killed.
        let script = format!(
            r#"cat > /dev/null
echo heard >> {directory}/calls
turns=0
while [ -e {directory}/hold ] && [ $turns -lt 1200 ]; do sleep 0.05; turns=$((turns + 1)); done
echo '{{"t": "show me red silk sarees", "b": 0.0, "d": 2.0, "p": 0.9, "w": [{{"t": "show", "b": 0.0, "d": 0.4, "p": 0.9}}, {{"t": "me", "b": 0.4, "d": 0.4, "p": 0.9}}, {{"t": "red", "b": 0.8, "d": 0.4, "p": 0.9}}, {{"t": "silk", "b": 1.2, "d": 0.4, "p": 0.9}}, {{"t": "sarees", "b": 1.6, "d": 0.4, "p": 0.9}}]}}'
"#
        );
        std::fs::write(recogniser.script(), script).unwrap();
        recogniser
    }

    fn script(&self) -> PathBuf {
        self.directory.path().join("recogniser.sh")
    }

    fn command(&self) -> String {
        format!("/bin/sh {}", self.script().display())
    }

    /// From now on it waits before it answers.
    pub fn hold(&self) {
        std::fs::write(self.directory.path().join("hold"), "").unwrap();
    }

    /// Lets all answer that wait.
    pub fn release(&self) {
        std::fs::remove_file(self.directory.path().join("hold")).unwrap();
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        std::fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default().lines().count()
    }
}
