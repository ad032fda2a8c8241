//! Roles, tiers and closed accounts: who may change them, and that a change counts at once on tokens that
//! are out already.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use pravis::containers::{CUSTOMERS, customer, team as team_of};
use pravis::error::Code;
use pravis::identity::{LiveSessions, Role, Standing};
use pravis::ports::cache::Heard;
use pravis::ports::documents::{Filter, NewDocument, Query, Scope};
use pravis::ports::secrets::Secret;
use pravis::services::accounts::{self, Appointed, team};
use pravis::services::news::Listeners;
use pravis::types::{TenantId, UserId};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, Person, TestApp};
use crate::support::client::Answer;

fn of(id: &UserId, what: &str) -> String {
    format!("/api/v1/admin/users/{id}{what}")
}

async fn give(actor: &Person, id: &UserId, role: &str) -> Answer {
    actor.put(&of(id, "/role")).json(&json!({ "role": role })).await
}

async fn sign_in(app: &TestApp, person: &Person) -> Answer {
    app.client().post("/api/v1/auth/login").json(&json!({ "email": person.email, "password": PASSWORD })).await
}

async fn refresh(app: &TestApp, signed_in: &Value) -> Answer {
    app.client().post("/api/v1/auth/refresh").json(&json!({ "refresh_token": signed_in["refresh_token"] })).await
}

async fn me(app: &TestApp, signed_in: &Value) -> Answer {
    app.client().with_token(signed_in["access_token"].as_str().unwrap()).get("/api/v1/auth/me").await
}

