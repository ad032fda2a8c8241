//! What the staff see of storage.

use chrono::Duration;
use pravis::error::Code;
use pravis::ports::blobs::{AccessTier, BlobName, PutOptions, whole};
use pravis::ports::clock::Clock;
use serde_json::{Value, json};

use crate::support::app::{TestApp, eventually};

const STORAGE: &str = "/api/v1/admin/storage";

#[tokio::test]
async fn the_staff_see_what_lies_there_what_it_costs_and_what_a_sweep_would_do() {
    let prices = r#"{ "hotPaisePerGb": 1000000, "source": "the contract" }"#;
    let app = TestApp::start_with(&[("STORAGE_PRICES", prices)]).await;
    let empty = app.staff().await.get(STORAGE).await.expect(200).json();
    assert_eq!((&empty["asOf"], &empty["bytes"]), (&Value::Null, &json!(0)));
    let name = BlobName::new("voice-uploads", "pravis/nobody/x");
    app.state.blobs.put(&name, whole(vec![0; 1 << 20]), PutOptions::default()).await.unwrap();
    let cool = BlobName::new("media", "prd_1/front.avif");
    let options = PutOptions { tier: AccessTier::Cool, ..PutOptions::default() };
    app.state.blobs.put(&cool, whole("picture"), options).await.unwrap();
    app.clock.advance(Duration::days(10));
    let staff = app.staff().await;

    let admin = app.admin().await;
    let answer = admin.post(&format!("{STORAGE}/sweeps")).json(&json!({})).await.expect(202);
    let begun = answer.json();
    assert_eq!((&begun["dryRun"], &begun["held"]), (&json!(true), &Value::Null));
    let location = answer.header("operation-location").to_owned();
    let done = eventually("the end of the sweep", || async {
        let shown = staff.get(&location).await.expect(200).json();
        shown["finishedAt"].is_string().then_some(shown)
    })
    .await;
    assert_eq!(done["slicesDone"], done["slices"]);
    let would = done["deeds"].as_array().unwrap().iter().find(|line| line["deed"] == "deletedOrphaned").unwrap();
    // Nobody's recording, and a picture that no product shows.
    assert_eq!((&would["blobs"], &would["bytes"]), (&json!(2), &json!((1 << 20) + "picture".len())));
    assert!(app.state.blobs.properties(&name).await.unwrap().is_some(), "it only looked");

    let report = staff.get(STORAGE).await.expect(200).json();
    let of = |container: &str| {
        report["containers"].as_array().unwrap().iter().find(|report| report["container"] == container).unwrap().clone()
    };
    let uploads = of("voice-uploads");
    assert_eq!((&uploads["readers"], &uploads["archiveAfterDays"]), (&json!("owner"), &json!(180)));
    let line =
        json!({ "container": "voice-uploads", "tier": "hot", "age": "upToAMonth", "blobs": 1, "bytes": 1 << 20 });
    assert_eq!(uploads["lines"], json!([line]));
    // A MiB is 1/1024 GB at a million paise.
    assert_eq!(uploads["monthlyCostPaise"], 977);
    assert_eq!(of("media")["lines"][0]["tier"], "cool");
    assert_eq!((&report["run"], &report["prices"]["source"]), (&begun["id"], &json!("the contract")));
    let sum: u64 =
        report["containers"].as_array().unwrap().iter().map(|report| report["bytes"].as_u64().unwrap()).sum();
    assert_eq!(report["bytes"], sum);

    let listed = staff.get(&format!("{STORAGE}/sweeps?limit=1")).await.expect(200).json();
    assert_eq!(listed["items"][0]["id"], begun["id"]);
}

#[tokio::test]
async fn sweeps_are_begun_by_admins_alone() {
    let app = TestApp::start().await;
    let sweeps = format!("{STORAGE}/sweeps");
    let acts = json!({ "dryRun": false });
    app.staff().await.post(&sweeps).json(&json!({})).await.problem(403, Code::NotPermitted);
    app.customer().await.post(&sweeps).json(&acts).await.problem(403, Code::NotPermitted);
    let admin = app.admin().await;
    let first = admin.post(&sweeps).json(&acts).await.expect(202).json();
    assert!(first["held"].is_string(), "the first only looks");
    let stray = BlobName::new("voice-uploads", "pravis/nobody/x");
    app.state.blobs.put(&stray, whole("x"), PutOptions::default()).await.unwrap();
    app.clock.advance(Duration::days(2));
    let admin = app.admin().await;
    let second = admin.post(&sweeps).json(&acts).await.expect(202).json();
    assert_eq!((&second["held"], &second["dryRun"]), (&Value::Null, &json!(false)));
    eventually("the deletion", || async { app.state.blobs.properties(&stray).await.unwrap().is_none().then_some(()) })
        .await;
    assert!(second["startedAt"].as_str().unwrap().starts_with(&app.clock.now().format("%Y-%m-%d").to_string()));
}

#[tokio::test]
async fn bad_requests_about_sweeps_are_told_apart() {
    let app = TestApp::start().await;
    let staff = app.admin().await;
    let sweeps = format!("{STORAGE}/sweeps");
    for bad in [json!({ "dryRun": "no" }), json!({ "dry": true }), json!("x")] {
        staff.post(&sweeps).json(&bad).await.problem(422, Code::ValidationFailed);
    }
    for id in ["2020-01-01", "x", "a%2Fb", "%23"] {
        staff.get(&format!("{sweeps}/{id}")).await.problem(404, Code::NotFound);
    }
    staff.get(&format!("{sweeps}?limit=0")).await.problem(422, Code::ValidationFailed);
    staff.get(&format!("{sweeps}?cursor=x")).await.problem(422, Code::ValidationFailed);
    let again = staff.post(&sweeps).json(&json!({})).header("idempotency-key", "one").await.expect(202).json();
    let same = staff.post(&sweeps).json(&json!({})).header("idempotency-key", "one").await.expect(202).json();
    assert_eq!(again["id"], same["id"]);
}
