//! API keys: what a program may with one, and that one which is not good opens nothing and tells nothing.

use std::sync::Arc;

use chrono::Duration;
use futures_util::StreamExt;
use pravis::containers::{CUSTOMERS, DIRECTORY, api_keys};
use pravis::error::Code;
use pravis::identity::{LiveApiKeys, Permission};
use pravis::ports::cache::Heard;
use pravis::ports::documents::{Filter, Query, Scope};
use pravis::services::accounts::api_key_first_use;
use pravis::services::news::Listeners;
use pravis::types::TenantId;
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::client::{Answer, Client};

const METRICS: &str = "/api/v1/metrics";
const KEYS: &str = "/api/v1/admin/api-keys";

async fn make(admin: &Person, scopes: &[&str]) -> (String, String) {
    let asked = json!({ "name": "Warehouse sync", "scopes": scopes, "tier": "premium" });
    let made = admin.post(KEYS).json(&asked).await.expect(201).json();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn with(app: &TestApp, key: &str) -> Client {
    app.client().with_token(key)
}

/// Of all documents of a container, their text.
async fn stored(app: &TestApp, container: &'static pravis::ports::documents::Container) -> String {
    let query = Query { limit: 1000, ..Query::default() };
    let found = app.state.documents.query(container, Scope::Container, query).await.unwrap();
    found.items.iter().map(|document| format!("{} {}\n", document.id, document.body.get())).collect()
}

/// The events about API keys, in their order.
async fn events(app: &TestApp) -> Vec<Value> {
    let query = Query { filters: vec![Filter::Equal("kind", "outbox".into())], limit: 1000, ..Query::default() };
    let partition = api_keys(&TenantId::pravis());
    let found = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.unwrap();
    found.items.iter().map(|document| document.read::<Value>().unwrap()["event"].clone()).collect()
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say_and_what_is_open() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (id, key) = make(&admin, &["readMetrics"]).await;
    with(&app, &key).get(METRICS).await.expect(200);
    app.client().get(METRICS).header("x-api-key", &key).await.expect(200);
    with(&app, &key).get("/api/v1/products?limit=1").await.expect(200);
    with(&app, &key).post("/api/v1/voice/command").json(&json!({ "text": "silk sarees" })).await.expect(200);
    // What is for people, and what it was not given.
    with(&app, &key).get("/api/v1/auth/me").await.problem(403, Code::NotPermitted);
    with(&app, &key).get(KEYS).await.problem(403, Code::NotPermitted);
    let (_, bare) = make(&admin, &[]).await;
    with(&app, &bare).get(METRICS).await.problem(403, Code::NotPermitted);
    with(&app, &bare).get("/api/v1/products?limit=1").await.expect(200);

    let shown = admin.get(&format!("{KEYS}/{id}")).await.expect(200).json();
    assert_eq!(shown["scopes"], json!(["readMetrics"]));
    assert_eq!((&shown["tier"], &shown["createdBy"]), (&json!("premium"), &json!(admin.id.as_str())));
    assert!(shown["key"].is_null() && shown["lastUsedAt"].is_string() && shown["revokedAt"].is_null(), "{shown}");
    let principal = app.state.api_keys.authenticate(&key).await.unwrap().unwrap();
    assert_eq!(principal.tier.as_str(), "premium");
    assert!(principal.may(Permission::ReadMetrics) && principal.session().is_err());
}

#[tokio::test]
async fn the_text_of_a_key_is_nowhere_but_in_its_first_answer() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, key) = make(&admin, &["readMetrics"]).await;
    with(&app, &key).get(METRICS).await.expect(200);
    let secret = key.rsplit_once('_').map_or(key.as_str(), |_| &key[key.len() - 43..]);
    for container in [&CUSTOMERS, &DIRECTORY] {
        let text = stored(&app, container).await;
        assert!(text.contains("apiKey") && !text.contains(secret));
    }
    assert!(!admin.get(KEYS).await.expect(200).text().contains(secret));
}

/// An answer without what is of the moment.
fn told(answer: &Answer) -> (u16, Value) {
    let mut problem = answer.json();
    problem["requestId"].take();
    (answer.status.as_u16(), problem)
}

