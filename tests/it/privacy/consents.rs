//! The ledger of consents.

use pravis::error::Code;
use pravis::services::accounts::{self, Purpose};
use pravis::types::TenantId;
use serde_json::json;

use super::{consent, of_kind};
use crate::support::app::TestApp;

const CONSENTS: &str = "/api/v1/users/me/consents";
const HISTORY: &str = "/api/v1/users/me/consents/history";

#[tokio::test]
async fn every_change_is_listed_with_where_it_came_from() {
    let app = TestApp::start_idle(&[]).await;
    let (person, other) = (app.customer().await, app.customer().await);
    assert_eq!(person.get(HISTORY).await.expect(200).json(), json!({ "items": [], "next": null }));
    for (number, source) in [Some("web"), Some("app"), Some("import"), None].into_iter().enumerate() {
        let mut asked = json!({ "purpose": "analytics", "granted": number % 2 == 0, "version": format!("1.{number}") });
        if let Some(source) = source {
            asked["source"] = json!(source);
        }
        let call = person.post(CONSENTS).json(&asked).header("user-agent", "x".repeat(300));
        call.await.expect(201);
        app.clock.advance(chrono::Duration::seconds(1));
    }
    let first = person.get(&format!("{HISTORY}?limit=3")).await.expect(200).json();
    let cursor = first["next"].as_str().unwrap();
    let second = person.get(&format!("{HISTORY}?limit=3&cursor={cursor}")).await.expect(200).json();
    let entries = [first["items"].as_array().unwrap().clone(), second["items"].as_array().unwrap().clone()].concat();
    let told: Vec<_> = entries.iter().map(|entry| (entry["version"].as_str(), entry["source"].as_str())).collect();
    let expected = [("1.3", "api"), ("1.2", "import"), ("1.1", "app"), ("1.0", "web")];
    assert_eq!(told, expected.map(|(version, source)| (Some(version), Some(source))));
    for entry in &entries {
        assert_eq!(entry["userAgent"].as_str().unwrap().len(), 120);
        assert_eq!(entry["network"].as_str().unwrap().len(), 43, "a name, not an address");
        assert_eq!(entry["network"], entries[0]["network"]);
    }
    let elsewhere = app.client_at([127, 9, 9, 9]).with_token(person.token());
    let asked = json!({ "purpose": "analytics", "granted": true, "version": "1.4" });
    elsewhere.post(CONSENTS).json(&asked).await.expect(201);
    let latest = person.get(&format!("{HISTORY}?limit=1")).await.expect(200).json();
    assert_ne!(latest["items"][0]["network"], entries[0]["network"], "another network has another name");
    assert!(!of_kind(&app, &person, "consent").await.iter().any(|entry| entry.to_string().contains("127.")));
    assert_eq!(other.get(HISTORY).await.expect(200).json()["items"], json!([]));
    assert_eq!(person.get(&format!("{HISTORY}?limit=0")).await.refused_fields(), ["limit"]);
}

#[tokio::test]
async fn a_source_is_one_of_four() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    for source in [json!("fax"), json!("")] {
        let asked = json!({ "purpose": "training", "granted": true, "version": "1.0", "source": source });
        assert_eq!(person.post(CONSENTS).json(&asked).await.refused_fields(), ["source"]);
    }
    person.get(HISTORY).await.expect(200);
    assert!(of_kind(&app, &person, "consent").await.is_empty());
    app.client().get(HISTORY).await.problem(401, Code::NotAuthenticated);
}

#[tokio::test]
async fn who_asks_often_learns_of_a_change_at_once() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    let tenant = TenantId::pravis();
    let agrees = || async { accounts::consents_to(&app.state, &tenant, &person.id, Purpose::Analytics).await.unwrap() };
    assert!(!agrees().await);
    consent(&person, "analytics", true).await;
    assert!(agrees().await);
    assert!(!accounts::consents_to(&app.state, &tenant, &person.id, Purpose::Training).await.unwrap());
    consent(&person, "analytics", false).await;
    assert!(!agrees().await);
}
