//! What customers decide about their data, and that it is done.

mod consents;
mod erasure;
mod exports;
mod withdrawn;

use std::collections::BTreeSet;

use pravis::containers::{BLOB_CONTAINERS, CUSTOMERS, VOICE_JOBS, customer};
use pravis::ports::blobs::{BlobName, PutOptions, whole};
use pravis::ports::documents::{Query, Scope};
use pravis::ports::reporting::{Cell, Comparison, Projection, Select};
use pravis::services::{accounts, analytics};
use pravis::types::TenantId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::samples::hum;
use crate::shop;
use crate::support::app::{Person, TestApp};
use crate::support::steps::{Steps, stepped};

/// A word that nothing but a customer's own words holds.
const WORD: &str = "zanzibari";

/// A recogniser that hears the same sentence in everything.
struct Recogniser(TempDir);

impl Recogniser {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let heard = json!({ "t": format!("show me {WORD} sarees"), "b": 0.0, "d": 2.0, "p": 0.9, "w": [
            { "t": "show", "b": 0.0, "d": 0.4, "p": 0.9 }, { "t": "me", "b": 0.4, "d": 0.4, "p": 0.9 },
            { "t": WORD, "b": 0.8, "d": 0.4, "p": 0.9 }, { "t": "sarees", "b": 1.2, "d": 0.4, "p": 0.9 }
        ] });
        std::fs::write(place.path().join("recogniser.sh"), format!("cat > /dev/null\necho '{heard}'\n")).unwrap();
        Self(place)
    }

    fn command(&self) -> String {
        format!("/bin/sh {}", self.0.path().join("recogniser.sh").display())
    }
}

async fn consent(person: &Person, purpose: &str, granted: bool) {
    let asked = json!({ "purpose": purpose, "granted": granted, "version": "1.0" });
    person.post("/api/v1/users/me/consents").json(&asked).await.expect(201);
}

async fn say(person: &Person, text: &str) -> Value {
    person.post("/api/v1/voice/command").json(&json!({ "text": text })).await.expect(200).json()
}

/// Puts something into the cart, places an order, and leaves one half-placed.
async fn shopped(app: &TestApp, person: &Person) {
    let product = shop::id(&shop::products(app, "limit=1").await[0]);
    let asked = json!({ "items": [{ "id": product }], "shippingAddress": shop::address() });
    person.post("/api/v1/orders").header("idempotency-key", "ordered").json(&asked).await.expect(201);
    shop::put_in(person, &product, 2).await.expect(200);
    for calls in 0..20 {
        let dying = stepped(app, &Steps::fail_from(calls)).await;
        let placed = shop::invoke(app, &dying, "ShopOrdersCreate", person, "", &[], &asked).await;
        assert!(placed.is_err());
        if !of_kind(app, person, "orderDraft").await.is_empty() {
            return;
        }
    }
    panic!("no order is left half-placed");
}

/// Has a customer review a product of the samples, staff approve it, and everybody see it; gives it.
async fn review(app: &TestApp, person: &Person, number: usize) -> Value {
    let list = person.get("/api/v1/products?limit=100").await.expect(200).json();
    let path = format!("/api/v1/products/{}/reviews", list["products"][number]["id"].as_str().unwrap());
    let said = json!({ "rating": 4, "content": format!("{WORD} and fine") });
    let review = person.post(&path).json(&said).await.expect(201).json()["review"].clone();
    let approval = format!("/api/v1/admin/reviews/{}/approve", review["id"].as_str().unwrap());
    app.staff().await.post(&approval).json(&json!({ "revision": 1 })).await.expect(200);
    follow_reviews(app, &of_kind(app, person, "outbox").await).await;
    review
}

/// Tells what is shown of reviews of all these events.
async fn follow_reviews(app: &TestApp, events: &[Value]) {
    app.changed("ShopReviewsProject", events.to_vec()).await;
}

/// Announces, uploads and completes a recording; gives the sample's id.
async fn submit(app: &TestApp, person: &Person) -> String {
    let asked = json!({ "contentType": "audio/wav", "language": "en-IN" });
    let sample = person.post("/api/v1/voice/samples").json(&asked).await.expect(201).json();
    let id = sample["id"].as_str().unwrap().to_owned();
    let upload = BlobName::new(pravis::containers::VOICE_UPLOADS, format!("pravis/{}/{id}", person.id));
    let options = PutOptions { content_type: Some("audio/wav".into()), ..PutOptions::default() };
    app.state.blobs.put(&upload, whole(hum(1.0)), options).await.unwrap();
    person.post(&format!("/api/v1/voice/samples/{id}/complete")).await.expect(202);
    id
}

/// Fires the voice jobs until none is left, as the host does.
async fn work_voice_jobs(app: &TestApp) {
    for _ in 0..10 {
        let outcomes = app.fire("VoiceJobsRun", &app.state).await;
        if outcomes.iter().all(Result::is_ok) && paths(app, VOICE_JOBS).await.is_empty() {
            return;
        }
    }
    panic!("voice jobs do not end");
}

/// Fires the account's jobs, which must succeed.
async fn work_account_jobs(app: &TestApp) {
    for outcome in app.fire("AccountsJobsRun", &app.state).await {
        outcome.unwrap();
    }
}

async fn paths(app: &TestApp, container: &'static str) -> Vec<String> {
    let page = app.state.blobs.list(container, "", 1000, None).await.unwrap();
    page.items.into_iter().map(|item| item.path).collect()
}

/// Every blob, as container and path.
async fn all_blobs(app: &TestApp) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for container in BLOB_CONTAINERS {
        found.extend(paths(app, container).await.into_iter().map(|path| format!("{container}/{path}")));
    }
    found
}

/// Everything that is stored of a customer.
async fn documents(app: &TestApp, person: &Person) -> Vec<Value> {
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let all = Query { limit: 1000, ..Query::default() };
    let page = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), all).await.unwrap();
    page.items.iter().map(|document| document.read().unwrap()).collect()
}

/// Those of a kind.
async fn of_kind(app: &TestApp, person: &Person, kind: &str) -> Vec<Value> {
    documents(app, person).await.into_iter().filter(|document| document["kind"] == kind).collect()
}

/// Carries all events that are in the outbox of a customer to the reports.
async fn project(app: &TestApp, person: &Person) {
    for document in of_kind(app, person, "outbox").await {
        deliver(app, &document["event"]).await;
    }
}

/// Delivers one event to the reports, as the queue does.
async fn deliver(app: &TestApp, event: &Value) {
    let trigger = &app.registry.get("AnalyticsEventsProject").unwrap().trigger;
    let pravis::function::Trigger::Queue { handler, .. } = trigger else { panic!("it is fired by a queue") };
    handler(app.state.clone(), pravis::function::QueueMessage { text: event.to_string() }).await.unwrap();
}

/// The facts in the reports; those of one customer, or all.
async fn facts(app: &TestApp, of: Option<&Person>) -> usize {
    let filters = match of {
        Some(person) => {
            let name = accounts::pseudonym(&app.state, &TenantId::pravis(), &person.id).await.unwrap();
            vec![Comparison::Equal("subject", Cell::Text(name.to_string()))]
        }
        None => Vec::new(),
    };
    let table = analytics::TABLES[0];
    let select =
        Select { table, projections: vec![Projection::Column("event_id")], filters, order: vec![], limit: 1000 };
    app.state.reporting.select(select).await.unwrap().len()
}