#[tokio::test]
async fn whatever_is_wrong_with_a_key_the_answer_is_the_same() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (id, revoked) = make(&admin, &["readMetrics"]).await;
    with(&app, &revoked).get(METRICS).await.expect(200);
    let (_, unused) = make(&admin, &["readMetrics"]).await;
    admin.delete(&format!("{KEYS}/{id}")).await.expect(200);
    let tomorrow = app.state.clock.now() + Duration::days(1);
    let asked = json!({ "name": "short", "scopes": ["readMetrics"], "expiresAt": tomorrow });
    let expired = admin.post(KEYS).json(&asked).await.expect(201).json()["key"].as_str().unwrap().to_owned();
    with(&app, &expired).get(METRICS).await.expect(200);
    app.clock.advance(Duration::days(1));
    let secret = &unused[unused.len() - 43..];
    let other_secret = format!("{}{}", &unused[..unused.len() - 43], &revoked[revoked.len() - 43..]);
    let other_id = format!("pravis_01KAXQ8W0V7D3T4Z5J6N8P9R2S_{secret}");
    let unknown = format!("pravis_01KAXQ8W0V7D3T4Z5J6N8P9R2S_{}", "A".repeat(43));
    let mut answers = Vec::new();
    for key in [&revoked, &expired, &other_secret, &other_id, &unknown, "pravis_", "pravis_x", &format!("{unused}A")] {
        for path in [METRICS, "/api/v1/auth/me", "/api/v1/products?limit=1"] {
            let answer = with(&app, key).get(path).await;
            answer.problem(401, Code::InvalidToken);
            assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        }
        answers.push(told(&with(&app, key).get(METRICS).await));
        answers.push(told(&app.client().get(METRICS).header("x-api-key", key).await));
    }
    for nonsense in ["", "nonsense", "Bearer x"] {
        answers.push(told(&app.client().get(METRICS).header("x-api-key", nonsense).await));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    with(&app, &unused).get(METRICS).await.expect(200);
}

#[tokio::test]
async fn a_revocation_counts_at_once_here_and_on_an_instance_that_hears_of_it() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (id, key) = make(&admin, &["readMetrics"]).await;
    let elsewhere = Arc::new(LiveApiKeys::new(app.state.documents.clone(), app.state.clock.clone(), api_key_first_use));
    let unaware = LiveApiKeys::new(app.state.documents.clone(), app.state.clock.clone(), api_key_first_use);
    for instance in [&*elsewhere, &unaware] {
        assert!(instance.authenticate(&key).await.unwrap().is_some());
    }
    with(&app, &key).get(METRICS).await.expect(200);
    let mut news = app.state.invalidations.subscribe().await.unwrap();
    let revoked = admin.delete(&format!("{KEYS}/{id}")).await.expect(200).json();
    assert!(revoked["revokedAt"].is_string());
    with(&app, &key).get(METRICS).await.problem(401, Code::InvalidToken);
    let Some(Heard::Message(message)) = news.next().await else { panic!("nothing is told") };
    let instance = Listeners { api_keys: elsewhere.clone(), ..Listeners::of(&app.state) };
    instance.heard(Heard::Message(message)).await;
    assert_eq!(elsewhere.authenticate(&key).await.unwrap(), None);
    // Who missed the news believes for a while, until there is doubt.
    assert!(unaware.authenticate(&key).await.unwrap().is_some());
    unaware.doubt();
    assert_eq!(unaware.authenticate(&key).await.unwrap(), None);

    let again = admin.delete(&format!("{KEYS}/{id}")).await.expect(200).json();
    assert_eq!(again["revokedAt"], revoked["revokedAt"]);
    let told = events(&app).await;
    let kinds: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["apiKey.created", "apiKey.firstUsed", "apiKey.revoked"]);
    assert_eq!(told[0]["data"]["actor"], admin.id.as_str());
    assert_eq!(told[1]["data"]["actor"], id.as_str());
    assert_eq!(told[2]["data"]["actor"], admin.id.as_str());
    assert!(told.iter().all(|event| event["subject"] == id.as_str()));
    assert!(!stored(&app, &DIRECTORY).await.contains(&id), "its claim is gone");
}

