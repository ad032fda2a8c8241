//! How a running application serves tenants.

use http::Method;
use pravis::containers::{CUSTOMERS, customer as customer_partition};
use pravis::error::Code;
use pravis::ports::clock::Clock;
use pravis::ports::documents::{Query, Scope};
use pravis::tenants::{Movement, Step};
use pravis::types::{Placement, TenantId};
use serde_json::json;

use super::boutiques::{
    app, change, customer, dedicated, from_storefront, host, open, place, register, tenancy, weaves,
};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::Client;

const ME: &str = "/api/v1/auth/me";
const PREFERENCES: &str = "/api/v1/users/me/preferences";

/// Documents of a tenant in one database.
async fn held(store: &dyn pravis::ports::documents::DocumentStore, tenant: &TenantId) -> usize {
    let prefix = [tenant.to_string()];
    let all = Query { limit: 1000, ..Query::default() };
    store.query(&CUSTOMERS, Scope::Prefix(&prefix), all).await.unwrap().items.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dedicated_tenant_is_served_from_its_own_database() {
    let app = app().await;
    let gadwal = open(&app, "gadwal").await;
    let before = customer(&app, "gadwal").await;
    place(&app, &gadwal, &dedicated()).await;
    let shared = held(&*app.stores.shared, &gadwal).await;

    let after = customer(&app, "gadwal").await;
    for person in [&before, &after] {
        person.get(ME).await.expect(200);
        person.call(Method::PATCH, PREFERENCES).json(&json!({ "weave": "jamdani" })).await.expect(200);
        assert_eq!(person.get(PREFERENCES).await.expect(200).json()["preferences"]["weave"], "jamdani");
        person.post("/api/v1/voice/samples").json(&json!({ "contentType": "audio/wav" })).await.expect(201);
        assert_eq!(person.get("/api/v1/voice/samples").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    }
    assert_eq!(held(&*app.stores.shared, &gadwal).await, shared, "nothing new in the shared database");
    assert!(held(&*weaves(&app).await, &gadwal).await > shared);
    // Timers find what is in it.
    app.clock.advance(chrono::Duration::hours(2));
    assert_eq!(app.tick("VoiceSamplesReconcile").await, "2 samples given a ticket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_dedicated_tenant_are_relayed_by_the_timer_once_their_place_is_kept() {
    let app = app().await;
    assert_eq!(app.tick("AnalyticsOutboxPull").await, "no dedicated databases");
    let gadwal = open(&app, "gadwal").await;
    place(&app, &gadwal, &dedicated()).await;
    customer(&app, "gadwal").await;
    let carried = app.tick("AnalyticsOutboxPull").await;
    let count: usize = carried.split(' ').next().unwrap().parse().unwrap();
    assert!(count >= 3, "a user, a session and an event at least: {carried}");
    assert_eq!(app.tick("AnalyticsOutboxPull").await, "0 changed documents of dedicated databases");
    customer(&app, "gadwal").await;
    assert!(!app.tick("AnalyticsOutboxPull").await.starts_with('0'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_boutique_is_closed_to_all_its_people_and_to_nobody_else() {
    let app = app().await;
    open(&app, "gadwal").await;
    let signed_in = register(&app, "gadwal", "person@example.in").await;
    let person = app.client().with_token(signed_in["access_token"].as_str().unwrap());
    let (other, admin) = (app.customer().await, app.admin().await);
    let suspend = async |status: &str| {
        let path = "/api/v1/admin/tenants/gadwal";
        admin.call(Method::PATCH, path).json(&json!({ "status": status })).await.expect(200).json()
    };
    assert_eq!(suspend("suspended").await["status"], "suspended");
    for path in [ME, PREFERENCES, "/api/v1/products"] {
        person.get(path).await.problem(403, Code::NotPermitted);
    }
    let login = json!({ "email": "a@example.in", "password": PASSWORD });
    let answer = from_storefront(&app.client(), Method::POST, "/api/v1/auth/login", "gadwal", &login).await;
    answer.problem(403, Code::NotPermitted);
    // Nor does its refresh token count at another's host.
    let refresh = json!({ "refresh_token": signed_in["refresh_token"] });
    app.client().post("/api/v1/auth/refresh").json(&refresh).await.problem(403, Code::NotPermitted);
    person.get("/api/v1/health/live").await.expect(200);
    other.get(ME).await.expect(200);
    app.client().get("/api/v1/products").await.expect(200);
    suspend("active").await;
    person.get(ME).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moving_boutique_is_read_and_not_written() {
    let app = app().await;
    let gadwal = open(&app, "gadwal").await;
    let (person, other) = (customer(&app, "gadwal").await, app.customer().await);
    let now = app.clock.now();
    let (to, holder) = (dedicated(), "another process".to_owned());
    let movement = Movement { to, step: Step::Fencing, started_at: now, holder, held_until: now };
    change(&app, &gadwal, |tenant| tenant.movement = Some(movement)).await;
    person.get(ME).await.expect(200);
    let write = person.call(Method::PATCH, PREFERENCES).json(&json!({ "a": 1 })).await;
    write.problem(503, Code::Unavailable);
    assert!(write.header("retry-after").parse::<u32>().unwrap() >= 1);
    other.call(Method::PATCH, PREFERENCES).json(&json!({ "a": 1 })).await.expect(200);
    let shown = app.admin().await.get("/api/v1/admin/tenants/gadwal").await.expect(200).json();
    assert_eq!((&shown["status"], &shown["movingTo"]["database"]), (&json!("moving"), &json!("weaves")));
    change(&app, &gadwal, |tenant| tenant.movement = None).await;
    person.call(Method::PATCH, PREFERENCES).json(&json!({ "a": 1 })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_an_account_in_each_boutique() {
    let app = app().await;
    let (gadwal, _) = (open(&app, "gadwal").await, open(&app, "pochampally").await);
    let email = "lakshmi@example.in";
    let one = register(&app, "gadwal", email).await;
    let two = register(&app, "pochampally", email).await;
    assert_ne!(one["user_id"], two["user_id"]);
    let login = json!({ "email": email, "password": PASSWORD });
    for (id, expected) in [("gadwal", &one), ("pochampally", &two)] {
        let found = from_storefront(&app.client(), Method::POST, "/api/v1/auth/login", id, &login).await.expect(200);
        assert_eq!(found.json()["user_id"], expected["user_id"]);
    }
    // The operator's own boutique has no such account.
    app.client().post("/api/v1/auth/login").json(&login).await.problem(401, Code::InvalidCredentials);
    let partition = customer_partition(&gadwal, one["user_id"].as_str().unwrap());
    let found = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), Query::default()).await.unwrap();
    assert!(!found.items.is_empty());
}

/// The tenant that a stranger's request is for, found by where a new account is.
async fn tenant_of(app: &TestApp, header: &str, value: &str) -> String {
    let email = format!("{}@example.in", ulid::Ulid::generate());
    let asked = json!({ "email": email, "password": PASSWORD });
    let call = app.client().post("/api/v1/auth/register").header(header, value).json(&asked);
    let token = call.await.expect(201).json()["refresh_token"].as_str().unwrap().to_owned();
    token.split('.').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storefronts_host_chooses_the_boutique_of_a_stranger() {
    let app = app().await;
    open(&app, "gadwal").await;
    let host = host("gadwal");
    assert_eq!(tenant_of(&app, "origin", &format!("https://{host}")).await, "gadwal");
    assert_eq!(tenant_of(&app, "origin", &format!("http://{}:3000", host.to_uppercase())).await, "gadwal");
    assert_eq!(tenant_of(&app, "x-forwarded-host", &host).await, "gadwal");
    assert_eq!(tenant_of(&app, "host", &host).await, "gadwal");
    for (header, value) in [("origin", "null"), ("origin", "https://nobody.example"), ("host", "127.0.0.1:80")] {
        assert_eq!(tenant_of(&app, header, value).await, "pravis", "{header}: {value}");
    }
    // A token's own tenant counts, whatever the headers say.
    let person = app.customer().await;
    let told = person.get(ME).header("origin", format!("https://{host}")).await.expect(200).json();
    assert_eq!(told["id"], person.id.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_a_boutique_moves_through_the_application_is_there_afterwards() {
    let app = app().await;
    let gadwal = open(&app, "gadwal").await;
    let person = customer(&app, "gadwal").await;
    let mut last = 0;
    for to in [dedicated(), Placement::Shared] {
        // However slow the machine is, something was acknowledged before the move begins.
        while !counted_up(&person, &mut last).await {}
        let writing = async {
            loop {
                counted_up(&person, &mut last).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = place(&app, &gadwal, &to) => {}
            () = writing => {}
        }
        assert_eq!(tenancy(&app).find(&gadwal).await.unwrap().unwrap().0.placement, to);
        assert!(person.get(PREFERENCES).await.expect(200).json()["preferences"]["n"].as_u64().unwrap() >= last);
    }
}

/// Writes the next number and reads what is there; tells whether the write was acknowledged.
async fn counted_up(person: &Client, last: &mut u64) -> bool {
    let answer = person.call(Method::PATCH, PREFERENCES).json(&json!({ "n": *last + 1 })).await;
    let acknowledged = match answer.status.as_u16() {
        200 => true,
        503 => false,
        _ => panic!("{answer}"),
    };
    *last += u64::from(acknowledged);
    let read = person.get(PREFERENCES).await.expect(200).json();
    assert_eq!(read["preferences"]["n"].as_u64().unwrap_or(0), *last);
    acknowledged
}
