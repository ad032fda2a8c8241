//! Accounts: opening one, signing in, tokens, consents.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use http::StatusCode;
use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::Condition;
use pravis::ports::documents::{Filter, Query, Scope};
use pravis::types::TenantId;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};

const REGISTER: &str = "/api/v1/auth/register";
const LOGIN: &str = "/api/v1/auth/login";

#[tokio::test]
async fn opening_an_account_signs_in() {
    let app = TestApp::start().await;
    let asked = json!({ "email": " Lakshmi@Example.IN ", "password": PASSWORD, "firstName": " Lakshmi ", "lastName": "Rao", "newsletter": true });
    let answer = app.client().post(REGISTER).json(&asked).await.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let signed_in = answer.json();
    assert_eq!(signed_in["success"], true);
    assert_eq!(signed_in["token"], signed_in["access_token"]);
    assert_eq!(signed_in["token_type"], "bearer");
    assert_eq!(signed_in["expires_in"], 900);
    assert_eq!(signed_in["user_id"], signed_in["user"]["id"]);
    let me = app.client().with_token(signed_in["token"].as_str().unwrap()).get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me.json(), signed_in["user"]);
    for (field, value) in [
        ("email", json!("lakshmi@example.in")),
        ("username", json!("lakshmi@example.in")),
        ("firstName", json!("Lakshmi")),
        ("fullName", json!("Lakshmi Rao")),
        ("role", json!("customer")),
        ("tier", json!("free")),
        ("isActive", json!(true)),
        ("createdAt", json!("2026-01-15T06:30:00Z")),
    ] {
        assert_eq!(me.json()[field], value, "{field}");
    }
    assert!(!me.text().contains("assword") && !answer.text().contains("argon2"));
}

#[tokio::test]
async fn a_caller_cannot_choose_its_role() {
    let app = TestApp::start().await;
    let asked = json!({ "email": "x@example.in", "password": PASSWORD, "role": "admin", "tier": "enterprise", "id": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S" });
    let user = app.client().post(REGISTER).json(&asked).await.expect(201).json()["user"].clone();
    assert_eq!((user["role"].clone(), user["tier"].clone()), (json!("customer"), json!("free")));
    assert_ne!(user["id"], asked["id"]);
}

#[tokio::test]
async fn the_storefront_registers_in_plain_text() {
    let app = TestApp::start().await;
    let asked = json!({ "email": "plain@example.in", "password": PASSWORD }).to_string();
    app.client().post(REGISTER).body("text/plain;charset=UTF-8", asked).await.expect(201);
    let asked = json!({ "email": "plain@example.in", "password": PASSWORD }).to_string();
    app.client().post(LOGIN).body("text/plain;charset=UTF-8", asked).await.expect(200);
}

#[tokio::test]
async fn signing_in_takes_each_spelling_of_the_credentials() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let (email, shouted) = (customer.email.as_str(), customer.email.to_uppercase());
    let api = app.client();
    let calls = [
        api.post(LOGIN).form(&[("username", email), ("password", PASSWORD)]),
        api.post(LOGIN).form(&[("grant_type", "password"), ("username", email), ("password", PASSWORD), ("scope", "")]),
        api.post(LOGIN).form(&[("email", email), ("password", PASSWORD)]),
        api.post(LOGIN).json(&json!({ "email": email, "password": PASSWORD })),
        api.post(LOGIN).json(&json!({ "username": email, "password": PASSWORD })),
        api.post(LOGIN).json(&json!({ "email": format!("  {shouted} "), "password": PASSWORD })),
        api.post("/api/v1/auth/login/json").json(&json!({ "username": email, "password": PASSWORD })),
    ];
    for call in calls {
        let signed_in = call.await.expect(200).json();
        assert_eq!(signed_in["user"]["email"], email);
        assert_eq!(signed_in["token"], signed_in["access_token"]);
        let token = signed_in["token"].as_str().unwrap();
        let me = app.client().with_token(token).get("/api/v1/auth/me").await.expect(200).json();
        assert_eq!(me["id"], customer.id.as_str());
    }
    assert_eq!(api.post(LOGIN).json(&json!({ "password": PASSWORD })).await.refused_fields(), ["email"]);
    api.post(LOGIN).json(&json!({ "email": email })).await.problem(422, Code::ValidationFailed);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_look_alike() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let too_long = "x".repeat(20_000);
    let mut seen: Vec<(Value, Vec<String>)> = Vec::new();
    for (email, password) in [
        (customer.email.as_str(), "kanjivaram-8"),
        (customer.email.as_str(), ""),
        (customer.email.as_str(), &too_long),
        ("nobody@example.in", PASSWORD),
        ("not an address", PASSWORD),
        ("", ""),
    ] {
        let answer = app.client().post(LOGIN).json(&json!({ "email": email, "password": password })).await;
        answer.problem(401, Code::InvalidCredentials);
        let mut told = answer.json();
        told["requestId"] = Value::Null;
        let names = answer.headers.keys().map(|name| name.to_string()).collect();
        seen.push((told, names));
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:#?}");
}

#[tokio::test]
async fn the_key_set_verifies_tokens_without_our_code() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let [head, payload, signature]: [&str; 3] = customer.token().split('.').collect::<Vec<_>>().try_into().unwrap();
    let decoded = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (head_json, claims) = (decoded(head), decoded(payload));
    assert_eq!(head_json["alg"], "EdDSA");
    let keys = app.client().get("/api/v1/.well-known/jwks.json").await.expect(200).json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head_json["kid"]).unwrap().clone();
    assert_eq!((key["kty"].as_str(), key["crv"].as_str()), (Some("OKP"), Some("Ed25519")));
    assert!(key.get("d").is_none(), "the private key stays with us");
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let verified = UnparsedPublicKey::new(&ED25519, public)
        .verify(format!("{head}.{payload}").as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap());
    verified.expect("the signature is that of the key");
    assert_eq!(claims["sub"], customer.id.as_str());
    assert_eq!(claims["iss"], app.state.settings.token_issuer);
    assert_eq!(claims["aud"], app.state.settings.token_audience);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!((claims["role"].as_str(), claims["tid"].as_str()), (Some("customer"), Some("pravis")));
}