#[tokio::test]
async fn uses_are_noted_once_an_hour_and_not_with_every_request() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (id, key) = make(&admin, &["readMetrics"]).await;
    let version = async || {
        let found = app.state.documents.read(&CUSTOMERS, &api_keys(&TenantId::pravis()), &id).await;
        found.unwrap().unwrap().etag
    };
    with(&app, &key).get(METRICS).await.expect(200);
    let noted = version().await;
    for _ in 0..5 {
        with(&app, &key).get(METRICS).await.expect(200);
        app.state.api_keys.doubt();
    }
    assert_eq!(version().await, noted);
    app.clock.advance(Duration::hours(1));
    app.state.api_keys.doubt();
    with(&app, &key).get(METRICS).await.expect(200);
    assert_ne!(version().await, noted);
    let last = admin.get(&format!("{KEYS}/{id}")).await;
    assert_eq!(last.status, 401, "the token of the administrator has expired meanwhile");
}

#[tokio::test]
async fn one_credential_is_enough() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let (_, key) = make(&admin, &["readMetrics"]).await;
    admin.get(METRICS).header("x-api-key", &key).await.problem(400, Code::MalformedRequest);
    let twice = app.client().get(METRICS).header("x-api-key", &key).header("x-api-key", &key).await;
    twice.problem(400, Code::MalformedRequest);
    with(&app, &key).get(METRICS).header("x-api-key", &key).await.problem(400, Code::MalformedRequest);
    app.client().get(METRICS).header("x-api-key", admin.token()).await.problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn only_administrators_make_keys_and_none_that_may_what_no_key_may() {
    let app = TestApp::start().await;
    let (admin, staff) = (app.admin().await, app.staff().await);
    let asked = json!({ "name": "mine", "scopes": ["readMetrics"] });
    staff.post(KEYS).json(&asked).await.problem(403, Code::NotPermitted);
    let (_, key) = make(&admin, &["readMetrics"]).await;
    with(&app, &key).post(KEYS).json(&asked).await.problem(403, Code::NotPermitted);
    for scope in ["manageRoles", "manageApiKeys", "manageTenants", "manageUsers", "manageTiers", "readAudit"] {
        let answer = admin.post(KEYS).json(&json!({ "name": "mine", "scopes": ["readMetrics", scope] })).await;
        let problem = answer.problem(422, Code::ValidationFailed);
        assert_eq!(problem.errors[0].field, "scopes[1]");
        assert!(problem.errors[0].message.contains("readReports"), "{:?}", problem.errors);
    }
    let past = app.state.clock.now() - Duration::seconds(1);
    let far = app.state.clock.now() + Duration::days(6 * 365);
    for (bad, field) in [
        (json!({ "name": " " }), "name"),
        (json!({ "name": "x".repeat(81) }), "name"),
        (json!({ "name": "a\nb" }), "name"),
        (json!({ "name": "x", "scopes": ["fly"] }), "scopes[0]"),
        (json!({ "name": "x", "tier": "No" }), "tier"),
        (json!({ "name": "x", "expiresAt": past }), "expiresAt"),
        (json!({ "name": "x", "expiresAt": far }), "expiresAt"),
        (json!({ "name": "x", "tenant": "rival" }), "tenant"),
    ] {
        let problem = admin.post(KEYS).json(&bad).await.problem(422, Code::ValidationFailed);
        assert_eq!(problem.errors[0].field, field, "{bad}");
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages_and_bounded() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut made = Vec::new();
    for _ in 0..100 {
        app.clock.advance(Duration::seconds(1));
        made.push(make(&admin, &[]).await.0);
    }
    let asked = json!({ "name": "one too many" });
    admin.post(KEYS).json(&asked).await.problem(409, Code::Conflict);
    let mut listed = Vec::new();
    let mut path = format!("{KEYS}?limit=40");
    loop {
        let page = admin.get(&path).await.expect(200).json();
        listed.extend(page["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("{KEYS}?limit=40&cursor={next}");
    }
    listed.reverse();
    assert_eq!(listed, made);
    admin.delete(&format!("{KEYS}/{}", made[0])).await.expect(200);
    admin.post(KEYS).json(&asked).await.expect(201);
}
