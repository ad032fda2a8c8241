//! Signing in while others guess: what is throttled, for whom, and what the answers tell.

mod measured;

use std::time::Duration;

use pravis::error::Code;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::app::{PASSWORD, Person, TestApp};
use crate::support::client::{Answer, Client};

const LOGIN: &str = "/api/v1/auth/login";

async fn sign_in(client: &Client, email: &str, password: &str, device: Option<&str>) -> Answer {
    let mut asked = json!({ "email": email, "password": password });
    if let Some(device) = device {
        asked["device_token"] = json!(device);
    }
    client.post(LOGIN).json(&asked).await
}

fn device_of(answer: &Answer) -> String {
    answer.json()["device_token"].as_str().expect("a device token").to_owned()
}

/// A network of this machine that no other number gives.
fn at(app: &TestApp, number: u8) -> Client {
    app.client_at([127, 10, number, 1])
}

/// Whether somebody with the right password is kept out: on a slow machine an attempt of the quota may have
/// flowed in again, and is used up here.
async fn is_kept_out(client: &Client, email: &str, password: &str, device: Option<&str>) -> bool {
    for _ in 0..10 {
        let answer = sign_in(client, email, password, device).await;
        if answer.status == 429 {
            answer.problem(429, Code::TooManyRequests);
            return answer.header("retry-after").parse::<u64>().unwrap() > 0;
        }
    }
    false
}

