//! What of an account comes out of the caches.

use http::Method;
use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::documents::NewDocument;
use pravis::types::TenantId;
use serde_json::{Map, Value, json};

use crate::support::app::{PASSWORD, Person, TestApp, eventually};

const ME: &str = "/api/v1/auth/me";
const PREFERENCES: &str = "/api/v1/users/me/preferences";

/// Waits until an answer comes from memory: the change feed still tells of the registration.
async fn hit(person: &Person, path: &str) -> Value {
    eventually("an answer from memory", || async {
        let answer = person.get(path).await.expect(200);
        (answer.header("x-cache") == "HIT").then(|| answer.json())
    })
    .await
}

/// Changes the account's document as another program would.
async fn rename_behind_the_back(app: &TestApp, person: &Person, name: &str) {
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let found = app.state.documents.read(&CUSTOMERS, &partition, person.id.as_str()).await.unwrap().unwrap();
    let mut user: Map<String, Value> = found.read().unwrap();
    user.insert("firstName".into(), name.into());
    let document = NewDocument::new(person.id.as_str(), &user).unwrap();
    app.state.documents.upsert(&CUSTOMERS, &partition, document).await.unwrap();
}

#[tokio::test]
async fn a_second_reading_touches_no_store_and_a_write_is_seen_at_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    person.call(Method::PATCH, PREFERENCES).json(&json!({ "voice-volume": 0.5 })).await.expect(200);
    for path in [ME, PREFERENCES] {
        let shown = hit(&person, path).await;
        let again = person.get(path).await.expect(200);
        assert_eq!(again.json(), shown);
        // No service behind a port was called, also for who has the answer already.
        let known = eventually("an answer that needs no reading", || async {
            let known = person.get(path).header("if-none-match", again.header("etag")).await.expect(304);
            (known.header("x-cache") == "HIT").then_some(known)
        })
        .await;
        assert!(!known.header("server-timing").contains(','), "{}", known.header("server-timing"));
    }
    for number in 1..=20 {
        let name = format!("Lakshmi {number}");
        person.call(Method::PUT, "/api/v1/auth/profile").json(&json!({ "firstName": name })).await.expect(200);
        assert_eq!(person.get(ME).await.expect(200).json()["firstName"], name);
        person.call(Method::PATCH, PREFERENCES).json(&json!({ "n": number })).await.expect(200);
        assert_eq!(person.get(PREFERENCES).await.expect(200).json()["preferences"]["n"], number);
    }
}

#[tokio::test]
async fn each_sees_their_own_and_what_others_write_a_moment_later() {
    let app = TestApp::start().await;
    let (one, other) = (app.customer().await, app.customer().await);
    for person in [&one, &other] {
        assert_eq!(hit(person, ME).await["id"], person.id.as_str());
    }
    rename_behind_the_back(&app, &one, "Sita").await;
    eventually("the new name", || async {
        (one.get(ME).await.expect(200).json()["firstName"] == "Sita").then_some(())
    })
    .await;
    assert_eq!(other.get(ME).await.expect(200).json()["firstName"], "Lakshmi");
}

#[tokio::test]
async fn a_closed_account_shows_nothing_from_memory() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    hit(&person, ME).await;
    person.call(Method::DELETE, "/api/v1/users/me").json(&json!({ "password": PASSWORD })).await.expect(202);
    person.get(ME).await.problem(401, Code::InvalidToken);
}
