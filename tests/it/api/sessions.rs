//! Sessions: refresh tokens are good once, also when many use one at a time; what ends a session counts at
//! once.

use chrono::Duration;
use futures_util::future::join_all;
use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::Condition;
use pravis::ports::documents::NewDocument;
use pravis::types::TenantId;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, Person, TestApp};
use crate::support::client::Answer;

async fn sign_in(app: &TestApp, person: &Person) -> Value {
    let asked = json!({ "email": person.email, "password": PASSWORD });
    app.client().post("/api/v1/auth/login").json(&asked).await.expect(200).json()
}

async fn refresh(app: &TestApp, token: &Value) -> Answer {
    app.client().post("/api/v1/auth/refresh").json(&json!({ "refresh_token": token })).await
}

async fn me(app: &TestApp, signed_in: &Value) -> Answer {
    app.client().with_token(signed_in["access_token"].as_str().unwrap()).get("/api/v1/auth/me").await
}

#[tokio::test]
async fn a_refresh_token_gives_tokens_and_is_good_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let first = sign_in(&app, &person).await;
    app.clock.advance(Duration::minutes(20));
    me(&app, &first).await.problem(401, Code::InvalidToken);
    let second = refresh(&app, &first["refresh_token"]).await.expect(200).json();
    assert_eq!(second["user"]["email"], person.email.as_str());
    me(&app, &second).await.expect(200);
    let form = [("grant_type", "refresh_token"), ("refresh_token", second["refresh_token"].as_str().unwrap())];
    let form = app.client().post("/api/v1/auth/refresh").form(&form).await.expect(200).json();
    me(&app, &form).await.expect(200);

    app.clock.advance(Duration::seconds(11));
    refresh(&app, &first["refresh_token"]).await.problem(401, Code::InvalidToken);
    me(&app, &form).await.problem(401, Code::InvalidToken);
    refresh(&app, &form["refresh_token"]).await.problem(401, Code::InvalidToken);
    let other = sign_in(&app, &person).await;
    me(&app, &other).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_refreshes_at_once_one_family_survives_and_a_stolen_token_ends_it() {
    let app = TestApp::start().await;
    let first = sign_in(&app, &app.customer().await).await;
    let answers = join_all((0..200).map(|_| refresh(&app, &first["refresh_token"]))).await;
    let mut given: Vec<String> = Vec::new();
    for answer in answers {
        match answer.status.as_u16() {
            200 => given.push(answer.json()["refresh_token"].as_str().unwrap().to_owned()),
            status => assert_eq!(status, 503, "a crowd may be asked to wait"),
        }
    }
    assert!(given.len() > 100, "{} of 200", given.len());
    given.dedup();
    assert_eq!(given.len(), 1, "all who refresh one token at once get the same one");
    let second = refresh(&app, &json!(given[0])).await.expect(200).json();
    me(&app, &second).await.expect(200);

    app.clock.advance(Duration::seconds(11));
    refresh(&app, &first["refresh_token"]).await.problem(401, Code::InvalidToken);
    me(&app, &second).await.problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_harms_nobody() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let signed_in = sign_in(&app, &person).await;
    let good = signed_in["refresh_token"].as_str().unwrap();
    let (names, _) = good.rsplit_once('.').unwrap();
    let guessed = format!("{names}.{}", "A".repeat(43));
    let of_another_tenant = good.replacen("pravis.", "rival.", 1);
    for bad in ["", "nonsense", names, &guessed, &of_another_tenant, signed_in["access_token"].as_str().unwrap()] {
        refresh(&app, &json!(bad)).await.problem(401, Code::InvalidToken);
    }
    refresh(&app, &json!(5)).await.problem(422, Code::ValidationFailed);
    refresh(&app, &json!(good)).await.expect(200);
}

