//! What storage tells makes documents true, however it is told.

use chrono::{DateTime, Duration, Utc};
use pravis::containers::{CUSTOMERS, VOICE_RESULTS, VOICE_UPLOADS, customer};
use pravis::function::{StorageEvent, StorageEventKind, Trigger};
use pravis::ports::Condition;
use pravis::ports::blobs::{AccessTier, BlobName, PutOptions, whole};
use pravis::ports::clock::Clock;
use pravis::ports::documents::NewDocument;
use pravis::types::{SampleId, TenantId};
use serde_json::{Value, json};

use super::house::{House, Kept};
use crate::api::samples::hum;
use crate::functions_host::payload;
use crate::support::app::{Person, TestApp, eventually};
use crate::triggers::stories::{SPEECH, Story};

/// A completed sample of a customer whose recording is kept.
pub async fn keep(app: &TestApp, person: &Person) -> Kept {
    let kept = Kept { user: person.id.clone(), sample: SampleId::generate() };
    for name in [kept.upload(), kept.rendition()] {
        app.state.blobs.put(&name, whole("the recording"), PutOptions::default()).await.unwrap();
    }
    let now = app.clock.now();
    let body = json!({
        "kind": "sample", "id": kept.sample, "status": "completed", "contentType": "audio/webm", "createdAt": now,
        "uploadUntil": now, "finishedAt": now, "kept": true
    });
    let document = NewDocument::new(kept.sample.as_str(), &body).unwrap();
    let partition = customer(&TenantId::pravis(), kept.user.as_str());
    app.state.documents.create(&CUSTOMERS, &partition, document).await.unwrap();
    kept
}

pub async fn stored(app: &TestApp, kept: &Kept) -> Value {
    let partition = customer(&TenantId::pravis(), kept.user.as_str());
    let found = app.state.documents.read(&CUSTOMERS, &partition, kept.sample.as_str()).await.unwrap();
    found.expect("the sample is there").read().unwrap()
}

async fn becomes(app: &TestApp, kept: &Kept, status: &str) {
    eventually(status, || async { (stored(app, kept).await["recording"]["status"] == status).then_some(()) }).await;
}

