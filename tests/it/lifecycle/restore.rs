//! A recording that is asked for out of the archive.

use chrono::{DateTime, Duration, Utc};
use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::blobs::AccessTier;
use pravis::ports::clock::Clock;
use pravis::ports::documents::NewDocument;
use pravis::types::{SampleId, TenantId};
use serde_json::{Value, json};

use super::events::{keep, stored};
use super::house::Kept;
use crate::support::app::{TestApp, eventually};

fn path(kept: &Kept) -> String {
    format!("/api/v1/voice/samples/{}", kept.sample)
}

async fn write(app: &TestApp, kept: &Kept, change: impl FnOnce(&mut Value)) {
    let mut body = stored(app, kept).await;
    change(&mut body);
    let document = NewDocument::new(kept.sample.as_str(), &body).unwrap();
    let partition = customer(&TenantId::pravis(), kept.user.as_str());
    app.state.documents.upsert(&CUSTOMERS, &partition, document).await.unwrap();
}

#[tokio::test]
async fn an_archived_recording_comes_back_and_stays_for_a_week() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let kept = keep(&app, &person).await;
    let before = person.get(&path(&kept)).await.expect(200).json();
    app.state.blobs.set_tier(&kept.upload(), AccessTier::Archive).await.unwrap();
    // The address that was given before is refused as storage refuses it.
    app.client().get(before["recording"]["url"].as_str().unwrap()).await.problem(409, Code::Conflict);

    let answer = person.post(&format!("{}/rehydrate", path(&kept))).await.expect(202);
    assert_eq!(answer.header("operation-location"), path(&kept));
    let told = answer.json();
    assert_eq!((&told["recording"]["status"], &told["recording"]["url"]), (&json!("restoring"), &Value::Null));
    let there = eventually("the recording", || async {
        let shown = person.get(&path(&kept)).await.expect(200).json();
        (shown["recording"]["status"] == "available").then_some(shown)
    })
    .await;
    let until: DateTime<Utc> = there["recording"]["readableUntil"].as_str().unwrap().parse().unwrap();
    assert_eq!(until - app.clock.now(), Duration::days(7));
    let sound = app.client().get(there["recording"]["url"].as_str().unwrap()).await.expect(200);
    assert_eq!(sound.body, "the recording");
    // Asked again it is still there.
    let again = person.post(&format!("{}/rehydrate", path(&kept))).await.expect(202).json();
    assert_eq!(again["recording"]["status"], "available");
}

#[tokio::test]
async fn the_timer_asks_again_for_what_was_promised_and_sees_what_arrived() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let kept = keep(&app, &person).await;
    // A process died between its promise and the request to storage.
    app.state.blobs.set_tier(&kept.upload(), AccessTier::Archive).await.unwrap();
    write(&app, &kept, |sample| {
        sample["recording"] =
            json!({ "status": "restoring", "tier": "archive", "restoreRequestedAt": app.clock.now() });
    })
    .await;
    app.tick("VoiceSamplesRestored").await;
    let tier = app.state.blobs.properties(&kept.upload()).await.unwrap().unwrap().tier;
    assert_eq!(tier, AccessTier::Hot, "storage was asked");
    app.tick("VoiceSamplesRestored").await;
    assert_eq!(stored(&app, &kept).await["recording"]["status"], "available");
    assert_eq!(app.tick("VoiceSamplesRestored").await, "0 recordings are out of the archive, 0 on their way");
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    let kept = keep(&app, &person).await;
    let ask = format!("{}/rehydrate", path(&kept));
    other.post(&ask).await.problem(404, Code::NotFound);
    app.client().post(&ask).await.problem(401, Code::NotAuthenticated);
    let missing = format!("/api/v1/voice/samples/{}/rehydrate", SampleId::generate());
    person.post(&missing).await.problem(404, Code::NotFound);
    write(&app, &kept, |sample| sample["recording"] = json!({ "status": "deleted", "tier": "cold" })).await;
    person.post(&ask).await.problem(409, Code::Conflict);
    write(&app, &kept, |sample| sample["kept"] = json!(false)).await;
    person.post(&ask).await.problem(409, Code::Conflict);
}
