//! Phone numbers and email addresses of an account: proved before they count, each held by one account.

use chrono::Duration;
use futures_util::future::join_all;
use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::documents::{Query, Scope};
use pravis::types::TenantId;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, Person, TestApp};
use crate::support::client::Answer;

const PHONE: &str = "+919876543210";

/// What was handed over to be sent to a person, the oldest first.
async fn sent(app: &TestApp, person: &Person, kind: &str, field: &str) -> Vec<String> {
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let query = Query { limit: 1000, ..Query::default() };
    let page = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.unwrap();
    let events = page.items.iter().map(|document| document.read::<Value>().unwrap()["event"].clone());
    let of_kind = events.filter(|event| event["type"] == kind);
    of_kind.map(|event| event["data"][field].as_str().unwrap().to_owned()).collect()
}

async fn ask(person: &Person, phone: &str) -> Answer {
    person.post("/api/v1/users/me/phone").json(&json!({ "phone": phone })).await
}

async fn prove(person: &Person, code: &str) -> Answer {
    person.post("/api/v1/users/me/phone/verify").json(&json!({ "code": code })).await
}

/// Asks for a code and gives it.
async fn code(app: &TestApp, person: &Person, phone: &str) -> String {
    ask(person, phone).await.expect(202);
    sent(app, person, "account.phoneCodeRequested", "code").await.pop().unwrap()
}

async fn sign_in(app: &TestApp, name: &str) -> Answer {
    app.client().post("/api/v1/auth/login").json(&json!({ "username": name, "password": PASSWORD })).await
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn a_proved_number_is_a_name_to_sign_in_by_until_it_is_removed() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let asked = ask(&person, "098765 43210").await.expect(202);
    assert_eq!(asked.json()["phone"], "+91…10");
    assert!(!asked.text().contains(&sent(&app, &person, "account.phoneCodeRequested", "code").await[0]));
    sign_in(&app, PHONE).await.problem(401, Code::InvalidCredentials);
    let code = sent(&app, &person, "account.phoneCodeRequested", "code").await.remove(0);
    let proved = prove(&person, &code).await.expect(200).json();
    assert_eq!(proved["user"]["phone"], PHONE);
    for name in [PHONE, "98765 43210", "+91-98765-43210"] {
        assert_eq!(sign_in(&app, name).await.expect(200).json()["user_id"], person.id.as_str(), "{name}");
    }
    sign_in(&app, &person.email).await.expect(200);
    let removed = person.delete("/api/v1/users/me/phone").await.expect(200).json();
    assert_eq!(removed["user"].get("phone"), None);
    sign_in(&app, PHONE).await.problem(401, Code::InvalidCredentials);
    // Another may have it at once.
    let other = app.customer().await;
    let code = self::code(&app, &other, PHONE).await;
    prove(&other, &code).await.expect(200);
    assert_eq!(sign_in(&app, PHONE).await.expect(200).json()["user_id"], other.id.as_str());
}

#[tokio::test]
async fn another_number_frees_the_former_one() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    for phone in [PHONE, "+447700900123"] {
        let code = code(&app, &person, phone).await;
        prove(&person, &code).await.expect(200);
    }
    sign_in(&app, PHONE).await.problem(401, Code::InvalidCredentials);
    sign_in(&app, "+44 7700 900123").await.expect(200);
    let code = code(&app, &other, PHONE).await;
    prove(&other, &code).await.expect(200);
}

#[tokio::test]
async fn a_code_is_good_for_ten_minutes_and_five_tries() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    assert_eq!(prove(&person, "123456").await.refused_fields(), ["code"]);
    let first = code(&app, &person, PHONE).await;
    app.clock.advance(Duration::minutes(10));
    assert_eq!(prove(&person, &first).await.refused_fields(), ["code"]);
    let person = app.customer().await;
    let second = code(&app, &person, "+447700900123").await;
    // Many at once are no more than many in turn.
    let wrong = another(&second);
    join_all((0..8).map(|_| prove(&person, &wrong))).await;
    assert_eq!(prove(&person, &second).await.refused_fields(), ["code"], "it was tried too often");
    let third = code(&app, &person, "+447700900123").await;
    for _ in 0..4 {
        assert_eq!(prove(&person, &another(&third)).await.refused_fields(), ["code"]);
    }
    prove(&person, &third).await.expect(200);
}

