//! Names and preferences: the customer's own, and nobody else's.

use futures_util::future::join_all;
use http::Method;
use pravis::error::Code;
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::client::Answer;

async fn patch(person: &Person, patch: &Value) -> Answer {
    let call = person.call(Method::PATCH, "/api/v1/users/me/preferences");
    call.body("application/merge-patch+json", patch.to_string()).await
}

#[tokio::test]
async fn names_are_changed_as_the_storefront_sends_them() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    let body = json!({ "firstName": " Lakshmi Devi ", "role": "admin", "email": "x@example.in", "tier": "enterprise" });
    let call = person.put("/api/v1/auth/profile").body("text/plain;charset=UTF-8", body.to_string());
    let answer = call.await.expect(200).json();
    assert_eq!((&answer["success"], &answer["user"]["firstName"]), (&json!(true), &json!("Lakshmi Devi")));
    let me = person.get("/api/v1/auth/me").await.expect(200).json();
    assert_eq!(me["fullName"], "Lakshmi Devi Rao");
    assert_eq!((&me["role"], &me["tier"], &me["email"]), (&json!("customer"), &json!("free"), &json!(person.email)));
    assert_eq!(other.get("/api/v1/auth/me").await.expect(200).json()["firstName"], "Lakshmi");
    for bad in [json!({ "firstName": "x".repeat(101) }), json!({ "lastName": "a\u{7}b" }), json!({ "firstName": 5 })] {
        person.put("/api/v1/auth/profile").json(&bad).await.problem(422, Code::ValidationFailed);
    }
}

#[tokio::test]
async fn preferences_are_merged_and_owned() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    let show = async |person: &Person| person.get("/api/v1/users/me/preferences").await.expect(200).json();
    assert_eq!(show(&person).await, json!({ "preferences": {} }));
    patch(&person, &json!({ "voice": { "volume": 0.8, "muted": true }, "theme": "maroon" })).await.expect(200);
    let answer = patch(&person, &json!({ "voice": { "muted": null }, "theme": "gold" })).await.expect(200);
    assert_eq!(answer.json()["preferences"], json!({ "voice": { "volume": 0.8 }, "theme": "gold" }));
    assert_eq!(show(&person).await["preferences"], answer.json()["preferences"]);
    assert_eq!(show(&other).await, json!({ "preferences": {} }));
}

#[tokio::test]
async fn preferences_honour_versions_and_limits() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let first = patch(&person, &json!({ "a": 1 })).await.expect(200).header("etag").to_owned();
    let second = patch(&person, &json!({ "a": 2 })).await.expect(200).header("etag").to_owned();
    let when = |etag: &str| {
        let call = person.call(Method::PATCH, "/api/v1/users/me/preferences").header("if-match", etag);
        call.json(&json!({ "b": 1 })).into_future()
    };
    when(&first).await.problem(412, Code::PreconditionFailed);
    when(&second).await.expect(200);
    let deep = (0..9).fold(json!(1), |inner, _| json!({ "a": inner }));
    for bad in [json!({ "long": "x".repeat(17_000) }), deep, json!([1]), json!("text"), json!(null)] {
        patch(&person, &bad).await.problem(422, Code::ValidationFailed);
    }
    let call = person.call(Method::PATCH, "/api/v1/users/me/preferences").body("text/plain", "{}");
    call.await.problem(415, Code::UnsupportedMediaType);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_patches_at_once_none_is_lost() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let changes: Vec<Value> = (0..4).map(|number| json!({ format!("key{number}"): number })).collect();
    for answer in join_all(changes.iter().map(|change| patch(&person, change))).await {
        answer.expect(200);
    }
    let kept = person.get("/api/v1/users/me/preferences").await.expect(200).json();
    assert_eq!(kept["preferences"], json!({ "key0": 0, "key1": 1, "key2": 2, "key3": 3 }));
}