#[tokio::test]
async fn failed_sign_ins_are_throttled_by_account_and_network() {
    let app = TestApp::start().await;
    let (victim, other) = (app.customer().await, app.customer().await);
    let attacker = app.client_at([127, 0, 7, 1]);
    let attempt =
        |email: &str, password: &str| attacker.post(LOGIN).json(&json!({ "email": email, "password": password }));
    // A success in between begins the count anew.
    for _ in 0..9 {
        attempt(&victim.email, "wrong-password").await.problem(401, Code::InvalidCredentials);
    }
    attempt(&victim.email, PASSWORD).await.expect(200);
    for _ in 0..10 {
        attempt(&victim.email.to_uppercase(), "wrong-password").await.problem(401, Code::InvalidCredentials);
    }
    for password in ["wrong-password", PASSWORD] {
        let answer = attempt(&victim.email, password).await;
        answer.problem(429, Code::TooManyRequests);
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    // The same network is one caller, another network and another account are not touched.
    let right = json!({ "email": victim.email, "password": PASSWORD });
    app.client_at([127, 0, 7, 200]).post(LOGIN).json(&right).await.problem(429, Code::TooManyRequests);
    app.client_at([127, 0, 8, 1]).post(LOGIN).json(&right).await.expect(200);
    attempt(&other.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn passwords_have_8_to_128_characters() {
    let app = TestApp::start().await;
    let telugu = "కాంచీపురం";
    for (number, (password, status)) in [
        ("x".repeat(7), 422),
        ("x".repeat(8), 201),
        ("x".repeat(128), 201),
        ("x".repeat(129), 422),
        // Characters count, not bytes.
        (telugu.chars().take(7).collect(), 422),
        (telugu.chars().take(8).collect(), 201),
        ("ప".repeat(128), 201),
        ("        ".into(), 201),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = json!({ "email": format!("p{number}@example.in"), "password": password });
        let answer = app.client().post(REGISTER).json(&asked).await.expect(status);
        if status == 422 {
            assert_eq!(answer.refused_fields(), ["password"]);
        } else {
            app.client().post(LOGIN).json(&asked).await.expect(200);
            let longer = json!({ "email": asked["email"], "password": format!("{password}x") });
            app.client().post(LOGIN).json(&longer).await.problem(401, Code::InvalidCredentials);
        }
    }
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_typed() {
    let app = TestApp::start().await;
    let ask = |email: &str| app.client().post(REGISTER).json(&json!({ "email": email, "password": PASSWORD }));
    ask("Asha.Iyer@Example.IN").await.expect(201);
    for again in ["asha.iyer@example.in", " ASHA.IYER@EXAMPLE.IN\t", "asha.iyer@Example.in"] {
        ask(again).await.problem(409, Code::Conflict);
    }
    for bad in ["", "asha", "@example.in", "asha@", "a b@example.in", "asha@example.in, b@example.in"] {
        assert_eq!(ask(bad).await.refused_fields(), ["email"], "{bad}");
    }
}

#[tokio::test]
async fn of_many_who_register_an_address_at_once_one_wins() {
    let app = TestApp::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let api = app.client();
        calls.spawn(async move {
            let password = format!("password-{number}");
            let asked = json!({ "email": "rush@example.in", "password": password });
            (api.post(REGISTER).json(&asked).await, password)
        });
    }
    let mut winners = Vec::new();
    for (answer, password) in calls.join_all().await {
        match answer.status {
            StatusCode::CREATED => winners.push((answer.json()["user_id"].clone(), password)),
            // Hashing is bounded; on a slow machine some may be sent away.
            StatusCode::SERVICE_UNAVAILABLE => {}
            _ => {
                answer.problem(409, Code::Conflict);
            }
        }
    }
    let [(id, password)] = &winners[..] else { panic!("{} accounts of one address", winners.len()) };
    let asked = json!({ "email": "rush@example.in", "password": password });
    assert_eq!(app.client().post(LOGIN).json(&asked).await.expect(200).json()["user_id"], *id);
    let users =
        Query { filters: vec![Filter::Equal("email", json!("rush@example.in"))], limit: 100, ..Query::default() };
    let found = app.state.documents.query(&CUSTOMERS, Scope::Container, users).await.unwrap();
    assert_eq!(found.items.len(), 1, "losers leave nothing behind");
}

#[tokio::test]
async fn an_address_claimed_by_a_process_that_died_is_free_after_a_minute() {
    let app = TestApp::start().await;
    let dead = app.customer().await;
    // The process died between the claim and the account.
    let partition = customer(&TenantId::pravis(), dead.id.as_str());
    app.state.documents.delete(&CUSTOMERS, &partition, dead.id.as_str(), Condition::None).await.unwrap();
    let asked = json!({ "email": dead.email, "password": "a-new-password" });
    app.client().post(LOGIN).json(&asked).await.problem(401, Code::InvalidCredentials);
    app.client().post(REGISTER).json(&asked).await.problem(409, Code::Conflict);
    app.clock.advance(Duration::seconds(61));
    let opened = app.client().post(REGISTER).json(&asked).await.expect(201).json();
    assert_ne!(opened["user_id"], dead.id.as_str());
    assert_eq!(app.client().post(LOGIN).json(&asked).await.expect(200).json()["user_id"], opened["user_id"]);
    app.clock.advance(Duration::minutes(5));
    app.client().post(REGISTER).json(&asked).await.problem(409, Code::Conflict);
}

#[tokio::test]
async fn a_closed_account_is_nobody() {
    let app = TestApp::start().await;
    let gone = app.customer().await;
    let partition = customer(&TenantId::pravis(), gone.id.as_str());
    app.state.documents.delete(&CUSTOMERS, &partition, gone.id.as_str(), Condition::None).await.unwrap();
    gone.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    gone.get("/api/v1/users/me/consents").await.problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn consents_are_a_ledger_with_a_present_state() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let path = "/api/v1/users/me/consents";
    assert_eq!(person.get(path).await.expect(200).json(), json!({ "consents": [] }));
    let changes = [
        ("voiceStorage", true, "1.0"),
        ("training", true, "1.0"),
        ("voiceStorage", false, "1.1"),
        ("voiceStorage", true, "2.0"),
    ];
    for (purpose, granted, version) in changes {
        let asked = json!({ "purpose": purpose, "granted": granted, "version": version });
        let state = person.post(path).json(&asked).await.expect(201).json();
        let of_purpose =
            state["consents"].as_array().unwrap().iter().find(|consent| consent["purpose"] == purpose).unwrap().clone();
        assert_eq!((of_purpose["granted"].as_bool(), of_purpose["version"].as_str()), (Some(granted), Some(version)));
        assert_eq!(person.get(path).await.expect(200).json(), state);
        app.clock.advance(Duration::seconds(1));
    }
    assert_eq!(person.get(path).await.json()["consents"].as_array().unwrap().len(), 2);
    // Every change is there, as it was.
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let entries = Query { filters: vec![Filter::Equal("kind", json!("consent"))], limit: 100, ..Query::default() };
    let entries = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), entries).await.unwrap().items;
    let mut told: Vec<Value> = entries.iter().map(|entry| entry.read().unwrap()).collect();
    told.sort_by_key(|entry| entry["createdAt"].as_str().unwrap().to_owned());
    let told: Vec<_> = told
        .iter()
        .map(|entry| {
            (
                entry["purpose"].as_str().unwrap(),
                entry["granted"].as_bool().unwrap(),
                entry["version"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, changes);
    // Others are not touched.
    assert_eq!(app.customer().await.get(path).await.expect(200).json(), json!({ "consents": [] }));
}

#[tokio::test]
async fn a_consent_that_is_not_one_changes_nothing() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let path = "/api/v1/users/me/consents";
    for (asked, field) in [
        (json!({ "purpose": "everything", "granted": true, "version": "1.0" }), "purpose"),
        (json!({ "purpose": "training", "granted": "yes", "version": "1.0" }), "granted"),
        (json!({ "purpose": "training", "granted": true, "version": "" }), "version"),
        (json!({ "purpose": "training", "granted": true, "version": "12345678901" }), "version"),
    ] {
        assert_eq!(person.post(path).json(&asked).await.refused_fields(), [field]);
    }
    person
        .post(path)
        .json(&json!({ "purpose": "training", "granted": true }))
        .await
        .problem(422, Code::ValidationFailed);
    assert_eq!(person.get(path).await.expect(200).json(), json!({ "consents": [] }));
}