#[tokio::test]
async fn a_sample_follows_its_recording() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let kept = keep(&app, &person).await;
    let path = format!("/api/v1/voice/samples/{}", kept.sample);
    let shown = person.get(&path).await.expect(200).json();
    assert_eq!(shown["recording"]["status"], "available");
    app.state.blobs.set_tier(&kept.upload(), AccessTier::Archive).await.unwrap();
    becomes(&app, &kept, "archived").await;
    let shown = person.get(&path).await.expect(200).json();
    assert_eq!((&shown["recording"]["tier"], &shown["recording"]["url"]), (&json!("archive"), &Value::Null));
    assert!(shown["listenUrl"].is_string(), "the rendition is not in the archive");
    app.state.blobs.set_tier(&kept.upload(), AccessTier::Hot).await.unwrap();
    becomes(&app, &kept, "available").await;
    app.state.blobs.delete(&kept.upload(), Condition::None).await.unwrap();
    becomes(&app, &kept, "deleted").await;
    let shown = person.get(&path).await.expect(200).json();
    assert_eq!((&shown["listenUrl"], &shown["recording"]["url"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn what_arrived_and_is_not_completed_is_worked_soon() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let told =
        person.post("/api/v1/voice/samples").json(&json!({ "contentType": "audio/wav" })).await.expect(201).json();
    let kept = Kept { user: person.id.clone(), sample: told["id"].as_str().unwrap().parse().unwrap() };
    let until = |sample: &Value| sample["uploadUntil"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(until(&stored(&app, &kept).await) - app.clock.now(), Duration::minutes(15));
    let upload = app.client().put(told["uploadUrl"].as_str().unwrap()).raw_body(hum(1.0));
    upload.header("x-ms-blob-type", "BlockBlob").header("content-type", "audio/wav").await.expect(201);
    eventually("less time", || async {
        (until(&stored(&app, &kept).await) - app.clock.now() <= Duration::minutes(1)).then_some(())
    })
    .await;
    app.clock.advance(Duration::minutes(2));
    app.tick("VoiceSamplesReconcile").await;
    eventually("the end", || async { (stored(&app, &kept).await["status"] == "completed").then_some(()) }).await;
}

#[tokio::test]
async fn events_twice_in_any_order_or_untrue_change_nothing() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let kept = keep(&app, &person).await;
    app.state.blobs.set_tier(&kept.upload(), AccessTier::Cool).await.unwrap();
    eventually("cool", || async { (stored(&app, &kept).await["recording"]["tier"] == "cool").then_some(()) }).await;
    let truth = stored(&app, &kept).await;
    let Trigger::StorageEvents { handler } = &app.registry.get("VoiceStorageEvents").unwrap().trigger else { panic!() };
    for kind in [StorageEventKind::Deleted, StorageEventKind::TierChanged, StorageEventKind::Created] {
        for container in [VOICE_UPLOADS, VOICE_RESULTS, "voice-jobs", "elsewhere"] {
            for path in [kept.path(), format!("{}.opus", kept.path()), "../x".into(), "a/b/c".into(), String::new()] {
                let event = StorageEvent { kind, container: container.into(), path };
                handler(app.state.clone(), event).await.unwrap();
            }
        }
    }
    assert_eq!(stored(&app, &kept).await, truth);
}

#[tokio::test]
async fn the_store_tells_all_that_was_committed_in_order_also_after_a_restart() {
    use pravis::adapters::blobs::directory::events::BlobEventKind::{Created, Deleted, TierChanged};
    use pravis::ports::blobs::BlobStore;
    let house = House::untouched();
    let name = BlobName::new(VOICE_UPLOADS, "pravis/a/b");
    house.put(&name, "one").await;
    house.put(&name, "two").await;
    house.blobs.set_tier(&name, AccessTier::Cool).await.unwrap();
    house.blobs.set_tier(&name, AccessTier::Cool).await.unwrap();
    let stale = pravis::ports::ETag("stale".into());
    assert!(house.blobs.delete(&name, Condition::IfMatch(stale)).await.is_err());
    house.blobs.delete(&name, Condition::None).await.unwrap();
    assert!(!house.blobs.delete(&name, Condition::None).await.unwrap());
    let all = house.blobs.events(0, 100).await.unwrap();
    let kinds: Vec<_> = all.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Created, Created, TierChanged, Deleted], "what did not happen is not told");
    assert!(all.iter().all(|event| event.path == name.path && event.container == name.container));
    assert_eq!(house.blobs.events(all[1].sequence, 1).await.unwrap(), [all[2].clone()]);
    house.days(8);
    house.blobs.clean_up().await.unwrap();
    assert!(house.blobs.events(0, 100).await.unwrap().is_empty(), "after a week nobody wants them");
    house.put(&name, "three").await;
    let next = house.blobs.events(0, 100).await.unwrap();
    assert!(next[0].sequence > all[3].sequence, "a place that was kept stays good");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_s_events_are_understood() {
    let story = Story::begin().await;
    let customer = story.consenting_customer().await;
    let id = story.submit(&customer, SPEECH).await;
    let ticket = story.ticket_payload(&id).await.unwrap();
    assert!(story.host.invoke("VoiceJobsRun", ticket).await.succeeded());
    let function = story.host.function("VoiceStorageEvents").clone();
    let upload = customer.upload(&id);
    story.stores.blobs.set_tier(&upload, AccessTier::Archive).await.unwrap();
    for kind in
        ["Microsoft.Storage.BlobTierChanged", "Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobTierChanged"]
    {
        let payload = payload::blob_event(&function, kind, &upload);
        assert!(story.host.invoke("VoiceStorageEvents", payload).await.succeeded());
    }
    assert_eq!(story.stored(&customer, &id).await["recording"]["status"], "archived");
    // An event about something else is none of ours, and no failure, which would bring the whole delivery again.
    let other = payload::blob_event(&function, "Microsoft.Storage.AsyncOperationInitiated", &upload);
    assert!(story.host.invoke("VoiceStorageEvents", other).await.succeeded());
}
