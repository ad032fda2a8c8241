//! Boutiques in the walk: who has the same id in another one sees nothing of this one.

use http::Method;
use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::identity::{Credential, Principal, Role, Session};
use pravis::ports::documents::NewDocument;
use pravis::types::{TenantId, TierId, UserId};
use serde_json::json;

use super::is_of_an_owner;
use crate::support::app::TestApp;
use crate::support::client::Client;

/// An account of another boutique that has the id of one here.
async fn twin(app: &TestApp, id: &UserId, role: Role) -> Client {
    let tenant: TenantId = "rival".parse().unwrap();
    let now = app.state.clock.now();
    let (session, _) = Session::begin(&tenant, id, "test", now).unwrap();
    let user = json!({
        "kind": "user", "id": id, "email": "twin@rival.example", "passwordHash": "none", "firstName": "Asha",
        "lastName": "Iyer", "role": role, "tier": "free", "active": true, "createdAt": now,
    });
    let documents =
        [NewDocument::new(session.id.as_str(), &session).unwrap(), NewDocument::new(id.as_str(), &user).unwrap()];
    for document in documents {
        app.state.documents.upsert(&CUSTOMERS, &customer(&tenant, id.as_str()), document).await.unwrap();
    }
    let credential = Credential::Session(session.id);
    let principal = Principal { user: id.clone(), tenant, role, tier: TierId::FREE, version: 0, credential };
    app.client().with_token(app.state.keys.sign(&principal, now).unwrap().token)
}

#[tokio::test]
async fn the_same_id_in_another_boutique_is_nobody_here() {
    let app = TestApp::start().await;
    let owner = app.customer().await;
    let sample =
        owner.post("/api/v1/voice/samples").json(&json!({ "contentType": "audio/wav" })).await.expect(201).json();
    let said = owner.post("/api/v1/voice/command").json(&json!({ "text": "silk sarees" })).await.expect(200).json();
    let Credential::Session(session) = &owner.principal.credential else { panic!("a person has a session") };
    let ids = [sample["id"].as_str().unwrap(), said["interactionId"].as_str().unwrap(), session.as_str()];
    for role in [Role::Customer, Role::Staff, Role::Admin] {
        let twin = twin(&app, &owner.id, role).await;
        for (name, function) in app.http_functions().filter(|(_, function)| is_of_an_owner(function)) {
            for id in ids {
                let path = format!("/api/{}", function.route.replace("{id}", id));
                let answer = twin.call(function.method.clone(), &path).await;
                assert_eq!(answer.status, 404, "{name}");
                answer.problem(404, Code::NotFound);
            }
        }
        for path in ["/api/v1/voice/samples", "/api/v1/voice/history"] {
            assert_eq!(twin.get(path).await.expect(200).json()["items"], json!([]), "{path}");
        }
        assert_eq!(twin.get("/api/v1/auth/me").await.expect(200).json()["email"], "twin@rival.example");
        twin.delete("/api/v1/voice/history").await.expect(200);
        twin.post("/api/v1/auth/logout").await.expect(200);
    }
    owner.get(&format!("/api/v1/voice/samples/{}", ids[0])).await.expect(200);
    assert_eq!(owner.get("/api/v1/voice/history").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_administrator_rules_over_one_boutique() {
    let app = TestApp::start().await;
    let (admin, customer) = (app.admin().await, app.customer().await);
    let theirs = twin(&app, &UserId::generate(), Role::Admin).await;
    let made = admin.post("/api/v1/admin/api-keys").json(&json!({ "name": "ours" })).await.expect(201).json();
    let key = format!("/api/v1/admin/api-keys/{}", made["id"].as_str().unwrap());
    for method in [Method::GET, Method::DELETE] {
        theirs.call(method, &key).await.problem(404, Code::NotFound);
    }
    assert_eq!(theirs.get("/api/v1/admin/api-keys").await.expect(200).json()["items"], json!([]));
    let user = format!("/api/v1/admin/users/{}", customer.id);
    theirs.get(&user).await.problem(404, Code::NotFound);
    for (what, body) in [
        ("role", json!({ "role": "admin" })),
        ("tier", json!({ "tier": "premium" })),
        ("active", json!({ "active": false })),
    ] {
        theirs.put(&format!("{user}/{what}")).json(&body).await.problem(404, Code::NotFound);
    }
    for query in [format!("email={}", customer.email), "role=admin".into()] {
        let found = theirs.get(&format!("/api/v1/admin/users?{query}")).await.expect(200).json();
        assert_eq!(found["items"], json!([]), "{query}");
    }
    admin.get(&key).await.expect(200);
    customer.get("/api/v1/auth/me").await.expect(200);
}
