//! Samples that nobody works any more are given a ticket by the timer, also when an old one lies there.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Duration;
use pravis::app::{Application, build_at};
use pravis::containers::{CUSTOMERS, VOICE_JOBS, customer};
use pravis::function::{TimerTick, Trigger};
use pravis::ports::blobs::{BlobName, PutOptions, whole};
use pravis::ports::clock::Clock;
use pravis::ports::documents::NewDocument;
use pravis::settings::Settings;
use pravis::types::{SampleId, TenantId, UserId};
use serde_json::json;

use crate::support::clock::ManualClock;

#[tokio::test]
async fn a_stuck_sample_gets_a_fresh_ticket_and_a_young_one_keeps_its_own() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let data_dir = place.path().to_string_lossy().into_owned();
    let variables = BTreeMap::from([("PRAVIS_DATA_DIR".to_owned(), data_dir), ("PRAVIS_SEED".into(), "false".into())]);
    let clock = Arc::new(ManualClock::new());
    let settings = Settings::from_variables(&variables).expect("the settings are valid");
    let app = build_at(settings, clock.clone()).await.expect("the application is built");

    let old = [processing(&app, &clock, true).await, processing(&app, &clock, false).await];
    clock.advance(Duration::minutes(8));
    let young = processing(&app, &clock, true).await;
    let before = [version(&app, &old[0]).await, version(&app, &young).await];
    assert!(before.iter().all(Option::is_some) && version(&app, &old[1]).await.is_none());
    clock.advance(Duration::minutes(3));

    let function = app.registry.get("VoiceSamplesReconcile").expect("there is the function");
    let Trigger::Timer { handler, .. } = &function.trigger else { panic!("a timer fires it") };
    handler(app.state.clone(), TimerTick { past_due: false }).await.expect("the timer does its work");

    let given = version(&app, &old[0]).await.expect("the old ticket is there");
    assert_ne!(Some(given), before[0], "an old ticket fires again only as a new version");
    assert!(version(&app, &old[1]).await.is_some(), "the lost ticket is written");
    assert_eq!(version(&app, &young).await, before[1], "a young sample is left to its job");
}

/// A sample that is being worked; gives its ticket, which is there or lost.
async fn processing(app: &Application, clock: &ManualClock, with_ticket: bool) -> BlobName {
    let (user, sample, tenant) = (UserId::generate(), SampleId::generate(), TenantId::pravis());
    let now = clock.now();
    let document = json!({
        "kind": "sample", "status": "processing", "contentType": "audio/webm", "createdAt": now, "uploadUntil": now
    });
    let document = NewDocument::new(sample.as_str(), &document).expect("a document");
    let partition = customer(&tenant, user.as_str());
    app.state.documents.create(&CUSTOMERS, &partition, document).await.expect("the sample is written");
    let ticket = BlobName::new(VOICE_JOBS, format!("{tenant}/{sample}.json"));
    if with_ticket {
        let content = json!({ "tenantId": tenant, "userId": user, "sampleId": sample }).to_string();
        app.state.blobs.put(&ticket, whole(content), PutOptions::default()).await.expect("the ticket is written");
    }
    ticket
}

async fn version(app: &Application, ticket: &BlobName) -> Option<String> {
    app.state.blobs.properties(ticket).await.expect("the blobs answer").map(|found| found.etag.0)
}
