//! Programs in the walk: API keys with and without each scope.

use http::StatusCode;
use pravis::error::Code;
use pravis::function::Access;
use pravis::identity::{Permission, Role};
use serde_json::json;

use super::knock;
use crate::support::app::TestApp;

#[tokio::test]
async fn a_key_reaches_what_is_open_and_what_its_scopes_say() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let suitable: Vec<Permission> = Permission::ALL.into_iter().filter(|scope| scope.suits_a_key()).collect();
    let mut kinds = vec![vec![], suitable.clone()];
    kinds.extend(suitable.iter().map(|scope| vec![*scope]));
    for scopes in kinds {
        let asked = json!({ "name": "walker", "scopes": scopes });
        let made = admin.post("/api/v1/admin/api-keys").json(&asked).await.expect(201).json();
        let program = app.client().with_token(made["key"].as_str().unwrap());
        for (name, function) in app.http_functions() {
            let answer = knock(&program, function).await;
            let allowed = match function.access {
                Access::Anyone => true,
                Access::SignedIn => false,
                Access::May(permission) => scopes.contains(&permission),
            };
            if allowed {
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{name} with {scopes:?}");
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{name} with {scopes:?}");
            } else {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} with {scopes:?}");
                answer.problem(403, Code::NotPermitted);
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_is_not_good_is_refused_everywhere_also_where_none_is_needed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post("/api/v1/admin/api-keys").json(&json!({ "name": "gone" })).await.expect(201).json();
    admin.delete(&format!("/api/v1/admin/api-keys/{}", made["id"].as_str().unwrap())).await.expect(200);
    let revoked = made["key"].as_str().unwrap().to_owned();
    let unknown = format!("pravis_01KAXQ8W0V7D3T4Z5J6N8P9R2S_{}", "A".repeat(43));
    for key in [revoked, unknown, "pravis_nonsense".into()] {
        let program = app.client().with_token(key);
        for (name, function) in app.http_functions() {
            let answer = knock(&program, function).await;
            assert_eq!(answer.status, 401, "{name}");
            answer.problem(401, Code::InvalidToken);
        }
    }
}

/// The table in words, so that a change of it is seen by whoever makes it.
#[test]
fn the_table_of_permissions_is_what_was_decided() {
    let names = |role: Role| role.permissions().iter().map(|permission| permission.name()).collect::<Vec<_>>();
    assert!(names(Role::Customer).is_empty());
    assert_eq!(
        names(Role::Staff),
        [
            "readMetrics",
            "readReports",
            "manageCatalogue",
            "manageOrders",
            "useBatches",
            "manageUsers",
            "readTiers",
            "readAudit"
        ]
    );
    assert_eq!(names(Role::Service), ["readMetrics"]);
    assert_eq!(names(Role::Admin).len(), Permission::ALL.len());
    let suitable = Permission::ALL.into_iter().filter(|permission| permission.suits_a_key());
    let suitable: Vec<String> = suitable.map(Permission::name).collect();
    assert_eq!(suitable, ["readMetrics", "readReports", "manageCatalogue", "useBatches"]);
}