#[tokio::test]
async fn codes_to_one_number_and_for_one_account_are_few() {
    let app = TestApp::start().await;
    for round in 0..4 {
        let person = app.customer().await;
        let answer = ask(&person, PHONE).await;
        if round < 3 {
            answer.expect(202);
        } else {
            answer.problem(429, Code::TooManyRequests);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        }
    }
    let person = app.customer().await;
    for number in 0..5 {
        ask(&person, &format!("+4477009001{number}0")).await.expect(202);
    }
    ask(&person, "+447700900199").await.problem(429, Code::TooManyRequests);
    for bad in ["", "12345", "+91 12345 67890", "lakshmi@example.in"] {
        assert_eq!(ask(&app.customer().await, bad).await.refused_fields(), ["phone"], "{bad}");
    }
}

#[tokio::test]
async fn of_many_who_prove_one_number_at_once_one_has_it() {
    let app = TestApp::start().await;
    let mut people = Vec::new();
    for _ in 0..3 {
        let person = app.customer().await;
        let code = code(&app, &person, PHONE).await;
        people.push((person, code));
    }
    let answers = join_all(people.iter().map(|(person, code)| prove(person, code))).await;
    let winners: Vec<_> = answers.iter().zip(&people).filter(|(answer, _)| answer.status == 200).collect();
    assert_eq!(winners.len(), 1);
    let (_, (winner, _)) = winners[0];
    for (answer, (person, code)) in answers.iter().zip(&people) {
        if person.id != winner.id {
            answer.problem(409, Code::Conflict);
            prove(person, code).await.problem(409, Code::Conflict);
        }
    }
    assert_eq!(sign_in(&app, PHONE).await.expect(200).json()["user_id"], winner.id.as_str());
}

async fn change(person: &Person, email: &str, password: &str) -> Answer {
    person.post("/api/v1/users/me/email").json(&json!({ "email": email, "currentPassword": password })).await
}

async fn confirm(app: &TestApp, token: &str) -> Answer {
    app.client().post("/api/v1/users/email/verify").json(&json!({ "token": token })).await
}

#[tokio::test]
async fn a_proved_address_takes_the_place_of_the_former_one() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    change(&person, "new@example.in", "wrong-password").await.problem(401, Code::InvalidCredentials);
    change(&person, "no address", PASSWORD).await.problem(422, Code::ValidationFailed);
    change(&person, " New@Example.in", PASSWORD).await.expect(202);
    let token = sent(&app, &person, "account.emailChangeRequested", "token").await.remove(0);
    sign_in(&app, "new@example.in").await.problem(401, Code::InvalidCredentials);
    for bad in ["", "nonsense", &token.replace(person.id.as_str(), app.customer().await.id.as_str())] {
        confirm(&app, bad).await.problem(401, Code::InvalidToken);
    }
    let answers = join_all((0..4).map(|_| confirm(&app, &token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "it is good once");
    sign_in(&app, "new@example.in").await.expect(200);
    sign_in(&app, &person.email).await.problem(401, Code::InvalidCredentials);
    person.get("/api/v1/auth/me").await.expect(200);
    // The former address is free.
    let asked = json!({ "email": person.email, "password": PASSWORD });
    app.client().post("/api/v1/auth/register").json(&asked).await.expect(201);
}

#[tokio::test]
async fn an_address_that_has_an_account_is_not_taken_from_it() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    change(&person, &other.email, PASSWORD).await.expect(202);
    let token = sent(&app, &person, "account.emailChangeRequested", "token").await.remove(0);
    confirm(&app, &token).await.problem(409, Code::Conflict);
    assert_eq!(sign_in(&app, &other.email).await.expect(200).json()["user_id"], other.id.as_str());
    // Time and a new password make a token void.
    for round in 0..2 {
        change(&person, "later@example.in", PASSWORD).await.expect(202);
        let token = sent(&app, &person, "account.emailChangeRequested", "token").await.pop().unwrap();
        if round == 0 {
            app.clock.advance(Duration::hours(25));
            confirm(&app, &token).await.problem(401, Code::InvalidToken);
            app.clock.advance(Duration::hours(-25));
        } else {
            let asked = json!({ "currentPassword": PASSWORD, "newPassword": "pochampally-7" });
            person.put("/api/v1/auth/password").json(&asked).await.expect(200);
            confirm(&app, &token).await.problem(401, Code::InvalidToken);
        }
    }
}