/// Guesses from ever other networks until the account is closed to strangers.
async fn close_to_strangers(app: &TestApp, person: &Person) {
    for number in 0..=255 {
        if sign_in(&at(app, number), &person.email, "wrong-password", None).await.status == 429 {
            return;
        }
    }
    panic!("nobody is kept from guessing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_guesses_keeps_out_strangers_and_not_the_customer() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let device = device_of(&sign_in(&app.client(), &person.email, PASSWORD, None).await.expect(200));
    let before = app.state.passwords.computed();
    let mut flood = JoinSet::new();
    for number in 0..200_u8 {
        let (client, email) = (at(&app, number), person.email.clone());
        flood.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(sign_in(&client, &email, "wrong-password", None).await);
            }
            seen
        });
    }
    let (mut welcome, mut turned_away) = (0, 0);
    while !flood.is_empty() {
        let known = sign_in(&app.client(), &person.email, PASSWORD, Some(&device)).await;
        assert_eq!(known.status, 200, "the customer's own device: {known:.300}");
        welcome += 1;
        app.client().get("/api/v1/products?limit=1").await.expect(200);
        person.get("/api/v1/auth/me").await.expect(200);
        for answer in std::iter::from_fn(|| flood.try_join_next()).flat_map(Result::unwrap) {
            match answer.status.as_u16() {
                401 => drop(answer.problem(401, Code::InvalidCredentials)),
                // On a busy machine some wait too long for their hash.
                503 => {
                    answer.problem(503, Code::Unavailable);
                    turned_away += 1;
                }
                _ => {
                    answer.problem(429, Code::TooManyRequests);
                    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The quota is 50, of which the first sign-in took one; a slow machine sees some of it flow in again.
    let hashed = app.state.passwords.computed() - before - welcome;
    assert!((45..=70).contains(&(hashed + turned_away)), "{hashed} hashes for 600 guesses, {turned_away} turned away");
    close_to_strangers(&app, &person).await;
    assert!(is_kept_out(&app.client_at([127, 11, 0, 1]), &person.email, PASSWORD, None).await);
    // Other accounts are not touched.
    sign_in(&app.client_at([127, 11, 0, 1]), &app.customer().await.email, PASSWORD, None).await.expect(200);
}

#[tokio::test]
async fn a_device_is_known_by_its_cookie_or_by_its_token() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let first = sign_in(&app.client(), &person.email, PASSWORD, None).await.expect(200);
    let cookie = first.header("set-cookie").to_owned();
    for part in ["pravis_device=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let token = device_of(&first);
    close_to_strangers(&app, &person).await;
    let client = app.client_at([127, 11, 0, 2]);
    let asked = json!({ "email": person.email, "password": PASSWORD });
    assert!(is_kept_out(&client, &person.email, PASSWORD, None).await);
    let kept = cookie.split(';').next().unwrap();
    let by_cookie = client.post(LOGIN).header("cookie", format!("a=b; {kept}")).json(&asked).await.expect(200);
    assert_eq!(device_of(&by_cookie), token, "the device goes on under its token");
    sign_in(&client, &person.email, PASSWORD, Some(&token)).await.expect(200);
    let form = [("username", person.email.as_str()), ("password", PASSWORD), ("device_token", &token)];
    client.post(LOGIN).form(&form).await.expect(200);
    for bad in ["", "nonsense", &"A".repeat(43), &format!("{token}x")] {
        assert!(is_kept_out(&client, &person.email, PASSWORD, Some(bad)).await, "{bad}");
    }
}

#[tokio::test]
async fn a_device_is_known_to_its_own_account_alone_and_guesses_on_it_are_few() {
    let app = TestApp::start().await;
    let (person, thief) = (app.customer().await, app.customer().await);
    let own = device_of(&sign_in(&app.client(), &person.email, PASSWORD, None).await);
    let thiefs = device_of(&sign_in(&app.client(), &thief.email, PASSWORD, None).await);
    close_to_strangers(&app, &person).await;
    let client = app.client_at([127, 11, 0, 3]);
    assert!(is_kept_out(&client, &person.email, PASSWORD, Some(&thiefs)).await);
    for _ in 0..10 {
        sign_in(&client, &person.email, "wrong-password", Some(&own)).await.problem(401, Code::InvalidCredentials);
    }
    sign_in(&client, &person.email, PASSWORD, Some(&own)).await.problem(429, Code::TooManyRequests);
}

#[tokio::test]
async fn two_who_share_a_browser_are_both_known_on_it() {
    let app = TestApp::start().await;
    let (one, two) = (app.customer().await, app.customer().await);
    let jar = |answer: &Answer| answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let asked = |person: &Person| json!({ "email": person.email, "password": PASSWORD });
    let first = jar(&app.client().post(LOGIN).json(&asked(&one)).await.expect(200));
    let both = jar(&app.client().post(LOGIN).header("cookie", &first).json(&asked(&two)).await.expect(200));
    for person in [&one, &two] {
        close_to_strangers(&app, person).await;
        let client = app.client_at([127, 11, 0, 4]);
        client.post(LOGIN).header("cookie", &both).json(&asked(person)).await.expect(200);
    }
}

#[tokio::test]
async fn a_new_password_forgets_all_devices_but_the_one_it_was_set_on() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let at_home = sign_in(&app.client(), &person.email, PASSWORD, None).await.expect(200);
    let elsewhere = device_of(&sign_in(&app.client(), &person.email, PASSWORD, None).await.expect(200));
    let home = device_of(&at_home);
    assert_ne!(home, elsewhere);
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "pochampally-7" });
    let signed_in = app.client().with_token(at_home.json()["access_token"].as_str().unwrap());
    let cookie = format!("pravis_device={home}");
    signed_in.put("/api/v1/auth/password").header("cookie", cookie).json(&change).await.expect(200);
    close_to_strangers(&app, &person).await;
    let client = app.client_at([127, 11, 0, 5]);
    assert!(is_kept_out(&client, &person.email, "pochampally-7", Some(&elsewhere)).await);
    sign_in(&client, &person.email, "pochampally-7", Some(&home)).await.expect(200);
    app.client()
        .with_token(
            sign_in(&client, &person.email, "pochampally-7", Some(&home)).await.json()["access_token"]
                .as_str()
                .unwrap(),
        )
        .post("/api/v1/auth/logout?everywhere=true")
        .await
        .expect(200);
    assert!(is_kept_out(&client, &person.email, "pochampally-7", Some(&home)).await);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_are_one_and_the_same() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let mut seen: Vec<(Value, u64)> = Vec::new();
    for email in [person.email.as_str(), "nobody@example.in", "+91 98765 43210", "no name at all", ""] {
        let before = app.state.passwords.computed();
        let answer = sign_in(&app.client(), email, "wrong-password", None).await;
        answer.problem(401, Code::InvalidCredentials);
        let mut told = answer.json();
        told["requestId"] = Value::Null;
        seen.push((told, app.state.passwords.computed() - before));
    }
    assert!(seen.iter().all(|(told, hashes)| (told, *hashes) == (&seen[0].0, 1)), "{seen:#?}");
}
