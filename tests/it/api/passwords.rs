//! Passwords: changed by who knows the present one, or by a token that is mailed and good once.

use chrono::Duration;
use futures_util::future::join_all;
use pravis::error::Code;
use pravis::ports::documents::{Query, Scope};
use pravis::types::TenantId;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, Person, TestApp};
use crate::support::client::Answer;

const NEW: &str = "pochampally-7";

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Answer {
    app.client().post("/api/v1/auth/login").json(&json!({ "email": email, "password": password })).await
}

async fn request(app: &TestApp, email: &str) -> Answer {
    app.client().post("/api/v1/auth/password-reset-request").json(&json!({ "email": email })).await
}

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    app.client().post("/api/v1/auth/password-reset").json(&json!({ "token": token, "newPassword": password })).await
}

/// The tokens that were handed to the mailer for a person, the oldest first.
async fn mailed(app: &TestApp, person: &Person) -> Vec<String> {
    let partition = pravis::containers::customer(&TenantId::pravis(), person.id.as_str());
    let query = Query { limit: 1000, ..Query::default() };
    let scope = Scope::Partition(&partition);
    let page = app.state.documents.query(&pravis::containers::CUSTOMERS, scope, query).await.unwrap();
    let events = page.items.iter().map(|document| document.read::<Value>().unwrap()["event"].clone());
    let resets = events.filter(|event| event["type"] == "account.passwordResetRequested");
    resets.map(|event| event["data"]["token"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_knows_the_password_changes_it_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let other = sign_in(&app, &person.email, PASSWORD).await.expect(200).json();
    let change = |current: &str, new: &str| {
        let asked = json!({ "currentPassword": current, "newPassword": new });
        person.put("/api/v1/auth/password").json(&asked).into_future()
    };
    change("wrong-password", NEW).await.problem(401, Code::InvalidCredentials);
    change(PASSWORD, "short").await.problem(422, Code::ValidationFailed);
    change(PASSWORD, NEW).await.expect(200);
    person.get("/api/v1/auth/me").await.expect(200);
    let ended = app.client().with_token(other["access_token"].as_str().unwrap());
    ended.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    sign_in(&app, &person.email, PASSWORD).await.problem(401, Code::InvalidCredentials);
    sign_in(&app, &person.email, NEW).await.expect(200);
}

#[tokio::test]
async fn a_stolen_access_token_is_no_way_to_guess_the_password() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let asked = json!({ "currentPassword": "wrong-password", "newPassword": NEW });
    for _ in 0..10 {
        person.put("/api/v1/auth/password").json(&asked).await.problem(401, Code::InvalidCredentials);
    }
    person.put("/api/v1/auth/password").json(&asked).await.problem(429, Code::TooManyRequests);
}

#[tokio::test]
async fn a_mailed_token_sets_a_password_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let signed_in = sign_in(&app, &person.email, PASSWORD).await.expect(200).json();
    request(&app, &person.email).await.expect(200);
    let tokens = mailed(&app, &person).await;
    assert_eq!(tokens.len(), 1);
    reset(&app, &tokens[0], "short").await.problem(422, Code::ValidationFailed);
    let answers = join_all((0..4).map(|_| reset(&app, &tokens[0], NEW))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "of many who bring it one wins");
    reset(&app, &tokens[0], "another-password").await.problem(401, Code::InvalidToken);
    let ended = app.client().with_token(signed_in["access_token"].as_str().unwrap());
    ended.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    sign_in(&app, &person.email, NEW).await.expect(200);
}

#[tokio::test]
async fn a_token_ends_and_a_guess_is_refused() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    request(&app, &person.email).await.expect(200);
    let token = mailed(&app, &person).await.remove(0);
    for bad in ["", "nonsense", &"A".repeat(43)] {
        reset(&app, bad, NEW).await.problem(401, Code::InvalidToken);
    }
    app.clock.advance(Duration::minutes(31));
    reset(&app, &token, NEW).await.problem(401, Code::InvalidToken);
    sign_in(&app, &person.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_answer_does_not_tell_whether_there_is_an_account_and_mails_are_few() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let known = request(&app, &person.email).await.expect(200);
    let unknown = request(&app, "nobody@example.in").await.expect(200);
    assert_eq!(known.json(), unknown.json());
    for _ in 0..5 {
        request(&app, &person.email).await.expect(200);
    }
    assert_eq!(mailed(&app, &person).await.len(), 3, "mails to one address within the hour");
    request(&app, "not an address").await.problem(422, Code::ValidationFailed);
}

#[tokio::test]
async fn a_new_password_makes_every_token_void_that_was_mailed_before() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    for _ in 0..2 {
        request(&app, &person.email).await.expect(200);
    }
    let tokens = mailed(&app, &person).await;
    reset(&app, &tokens[1], NEW).await.expect(200);
    reset(&app, &tokens[0], "another-password").await.problem(401, Code::InvalidToken);
    sign_in(&app, &person.email, NEW).await.expect(200);
}

#[tokio::test]
async fn a_token_is_not_used_up_by_what_fails() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    request(&app, &person.email).await.expect(200);
    let token = mailed(&app, &person).await.remove(0);
    let before = app.state.passwords.computed();
    for bad in ["short".to_owned(), "x".repeat(129)] {
        reset(&app, &token, &bad).await.problem(422, Code::ValidationFailed);
    }
    let (names, _) = token.rsplit_once('.').unwrap();
    reset(&app, &format!("{names}.{}", "A".repeat(43)), NEW).await.problem(401, Code::InvalidToken);
    assert_eq!(app.state.passwords.computed(), before, "nothing is hashed for a guess");
    let answer = reset(&app, &token, NEW).await.expect(200);
    // Who has read the mail is let in, whoever guesses.
    assert!(answer.json()["device_token"].is_string() && answer.header("set-cookie").contains("pravis_device="));
}
