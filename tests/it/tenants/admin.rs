//! The endpoints for administrators.

use http::Method;
use pravis::error::Code;
use pravis::identity::Role;
use pravis::types::TenantId;
use serde_json::{Value, json};

use super::boutiques::{TENANTS, app, open};
use crate::support::app::TestApp;
use crate::support::client::{Answer, Client};

async fn patch(client: &Client, id: &str, body: Value) -> Answer {
    client.call(Method::PATCH, &format!("{TENANTS}/{id}")).json(&body).await
}

#[tokio::test]
async fn a_boutique_is_opened_listed_shown_and_changed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let asked = json!({ "id": "gadwal", "name": " Weavers of Gadwal ", "tier": "premium", "hosts": ["B.example", "a.example"] });
    let opened = admin.post(TENANTS).json(&asked).await.expect(201);
    assert_eq!(opened.header("location"), format!("{TENANTS}/gadwal"));
    let told = opened.json();
    assert_eq!((&told["name"], &told["hosts"]), (&json!("Weavers of Gadwal"), &json!(["a.example", "b.example"])));
    assert_eq!((&told["status"], &told["placement"]), (&json!("active"), &json!({ "type": "shared" })));
    admin.post(TENANTS).json(&asked).await.problem(409, Code::Conflict);

    let shown = admin.get(&format!("{TENANTS}/gadwal")).await.expect(200);
    assert_eq!((shown.json(), shown.header("etag")), (told, opened.header("etag")));
    let renamed = admin
        .call(Method::PATCH, &format!("{TENANTS}/gadwal"))
        .header("if-match", shown.header("etag"))
        .json(&json!({ "name": "Gadwal", "hosts": ["c.example"] }))
        .await
        .expect(200);
    assert_eq!((&renamed.json()["name"], &renamed.json()["version"]), (&json!("Gadwal"), &json!(2)));
    let late = admin.call(Method::PATCH, &format!("{TENANTS}/gadwal")).header("if-match", shown.header("etag"));
    late.json(&json!({ "name": "Late" })).await.problem(412, Code::PreconditionFailed);
    let same = patch(&admin, "gadwal", json!({ "name": "Gadwal" })).await.expect(200);
    assert_eq!(same.json()["version"], 2, "nothing was changed");
    patch(&admin, "nobody", json!({ "name": "x" })).await.problem(404, Code::NotFound);

    // Hosts that were given back are free again, those in use are not.
    let second = json!({ "id": "pochampally", "name": "P", "hosts": ["a.example"] });
    admin.post(TENANTS).json(&second).await.expect(201);
    let taken = patch(&admin, "pochampally", json!({ "hosts": ["d.example", "c.example"] })).await;
    assert_eq!(taken.refused_fields(), ["hosts[0]"]);

    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("{TENANTS}?limit=1{cursor}")).await.expect(200).json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids, ["gadwal", "pochampally"]);
}

#[tokio::test]
async fn what_cannot_be_a_boutique_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let many: Vec<String> = (0..21).map(|n| format!("h{n}.example")).collect();
    for (body, field) in [
        (json!({ "id": "A B", "name": "x" }), "id"),
        (json!({ "id": "a" }), "."),
        (json!({ "id": "a", "name": " " }), "name"),
        (json!({ "id": "a", "name": "x".repeat(101) }), "name"),
        (json!({ "id": "a", "name": "x", "tier": "GOLD" }), "tier"),
        (json!({ "id": "a", "name": "x", "hosts": ["https://x"] }), "hosts[0]"),
        (json!({ "id": "a", "name": "x", "hosts": many }), "hosts"),
        (json!({ "id": "a", "name": "x", "placement": { "type": "shared" } }), "placement"),
    ] {
        let fields = admin.post(TENANTS).json(&body).await.refused_fields();
        assert!(fields.iter().any(|named| named == field), "{body}: {fields:?}");
    }
    open(&app, "gadwal").await;
    assert_eq!(patch(&admin, "gadwal", json!({ "status": "moving" })).await.refused_fields(), ["status"]);
    let moved = patch(&admin, "gadwal", json!({ "placement": { "type": "shared" } })).await;
    assert_eq!(moved.refused_fields(), ["placement"]);
    open(&app, "pravis").await;
    assert_eq!(patch(&admin, "pravis", json!({ "status": "suspended" })).await.refused_fields(), ["status"]);
}

#[tokio::test]
async fn a_partners_administrator_sees_their_own_boutique_and_changes_none() {
    let app = app().await;
    let gadwal: TenantId = open(&app, "gadwal").await;
    open(&app, "pochampally").await;
    let partner = app.person_of(&gadwal, Role::Admin).await;
    let listed = partner.get(TENANTS).await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], "gadwal");
    partner.get(&format!("{TENANTS}/gadwal")).await.expect(200);
    for id in ["pochampally", "pravis", "nobody"] {
        partner.get(&format!("{TENANTS}/{id}")).await.problem(404, Code::NotFound);
    }
    for id in ["gadwal", "pochampally", "nobody"] {
        patch(&partner, id, json!({ "name": "Mine" })).await.problem(403, Code::NotPermitted);
    }
    let asked = json!({ "id": "third", "name": "Third" });
    partner.post(TENANTS).json(&asked).await.problem(403, Code::NotPermitted);
}

#[tokio::test]
async fn new_customers_are_on_the_plan_of_their_boutique() {
    let app = app().await;
    open(&app, "gadwal").await;
    let admin = app.admin().await;
    patch(&admin, "gadwal", json!({ "tier": "premium" })).await.expect(200);
    let told = super::boutiques::register(&app, "gadwal", "lakshmi@example.in").await;
    assert_eq!(told["user"]["tier"], "premium");
}
