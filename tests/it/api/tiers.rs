//! The tier table: what staff see, what administrators write, and when it holds.

use pravis::error::Code;
use pravis::tiers::TierTable;
use pravis::types::{TenantId, TierId};
use serde_json::{Value, json};

use crate::support::app::{TestApp, eventually};
use crate::support::client::Answer;

const TIERS: &str = "/api/v1/admin/tiers";

fn with_free(field: &str, value: Value) -> Value {
    let mut table = json!(TierTable::built_in());
    table["tiers"]["free"][field] = value;
    table
}

async fn requests_of_free(app: &TestApp) -> u32 {
    app.state.tiers.tier(&TenantId::pravis(), &TierId::FREE).await.requests_per_minute
}

#[tokio::test]
async fn the_built_in_table_holds_until_another_is_written() {
    let app = TestApp::start().await;
    let (staff, admin) = (app.staff().await, app.admin().await);
    let shown = staff.get(TIERS).await.expect(200);
    assert_eq!(shown.json(), json!(TierTable::built_in()));
    assert_eq!(requests_of_free(&app).await, 60);
    let mut table = with_free("requestsPerMinute", json!(90));
    table["tiers"]["student"] = table["tiers"]["premium"].clone();
    let written = admin.put(TIERS).header("if-match", shown.header("etag")).json(&table).await.expect(200);
    assert_eq!(requests_of_free(&app).await, 90, "it holds at once where it was written");
    let now = staff.get(TIERS).await.expect(200);
    assert_eq!((now.json(), now.header("etag")), (table, written.header("etag")));
    let tiers = app.state.tiers.of(&TenantId::pravis()).await;
    assert_eq!(tiers.tier(&"student".parse().unwrap()).requests_per_minute, 600);
    assert_eq!(tiers.tier(&"nobodys".parse().unwrap()).requests_per_minute, 90, "unknown tiers are free");
}

#[tokio::test]
async fn only_the_version_that_was_read_is_replaced() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let put = async |etag: &str, requests: u32| -> Answer {
        admin.put(TIERS).header("if-match", etag).json(&with_free("requestsPerMinute", json!(requests))).await
    };
    admin.put(TIERS).json(&json!(TierTable::built_in())).await.problem(428, Code::PreconditionRequired);
    put("\"a-version-that-never-was\"", 61).await.problem(412, Code::PreconditionFailed);
    let built_in = admin.get(TIERS).await.header("etag").to_owned();
    let first = put(&built_in, 61).await.expect(200).header("etag").to_owned();
    put(&built_in, 62).await.problem(412, Code::PreconditionFailed);
    put(&first, 63).await.expect(200);
    put(&first, 64).await.problem(412, Code::PreconditionFailed);
    assert_eq!(requests_of_free(&app).await, 63);
    put("*", 65).await.expect(200);
    assert_eq!(requests_of_free(&app).await, 65);
}

#[tokio::test]
async fn figures_outside_their_ranges_are_refused_by_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (field, value) in [
        ("requestsPerMinute", json!(0)),
        ("requestsPerMinute", json!(600_001)),
        ("voiceSecondsPerMonth", json!(31_536_001)),
        ("uploadBytes", json!(1000)),
        ("uploadBytes", json!(104_857_601)),
        ("retentionDays", json!(0)),
        ("retentionDays", json!(-1)),
        ("requestsPerMinute", json!("many")),
        ("batches", json!(1)),
        ("placement", json!("moon")),
    ] {
        let answer = admin.put(TIERS).header("if-match", "*").json(&with_free(field, value.clone())).await;
        assert_eq!(answer.refused_fields(), [format!("tiers.free.{field}")], "{value}");
    }
    let mut table = json!(TierTable::built_in());
    table["tiers"].as_object_mut().unwrap().remove("free");
    let answer = admin.put(TIERS).header("if-match", "*").json(&table).await;
    assert_eq!(answer.refused_fields(), ["tiers.free"]);
    let mut table = json!(TierTable::built_in());
    for number in 0..40 {
        table["tiers"][format!("tier-{number}")] = table["tiers"]["free"].clone();
    }
    let answer = admin.put(TIERS).header("if-match", "*").json(&table).await;
    assert_eq!(answer.refused_fields(), ["tiers"]);
    assert_eq!(admin.get(TIERS).await.json(), json!(TierTable::built_in()), "nothing of it was written");
}

#[tokio::test]
async fn another_instance_is_told_of_a_change() {
    let app = TestApp::start().await;
    assert_eq!(requests_of_free(&app).await, 60);
    // What another instance does: it writes the document, and tells.
    let (partition, id) = pravis::tiers::partition(&TenantId::pravis());
    let table = with_free("requestsPerMinute", json!(70));
    let document = pravis::ports::documents::NewDocument::new(id, &table).unwrap();
    app.state.documents.upsert(&pravis::containers::CATALOGUE, &partition, document).await.unwrap();
    assert_eq!(requests_of_free(&app).await, 60, "known tables are not read again by requests");
    let news = json!({ "tiersChanged": TenantId::pravis() }).to_string();
    app.state.invalidations.publish(news.into()).await.unwrap();
    eventually("the change", async || (requests_of_free(&app).await == 70).then_some(())).await;
}

#[tokio::test]
async fn tenants_have_tables_of_their_own() {
    let app = TestApp::start().await;
    let weaves: TenantId = "weaves".parse().unwrap();
    let (partition, id) = pravis::tiers::partition(&weaves);
    let document = pravis::ports::documents::NewDocument::new(id, &with_free("requestsPerMinute", json!(5))).unwrap();
    app.state.documents.upsert(&pravis::containers::CATALOGUE, &partition, document).await.unwrap();
    assert_eq!(app.state.tiers.tier(&weaves, &TierId::FREE).await.requests_per_minute, 5);
    assert_eq!(requests_of_free(&app).await, 60);
}