/// The events of an account of these kinds, in their order.
async fn events(app: &TestApp, id: &UserId, kinds: &[&str]) -> Vec<Value> {
    let query = Query { filters: vec![Filter::Equal("kind", "outbox".into())], limit: 1000, ..Query::default() };
    let partition = customer(&TenantId::pravis(), id.as_str());
    let found = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.unwrap();
    let events = found.items.iter().map(|document| document.read::<Value>().unwrap()["event"].clone());
    events.filter(|event| kinds.contains(&event["type"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_new_role_counts_at_once_and_the_session_goes_on() {
    let app = TestApp::start().await;
    let (admin, customer) = (app.admin().await, app.customer().await);
    let before = sign_in(&app, &customer).await.expect(200).json();
    me(&app, &before).await.expect(200);
    let raised = give(&admin, &customer.id, "staff").await.expect(200).json();
    assert_eq!(raised["role"], "staff");
    // The tokens of before are refused, also the one of a session that was not asked for since.
    let refused = me(&app, &before).await.problem(401, Code::InvalidToken);
    assert!(refused.detail.contains("refresh"), "{}", refused.detail);
    customer.get("/api/v1/metrics").await.problem(401, Code::InvalidToken);
    let after = refresh(&app, &before).await.expect(200).json();
    assert_eq!(me(&app, &after).await.expect(200).json()["role"], "staff");
    let staff = app.client().with_token(after["access_token"].as_str().unwrap());
    staff.get("/api/v1/metrics").await.expect(200);

    give(&admin, &customer.id, "customer").await.expect(200);
    staff.get("/api/v1/metrics").await.problem(401, Code::InvalidToken);
    let last = refresh(&app, &after).await.expect(200).json();
    let again = app.client().with_token(last["access_token"].as_str().unwrap());
    again.get("/api/v1/metrics").await.problem(403, Code::NotPermitted);
    // What it is already is no change.
    give(&admin, &customer.id, "customer").await.expect(200);
    me(&app, &last).await.expect(200);
    let told = events(&app, &customer.id, &["account.roleChanged"]).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["data"], json!({ "actor": admin.id, "from": "customer", "to": "staff" }));
    assert_eq!(told[1]["data"], json!({ "actor": admin.id, "from": "staff", "to": "customer" }));
}

#[tokio::test]
async fn a_new_tier_counts_at_once_and_the_session_goes_on() {
    let app = TestApp::start().await;
    let (admin, customer) = (app.admin().await, app.customer().await);
    let before = sign_in(&app, &customer).await.expect(200).json();
    let tier = json!({ "tier": "premium" });
    let path = of(&customer.id, "/tier");
    assert_eq!(admin.put(&path).json(&tier).await.expect(200).json()["tier"], "premium");
    me(&app, &before).await.problem(401, Code::InvalidToken);
    let after = refresh(&app, &before).await.expect(200).json();
    let token = after["access_token"].as_str().unwrap();
    let principal = app.state.keys.verify(token, app.state.clock.now()).unwrap();
    assert_eq!(principal.tier.as_str(), "premium");
    admin.put(&path).json(&tier).await.expect(200);
    me(&app, &after).await.expect(200);
    let told = events(&app, &customer.id, &["account.tierChanged"]).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"], json!({ "actor": admin.id, "from": "free", "to": "premium" }));

    let seen = admin.get(&of(&customer.id, "")).await;
    let etag = seen.header("etag").to_owned();
    admin.put(&path).json(&json!({ "tier": "enterprise" })).header("if-match", &etag).await.expect(200);
    let late = admin.put(&path).json(&tier).header("if-match", &etag).await;
    late.problem(412, Code::PreconditionFailed);
    admin.put(&path).json(&json!({ "tier": "No tier" })).await.problem(422, Code::ValidationFailed);
}

#[tokio::test]
async fn a_closed_account_is_out_at_once_and_comes_back_without_its_sessions() {
    let app = TestApp::start().await;
    let (staff, customer) = (app.staff().await, app.customer().await);
    let before = sign_in(&app, &customer).await.expect(200).json();
    me(&app, &before).await.expect(200);
    let path = of(&customer.id, "/active");
    let closed = staff.put(&path).json(&json!({ "active": false })).await.expect(200).json();
    assert_eq!(closed["isActive"], false);
    me(&app, &before).await.problem(401, Code::InvalidToken);
    customer.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    refresh(&app, &before).await.problem(401, Code::InvalidToken);
    sign_in(&app, &customer).await.problem(401, Code::InvalidCredentials);

    staff.put(&path).json(&json!({ "active": true })).await.expect(200);
    refresh(&app, &before).await.problem(401, Code::InvalidToken);
    customer.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    let after = sign_in(&app, &customer).await.expect(200).json();
    me(&app, &after).await.expect(200);
    let told = events(&app, &customer.id, &["account.disabled", "account.enabled"]).await;
    let kinds: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["account.disabled", "account.enabled"]);
    assert!(told.iter().all(|event| event["data"]["actor"] == staff.id.as_str()));
}

#[tokio::test]
async fn who_may_not_change_an_account_does_not() {
    let app = TestApp::start().await;
    let (admin, staff, customer) = (app.admin().await, app.staff().await, app.customer().await);
    let other = app.customer().await;
    for id in [&other.id, &staff.id, &customer.id] {
        give(&staff, id, "admin").await.problem(403, Code::NotPermitted);
        give(&customer, id, "admin").await.problem(403, Code::NotPermitted);
        staff.put(&of(id, "/tier")).json(&json!({ "tier": "premium" })).await.problem(403, Code::NotPermitted);
    }
    let close = json!({ "active": false });
    for id in [&admin.id, &app.staff().await.id] {
        staff.put(&of(id, "/active")).json(&close).await.problem(403, Code::NotPermitted);
    }
    // Nobody changes what they are themselves.
    let itself = of(&admin.id, "");
    for (what, body) in
        [("/role", json!({ "role": "staff" })), ("/tier", json!({ "tier": "premium" })), ("/active", close)]
    {
        admin.put(&format!("{itself}{what}")).json(&body).await.problem(403, Code::NotPermitted);
    }
    give(&admin, &other.id, "service").await.problem(422, Code::ValidationFailed);
    give(&admin, &other.id, "owner").await.problem(422, Code::ValidationFailed);
    give(&admin, &UserId::generate(), "staff").await.problem(404, Code::NotFound);
    assert!(events(&app, &other.id, &["account.roleChanged", "account.disabled"]).await.is_empty());
}

#[tokio::test]
async fn accounts_are_found_by_address_id_and_role() {
    let app = TestApp::start().await;
    let (admin, staff, customer) = (app.admin().await, app.staff().await, app.customer().await);
    let find = async |query: &str| staff.get(&format!("/api/v1/admin/users?{query}")).await;
    let ids = |answer: Answer| -> Vec<String> {
        let items = answer.expect(200).json()["items"].as_array().unwrap().clone();
        items.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
    };
    let email = customer.email.to_uppercase();
    assert_eq!(ids(find(&format!("email={email}")).await), [customer.id.as_str()]);
    assert!(ids(find("email=nobody@example.in").await).is_empty());
    assert_eq!(ids(find("role=admin").await), [admin.id.as_str()]);
    assert_eq!(ids(find("role=staff").await), [staff.id.as_str()]);
    let mut all = vec![staff.id.to_string()];
    for _ in 0..4 {
        all.push(app.staff().await.id.to_string());
    }
    all.sort();
    let mut listed = Vec::new();
    let mut query = "role=staff&limit=2".to_owned();
    loop {
        let answer = find(&query).await;
        let next = answer.json()["next"].as_str().map(str::to_owned);
        listed.extend(ids(answer));
        let Some(next) = next else { break };
        query = format!("role=staff&limit=2&cursor={next}");
    }
    assert_eq!(listed, all);
    for bad in ["", "role=customer", "role=admin&email=a@b.in", "email=x", "role=staff&limit=0", "role=staff&cursor=x"]
    {
        find(bad).await.problem(422, Code::ValidationFailed);
    }
    give(&admin, &staff.id, "customer").await.expect(200);
    assert!(!team::members(&app.state, &TenantId::pravis()).await.unwrap().contains_key(&staff.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_administrators_who_dismiss_each_other_one_stays() {
    let app = TestApp::start().await;
    let mut people = Vec::new();
    for _ in 0..4 {
        people.push(app.admin().await);
    }
    let dismissals = (0..people.len()).flat_map(|one| (0..people.len()).map(move |other| (one, other)));
    let dismissals = dismissals.filter(|(one, other)| one != other);
    let answers = join_all(dismissals.map(|(one, other)| give(&people[one], &people[other].id, "customer"))).await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    for answer in &answers {
        assert!([200, 401, 409, 503].contains(&answer.status.as_u16()), "{answer:?}");
    }
    let left = team::members(&app.state, &TenantId::pravis()).await.unwrap();
    assert!(left.values().any(|member| member.role == Role::Admin && member.active), "{left:?}");
    for (id, member) in &left {
        let user = accounts::user(&app.state, &TenantId::pravis(), id).await.unwrap().unwrap();
        assert_eq!((user.role, user.active), (member.role, member.active));
    }
}

#[tokio::test]
async fn a_change_whose_process_died_is_carried_out_once() {
    let app = TestApp::start().await;
    let (admin, customer) = (app.admin().await, app.customer().await);
    let tenant = TenantId::pravis();
    let found = app.state.documents.read(&CUSTOMERS, &team_of(&tenant), "team").await.unwrap().unwrap();
    let mut left: Value = found.read().unwrap();
    left["announced"] = json!({
        "id": "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "user": customer.id, "actor": admin.id,
        "becomes": { "role": "staff", "active": true }, "at": app.state.clock.now(),
    });
    let document = NewDocument::new("team", &left).unwrap();
    app.state.documents.upsert(&CUSTOMERS, &team_of(&tenant), document).await.unwrap();
    // All who come upon it do it, and it is done once.
    let all = join_all((0..8).map(|_| team::members(&app.state, &tenant))).await;
    assert!(all.into_iter().all(|members| members.unwrap()[&customer.id].role == Role::Staff));
    assert_eq!(events(&app, &customer.id, &["account.roleChanged"]).await.len(), 1);
    let user = accounts::user(&app.state, &tenant, &customer.id).await.unwrap().unwrap();
    assert_eq!((user.role, user.version), (Role::Staff, 1));
    customer.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn other_instances_hear_of_a_change_and_those_who_do_not_find_out() {
    let app = TestApp::start().await;
    let (admin, customer) = (app.admin().await, app.customer().await);
    let instance = || Arc::new(LiveSessions::new(app.state.documents.clone(), app.state.clock.clone()));
    let (hears, misses) = (instance(), instance());
    for sessions in [&hears, &misses] {
        assert_eq!(sessions.standing(&customer.principal).await.unwrap(), Standing::Live);
    }
    let mut news = app.state.invalidations.subscribe().await.unwrap();
    give(&admin, &customer.id, "staff").await.expect(200);
    let Some(Heard::Message(message)) = news.next().await else { panic!("nothing is told") };
    let listeners = Listeners { sessions: hears.clone(), ..Listeners::of(&app.state) };
    listeners.heard(Heard::Message(message)).await;
    assert_eq!(hears.standing(&customer.principal).await.unwrap(), Standing::Outdated);
    assert_eq!(misses.standing(&customer.principal).await.unwrap(), Standing::Live);
    // A token that another instance gave since tells that there is news.
    let newer = pravis::identity::Principal { role: Role::Staff, version: 1, ..customer.principal.clone() };
    assert_eq!(misses.standing(&newer).await.unwrap(), Standing::Live);
    assert_eq!(misses.standing(&customer.principal).await.unwrap(), Standing::Outdated);
    // No token speaks for an account of the same id in another boutique.
    let elsewhere = pravis::identity::Principal { tenant: "rival".parse().unwrap(), ..newer.clone() };
    assert_eq!(misses.standing(&elsewhere).await.unwrap(), Standing::Ended);
    let fresh = instance();
    assert_eq!(fresh.standing(&elsewhere).await.unwrap(), Standing::Ended);
}

#[tokio::test]
async fn the_operator_appoints_the_first_administrator_and_no_second_by_mistake() {
    let app = TestApp::start().await;
    let tenant = TenantId::pravis();
    let appoint = async |email: &str, password: &str, another| {
        accounts::appoint(&app.state, &tenant, email, Secret::new(password), another).await
    };
    let code = |outcome: Result<Appointed, pravis::error::Error>| outcome.unwrap_err().code();
    assert_eq!(code(appoint("nobody", PASSWORD, false).await), Code::ValidationFailed);
    assert_eq!(code(appoint("first@example.in", "short", false).await), Code::ValidationFailed);
    // Two at once: one of them is the first.
    let (one, other) =
        tokio::join!(appoint("first@example.in", PASSWORD, false), appoint("second@example.in", PASSWORD, false),);
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(code(appoint("third@example.in", PASSWORD, false).await), Code::Conflict);
    assert_eq!(appoint("third@example.in", PASSWORD, true).await.unwrap(), Appointed::Created);

    // Whoever opened the account before does not get in with what they know.
    let squatter = app.customer().await;
    let theirs = sign_in(&app, &squatter).await.expect(200).json();
    assert_eq!(appoint(&squatter.email, "pochampally-7", true).await.unwrap(), Appointed::Raised);
    refresh(&app, &theirs).await.problem(401, Code::InvalidToken);
    me(&app, &theirs).await.problem(401, Code::InvalidToken);
    sign_in(&app, &squatter).await.problem(401, Code::InvalidCredentials);
    let asked = json!({ "email": squatter.email, "password": "pochampally-7" });
    let signed_in = app.client().post("/api/v1/auth/login").json(&asked).await.expect(200).json();
    assert_eq!(signed_in["user"]["role"], "admin");
    let told = events(&app, &squatter.id, &["account.roleChanged"]).await;
    assert_eq!(told[0]["data"]["actor"], "operator");
}
