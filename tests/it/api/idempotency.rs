//! `Idempotency-Key`: sent again is answered again, not done again.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::Duration;
use http::{HeaderMap, Method};
use pravis::error::Code;
use pravis::http::idempotency::Decision;
use pravis::http::{Client as Origin, Request};
use pravis::identity::Caller;
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::client::{Answer, Call};

const SAMPLES: &str = "/api/v1/voice/samples";

fn wanted() -> Value {
    json!({ "contentType": "audio/webm" })
}

fn create(person: &Person, key: &str, body: &Value) -> Call {
    person.post(SAMPLES).header("idempotency-key", key).json(body)
}

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn count(person: &Person) -> usize {
    person.get(&format!("{SAMPLES}?limit=100")).await.expect(200).json()["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_request_is_answered_again() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let first = create(&person, "key-1", &wanted()).await.expect(201);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let again = create(&person, "key-1", &wanted()).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.body, first.body);
    for name in ["location", "content-type", "cache-control"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(count(&person).await, 1);
    // Without a key every request is one of its own.
    for _ in 0..2 {
        person.post(SAMPLES).json(&wanted()).await.expect(201);
    }
    assert_eq!(count(&person).await, 3);
}

#[tokio::test]
async fn every_function_that_declares_it_honours_it() {
    let app = TestApp::start().await;
    let mut walked = 0;
    for (name, function) in app.http_functions().filter(|(_, function)| function.idempotent) {
        // A function with an id in its route needs a story of its own.
        if function.route.contains('{') {
            continue;
        }
        let person = app.admin().await;
        if name == "ShopOrdersCreate" {
            let product = person.get("/api/v1/products?inStock=true&limit=1").await.expect(200).json();
            let asked = json!({ "productId": product["products"][0]["id"] });
            person.post("/api/v1/cart/items").json(&asked).await.expect(200);
        }
        let body = function.operation.bodies.first().and_then(|body| body.example.clone());
        let path = format!("/api/{}", function.route);
        let send = || {
            let call = person.call(function.method.clone(), &path).header("idempotency-key", "walk");
            match &body {
                Some(body) => call.json(body),
                None => call,
            }
        };
        let first = send().await;
        assert!(first.status.is_success(), "{name}: {first:?}");
        let again = send().await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{name}");
        assert_eq!(again.header("idempotent-replayed"), "true", "{name}");
        walked += 1;
    }
    assert!(walked >= 2, "only {walked}");
}

#[tokio::test]
async fn another_request_under_the_key_is_refused() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    create(&person, "key-1", &wanted()).await.expect(201);
    let other = create(&person, "key-1", &json!({ "contentType": "audio/ogg" })).await;
    other.problem(422, Code::IdempotencyKeyReused);
    // The same meaning in other bytes is another request too.
    let spaced = person.post(SAMPLES).header("idempotency-key", "key-1");
    spaced
        .body("application/json", r#"{ "contentType": "audio/webm" }"#)
        .await
        .problem(422, Code::IdempotencyKeyReused);
    assert_eq!(count(&person).await, 1);
    // Under the same key another function is another matter.
    let consent = json!({ "purpose": "training", "granted": true, "version": "1.0" });
    let answer = person.post("/api/v1/users/me/consents").header("idempotency-key", "key-1").json(&consent).await;
    assert!(!answer.expect(201).headers.contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn of_the_same_request_many_times_at_once_one_is_done() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let call = create(&person, "rush", &wanted());
        calls.spawn(async move { call.await });
    }
    let (mut ids, mut done) = (BTreeSet::new(), 0);
    for answer in calls.join_all().await {
        if answer.status == 201 {
            ids.insert(id(&answer));
            done += usize::from(!answer.headers.contains_key("idempotent-replayed"));
        } else {
            answer.problem(409, Code::RequestInProgress);
            assert!(!answer.header("retry-after").is_empty());
        }
    }
    assert_eq!((ids.len(), done), (1, 1));
    assert_eq!(count(&person).await, 1);
    let later = create(&person, "rush", &wanted()).await.expect(201);
    assert_eq!(later.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn a_key_has_1_to_255_visible_characters() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
    for bad in ["", "   ", &too_long, "schlüssel"] {
        let refused = create(&person, bad, &wanted()).await.refused_fields();
        assert_eq!(refused, ["Idempotency-Key"], "{bad}");
    }
    for good in ["k", &longest, "\"quoted\"", "a:b/c?d=e"] {
        create(&person, good, &wanted()).await.expect(201);
        assert_eq!(create(&person, good, &wanted()).await.header("idempotent-replayed"), "true", "{good}");
    }
    assert_eq!(count(&person).await, 4);
}

#[tokio::test]
async fn keys_belong_to_their_caller() {
    let app = TestApp::start().await;
    let (one, other) = (app.customer().await, app.customer().await);
    let first = create(&one, "shared", &wanted()).await.expect(201);
    let second = create(&other, "shared", &wanted()).await.expect(201);
    assert!(!second.headers.contains_key("idempotent-replayed"));
    assert_ne!(id(&first), id(&second));
    // A new token of the same caller finds the answer.
    let principal = &one.principal;
    let token = app.state.keys.sign(principal, app.state.clock.now()).unwrap().token;
    let again = app.client().with_token(token).post(SAMPLES).header("idempotency-key", "shared").json(&wanted()).await;
    assert_eq!((id(&again), again.header("idempotent-replayed")), (id(&first), "true"));
}

#[tokio::test]
async fn a_request_that_failed_may_be_mended() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    create(&person, "key", &json!({ "contentType": "text/plain" })).await.problem(422, Code::ValidationFailed);
    let mended = create(&person, "key", &wanted()).await.expect(201);
    assert!(!mended.headers.contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn a_key_held_by_a_process_that_died_frees_itself() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let request = Request {
        id: "req_dead".into(),
        method: Method::POST,
        path: SAMPLES.into(),
        params: Vec::new(),
        query: String::new(),
        headers: HeaderMap::new(),
        caller: Caller::Known(person.principal.clone()),
        client: Origin::default(),
        body: Bytes::from(serde_json::to_vec(&wanted()).unwrap()),
    };
    // It began, and never ended.
    let begun = app.state.idempotency().begin("VoiceSamplesCreate", "key", &request).await.unwrap();
    assert!(matches!(begun, Decision::Run(_)));
    let busy = create(&person, "key", &wanted()).await;
    busy.problem(409, Code::RequestInProgress);
    app.clock.advance(Duration::seconds(89));
    create(&person, "key", &wanted()).await.problem(409, Code::RequestInProgress);
    app.clock.advance(Duration::seconds(2));
    let taken_over = create(&person, "key", &wanted()).await.expect(201);
    assert!(!taken_over.headers.contains_key("idempotent-replayed"));
    assert_eq!(create(&person, "key", &wanted()).await.header("idempotent-replayed"), "true");
    assert_eq!(count(&person).await, 1);
}

#[tokio::test]
async fn answers_are_kept_for_a_day_at_least_and_not_for_ever() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let first = create(&person, "key", &wanted()).await.expect(201);
    let again = async || {
        let token = app.state.keys.sign(&person.principal, app.state.clock.now()).unwrap().token;
        app.client().with_token(token).post(SAMPLES).header("idempotency-key", "key").json(&wanted()).await.expect(201)
    };
    app.clock.advance(Duration::hours(25));
    assert_eq!(id(&again().await), id(&first));
    app.clock.advance(Duration::hours(24));
    assert_ne!(id(&again().await), id(&first));
}