#[tokio::test]
async fn signing_out_ends_this_session_or_all() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let (phone, laptop) = (sign_in(&app, &person).await, sign_in(&app, &person).await);
    let out = |signed_in: &Value, path: &str| {
        let client = app.client().with_token(signed_in["access_token"].as_str().unwrap());
        let path = path.to_owned();
        async move { client.post(&path).await.expect(200).json() }
    };
    assert_eq!(out(&phone, "/api/v1/auth/logout").await["ended"], 1);
    me(&app, &phone).await.problem(401, Code::InvalidToken);
    refresh(&app, &phone["refresh_token"]).await.problem(401, Code::InvalidToken);
    me(&app, &laptop).await.expect(200);

    // The session of registration is the second.
    assert_eq!(out(&laptop, "/api/v1/auth/logout?everywhere=true").await["ended"], 2);
    me(&app, &laptop).await.problem(401, Code::InvalidToken);
    person.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn a_customer_sees_and_ends_the_own_sessions_only() {
    let app = TestApp::start().await;
    let (owner, other) = (app.customer().await, app.customer().await);
    app.clock.advance(Duration::minutes(1));
    let phone = sign_in(&app, &owner).await;
    let listed = owner.get("/api/v1/auth/sessions").await.expect(200).json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["current"], &items[1]["current"]), (&json!(false), &json!(true)));
    let path = format!("/api/v1/auth/sessions/{}", items[0]["id"].as_str().unwrap());
    other.delete(&path).await.problem(404, Code::NotFound);
    me(&app, &phone).await.expect(200);
    owner.delete(&path).await.expect(200);
    me(&app, &phone).await.problem(401, Code::InvalidToken);
    owner.delete(&path).await.problem(404, Code::NotFound);
    assert_eq!(owner.get("/api/v1/auth/sessions").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_has_50_sessions_and_the_one_not_used_ends_for_another() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let first = sign_in(&app, &person).await;
    // From a known device, which may sign in more often than strangers may try.
    let asked = json!({ "email": person.email, "password": PASSWORD, "device_token": first["device_token"] });
    let sign_in = async || app.client().post("/api/v1/auth/login").json(&asked).await.expect(200).json();
    app.clock.advance(Duration::seconds(1));
    let idle = sign_in().await;
    // Registration began one as well, which makes 49.
    for _ in 0..46 {
        app.clock.advance(Duration::seconds(1));
        sign_in().await;
    }
    app.clock.advance(Duration::seconds(1));
    person.get("/api/v1/auth/me").await.expect(200);
    let first = refresh(&app, &first["refresh_token"]).await.expect(200).json();
    let newest = [sign_in().await, sign_in().await];
    let listed = app.client().with_token(newest[1]["access_token"].as_str().unwrap());
    let listed = listed.get("/api/v1/auth/sessions").await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 50);
    person.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    me(&app, &idle).await.expect(200);
    let newer = sign_in().await;
    me(&app, &idle).await.problem(401, Code::InvalidToken);
    refresh(&app, &idle["refresh_token"]).await.problem(401, Code::InvalidToken);
    for signed_in in [&first, &newest[0], &newer] {
        me(&app, signed_in).await.expect(200);
    }
}

/// Writes what a new password writes of the account, and nothing more: the process died right after.
async fn raise_epoch(app: &TestApp, person: &Person) -> u32 {
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let stored = app.state.documents.read(&CUSTOMERS, &partition, person.id.as_str()).await.unwrap().unwrap();
    let mut user: Value = stored.read().unwrap();
    let epoch = user["sessionEpoch"].as_u64().unwrap() + 1;
    user["sessionEpoch"] = json!(epoch);
    let document = NewDocument::new(person.id.as_str(), &user).unwrap();
    app.state.documents.replace(&CUSTOMERS, &partition, document, Condition::None).await.unwrap();
    epoch as u32
}

#[tokio::test]
async fn sessions_end_with_the_epoch_of_the_account_though_nothing_was_tidied_up() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let unseen = sign_in(&app, &person).await;
    let seen = sign_in(&app, &person).await;
    me(&app, &seen).await.expect(200);
    let epoch = raise_epoch(&app, &person).await;
    me(&app, &unseen).await.problem(401, Code::InvalidToken);
    for signed_in in [&unseen, &seen] {
        refresh(&app, &signed_in["refresh_token"]).await.problem(401, Code::InvalidToken);
    }
    // What another instance tells counts at once, whatever was believed.
    app.state.sessions.came_to(&person.id, epoch).await;
    me(&app, &seen).await.problem(401, Code::InvalidToken);
    // The next sign-in begins in the new epoch, and only it is listed.
    let now = sign_in(&app, &person).await;
    me(&app, &now).await.expect(200);
    let client = app.client().with_token(now["access_token"].as_str().unwrap());
    let listed = client.get("/api/v1/auth/sessions").await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_survives_a_new_password_that_is_set_while_all_refresh() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(sign_in(&app, &person).await);
    }
    let asked = json!({ "currentPassword": PASSWORD, "newPassword": "pochampally-7" });
    let changing = person.put("/api/v1/auth/password").json(&asked).into_future();
    let refreshing = join_all(open.iter().map(|signed_in| async {
        let mut last = signed_in["refresh_token"].clone();
        let mut tokens = Vec::new();
        for _ in 0..20 {
            let answer = refresh(&app, &last).await;
            if answer.status != 200 {
                break;
            }
            last = answer.json()["refresh_token"].clone();
            tokens.push(answer.json());
        }
        (last, tokens)
    }));
    let (changed, refreshed) = futures_util::future::join(changing, refreshing).await;
    changed.expect(200);
    for (last, tokens) in refreshed {
        refresh(&app, &last).await.problem(401, Code::InvalidToken);
        for signed_in in tokens {
            me(&app, &signed_in).await.problem(401, Code::InvalidToken);
        }
    }
    person.get("/api/v1/auth/me").await.expect(200);
}
