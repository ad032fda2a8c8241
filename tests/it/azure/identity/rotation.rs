//! Signing keys on their walk through the states, in a vault, while people are signed in.

use http::header::{CACHE_CONTROL, ETAG};
use pravis::error::Code;
use pravis::identity::{Rotate, Rotated, STANDBY_TIME, rotate};
use pravis::ports::clock::Clock;
use serde_json::{Value, json};

use super::signing::{Instance, KEY, Place, kids};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::Answer;
use crate::support::process::eventually;

const JWKS: &str = "/api/v1/.well-known/jwks.json";

/// Stores the next document, and waits until the instance goes by it.
async fn next(place: &Place, instance: &Instance, present: &str, how: Rotate) -> Rotated {
    let next = rotate(present, how, place.clock.now()).unwrap();
    place.vault.set_at(KEY, next.document.expose(), place.clock.now());
    let published = next.keys.iter().filter(|(state, _)| format!("{state:?}") != "Revoked");
    let mut published: Vec<String> = published.map(|(_, name)| name.clone()).collect();
    published.sort();
    eventually("the next keys", async || {
        let mut shown = kids(&instance.state.keys, &place.clock);
        shown.sort();
        (shown == published).then_some(())
    })
    .await;
    next
}

async fn refresh(instance: &Instance, signed_in: &Value) -> Value {
    let asked = json!({ "refresh_token": signed_in["refresh_token"] });
    instance.client.post("/api/v1/auth/refresh").json(&asked).await.expect(200).json()
}

async fn me(instance: &Instance, signed_in: &Value) -> Answer {
    instance.client.with_token(signed_in["access_token"].as_str().unwrap()).get("/api/v1/auth/me").await
}

/// The key that signs, as the instance publishes it.
async fn shown(instance: &Instance) -> Vec<String> {
    let keys = instance.client.get(JWKS).await.expect(200).json()["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_walk_from_standby_to_revoked_without_a_restart_and_nobody_is_signed_out() {
    let base = TestApp::start().await;
    let person = base.customer().await;
    let place = Place::empty(base.clock.clone()).await;
    let alone = place.rotate_secret();
    let secrets = std::sync::Arc::new(place.vault.secrets(&place.entra, std::time::Duration::from_secs(1)));
    let ring = place.follow(secrets);
    eventually("the first keys", async || ring.ready().then_some(())).await;
    let instance = Instance::start(&base, ring).await;
    let first = instance.state.keys.current().unwrap().kid().to_owned();
    let asked = json!({ "email": person.email, "password": PASSWORD });
    let login = instance.client.post("/api/v1/auth/login").json(&asked).await.expect(200).json();
    me(&instance, &login).await.expect(200);

    // The next key is published before it signs.
    let document = next(&place, &instance, &alone, Rotate::Retire).await;
    let standby = document.keys.iter().find(|(state, _)| format!("{state:?}") == "Standby").unwrap().1.clone();
    assert_eq!(shown(&instance).await, [first.clone(), standby.clone()]);
    assert_eq!(instance.state.keys.current().unwrap().kid(), first);
    assert!(rotate(document.document.expose(), Rotate::Retire, place.clock.now()).is_err(), "too early");

    base.clock.advance(STANDBY_TIME);
    let of_the_first = refresh(&instance, &login).await;
    me(&instance, &of_the_first).await.expect(200);
    let document = next(&place, &instance, document.document.expose(), Rotate::Retire).await;
    assert_eq!(instance.state.keys.current().unwrap().kid(), standby);
    me(&instance, &of_the_first).await.expect(200);
    let of_the_second = refresh(&instance, &of_the_first).await;
    me(&instance, &of_the_second).await.expect(200);

    // The second one has leaked: within their life its tokens are void, and the session goes on.
    next(&place, &instance, document.document.expose(), Rotate::Revoke).await;
    me(&instance, &of_the_second).await.problem(401, Code::InvalidToken);
    me(&instance, &of_the_first).await.expect(200);
    assert!(!shown(&instance).await.contains(&standby));
    let of_the_third = refresh(&instance, &of_the_second).await;
    me(&instance, &of_the_third).await.expect(200);
    base.clock.advance(chrono::Duration::minutes(14));
    me(&instance, &of_the_third).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifiers_ask_again_sooner_than_a_key_signs_and_get_no_more_than_they_need() {
    let base = TestApp::start().await;
    let place = Place::empty(base.clock.clone()).await;
    let alone = place.rotate_secret();
    let secrets = std::sync::Arc::new(place.vault.secrets(&place.entra, std::time::Duration::from_secs(1)));
    let ring = place.follow(secrets);
    eventually("the first keys", async || ring.ready().then_some(())).await;
    let instance = Instance::start(&base, ring).await;
    let answer = instance.client.get(JWKS).await;
    let kept = answer.header(CACHE_CONTROL.as_str()).to_owned();
    let seconds: i64 = kept.strip_prefix("public, max-age=").unwrap().parse().unwrap();
    assert!(seconds > 0 && chrono::Duration::seconds(seconds * 2) < STANDBY_TIME, "{kept}");
    let tag = answer.header(ETAG.as_str()).to_owned();
    let unchanged = instance.client.get(JWKS).header("if-none-match", &tag).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header(ETAG.as_str()), tag);
    assert!(!answer.text().contains("\"d\""), "the private part stays here");

    next(&place, &instance, &alone, Rotate::Retire).await;
    let changed = instance.client.get(JWKS).header("if-none-match", &tag).await.expect(200);
    assert_ne!(changed.header(ETAG.as_str()), tag);
}
