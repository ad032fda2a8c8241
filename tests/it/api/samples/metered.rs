//! The monthly quota: counted once, checked before work, renewed.

use bytes::Bytes;
use futures_util::future::join_all;
use pravis::error::Code;
use pravis::function::{BlobWritten, Trigger};
use pravis::ports::limits::Quota;
use pravis::types::TenantId;
use serde_json::{Value, json};

use super::{SAMPLES, announce, consent, hum, record};
use crate::api::limits::{change_free, limited};
use crate::support::app::{Person, TestApp};
use crate::support::client::Client;

const USAGE: &str = "/api/v1/voice/usage";
const TRANSCRIBE: &str = "/api/v1/voice/transcribe";

async fn seconds_used(person: &Client) -> f64 {
    person.get(USAGE).await.expect(200).json()["secondsUsed"].as_f64().unwrap()
}

/// Delivers the ticket of a sample, as the platform may: at any time, any number of times.
async fn deliver(app: &TestApp, person: &Person, sample: &str) -> bool {
    let ticket = json!({ "tenantId": TenantId::pravis(), "userId": person.id, "sampleId": sample });
    let Trigger::Blob { handler, .. } = &app.registry.get("VoiceJobsRun").unwrap().trigger else { unreachable!() };
    handler(app.state.clone(), BlobWritten { content: Bytes::from(ticket.to_string()) }).await.is_ok()
}

/// The same caller with a token for the time that it has become.
fn later(app: &TestApp, person: &Person) -> Client {
    let token = app.state.keys.sign(&person.principal, app.state.clock.now()).unwrap().token;
    app.client().with_token(token)
}

#[tokio::test]
async fn a_recording_counts_by_its_length_and_the_month_says_so() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let nothing = person.get(USAGE).await.expect(200).json();
    assert_eq!(
        nothing,
        json!({ "period": "2026-01", "secondsUsed": 0.0, "secondsLimit": 1800, "secondsRemaining": 1800.0,
            "renewsAt": "2026-02-01T00:00:00Z", "days": [] })
    );
    record(&app, &person, "audio/wav", hum(2.0)).await;
    person.post(TRANSCRIBE).body("audio/wav", hum(1.0)).await.expect(200);
    let used = person.get(USAGE).await.expect(200).json();
    assert_eq!((used["secondsUsed"].as_f64(), used["secondsRemaining"].as_f64()), (Some(3.0), Some(1797.0)));
    assert_eq!(used["days"].as_array().unwrap().len(), 1);
    assert_eq!((&used["days"][0]["date"], &used["days"][0]["seconds"]), (&json!("2026-01-15"), &json!(3.0)));
    // What is rejected does not count, nor what others say.
    person.post(TRANSCRIBE).body("audio/wav", "noise").await.problem(422, Code::RecordingRejected);
    app.client().post(TRANSCRIBE).body("audio/wav", hum(1.0)).await.expect(200);
    assert_eq!(seconds_used(&person).await, 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_its_ticket_is_delivered_a_recording_counts_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    announced.put(&app, hum(2.0)).await.expect(201);
    let delivered = join_all((0..5).map(|_| deliver(&app, &person, &announced.id))).await;
    assert!(delivered.contains(&true), "{delivered:?}");
    assert_eq!(announced.end(&person).await["status"], "completed");
    assert_eq!(seconds_used(&person).await, 2.0);
    for _ in 0..3 {
        assert!(deliver(&app, &person, &announced.id).await);
    }
    assert_eq!(seconds_used(&person).await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_that_end_at_the_same_moment_all_count() {
    let app = TestApp::start_with(&[("PRAVIS_VOICE_CONCURRENCY", "8")]).await;
    let person = app.customer().await;
    let mut announced = Vec::new();
    for _ in 0..8 {
        let sample = announce(&person, "audio/wav").await;
        sample.put(&app, hum(1.0)).await.expect(201);
        announced.push(sample);
    }
    let delivered = join_all(announced.iter().map(|sample| deliver(&app, &person, &sample.id))).await;
    assert_eq!(delivered, [true; 8]);
    assert_eq!(seconds_used(&person).await, 8.0);
}

#[tokio::test]
async fn work_that_is_done_again_after_a_death_counts_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    announced.put(&app, hum(1.0)).await.expect(201);
    // A process that dies in the middle: the work is dropped wherever it has come to.
    for millis in [1, 5, 20, 80] {
        let work = deliver(&app, &person, &announced.id);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(millis), work).await;
    }
    while !deliver(&app, &person, &announced.id).await {}
    assert_eq!(announced.end(&person).await["status"], "completed");
    assert_eq!(seconds_used(&person).await, 1.0);
}

#[tokio::test]
async fn what_is_used_up_is_refused_until_the_month_ends() {
    let app = TestApp::start().await;
    change_free(&app, |free| free.voice_seconds_per_month = Some(2)).await;
    let person = app.customer().await;
    let (early, forgotten) = (announce(&person, "audio/wav").await, announce(&person, "audio/wav").await);
    for sample in [&early, &forgotten] {
        sample.put(&app, hum(1.0)).await.expect(201);
    }
    // Longer than what is left: it is worked all the same.
    let (_, sample) = record(&app, &person, "audio/wav", hum(3.0)).await;
    assert_eq!(sample["status"], "completed");
    let used = person.get(USAGE).await.expect(200).json();
    assert_eq!((&used["secondsUsed"], &used["secondsRemaining"]), (&json!(3.0), &json!(0.0)));
    for refused in [
        person.post(SAMPLES).json(&json!({ "contentType": "audio/wav" })).await,
        person.post(TRANSCRIBE).body("audio/wav", hum(1.0)).await,
        early.complete(&person).await,
    ] {
        let problem = refused.problem(429, Code::TooManyRequests);
        let limit = problem.limit.unwrap();
        assert_eq!((limit.policy.as_str(), limit.quota, limit.remaining), ("voice-seconds", 2, 0));
        assert!(problem.detail.contains("2026-02-01"), "{}", problem.detail);
        // From 15 January, 06:30.
        assert_eq!(refused.header("retry-after"), (17 * 86_400 - 23_400).to_string());
    }
    // Never completed, so that only the timer sees it.
    app.clock.advance(chrono::Duration::minutes(16));
    app.tick("VoiceSamplesReconcile").await;
    let then = later(&app, &person);
    let ended = forgotten.end(&then).await;
    assert_eq!((&ended["status"], &ended["reason"]["code"]), (&json!("rejected"), &json!("quota_used_up")));
    assert_eq!(seconds_used(&then).await, 3.0);
    app.clock.advance(chrono::Duration::days(17));
    let then = later(&app, &person);
    assert_eq!(seconds_used(&then).await, 0.0);
    then.post(TRANSCRIBE).body("audio/wav", hum(1.0)).await.expect(200);
    assert_eq!(seconds_used(&then).await, 1.0);
}

#[tokio::test]
async fn strangers_have_a_small_quota_by_network() {
    let app = limited(60, &[]).await;
    let here = app.client_at([127, 0, 6, 1]);
    here.post(TRANSCRIBE).body("audio/wav", hum(20.0)).await.expect(200);
    let quota = Quota { burst: 900, per: std::time::Duration::from_secs(3600) };
    let key = "voice-seconds:127.0.6.0/24";
    let left = app.state.limits.take(key, quota, 0).await.unwrap().remaining;
    assert!((880..900).contains(&left), "20 seconds of it were used: {left}");
    while app.state.limits.take(key, quota, 1).await.unwrap().remaining > 0 {}
    let refused = here.post(TRANSCRIBE).body("audio/wav", hum(30.0)).await;
    let limit = refused.problem(429, Code::TooManyRequests).limit.unwrap();
    assert_eq!((limit.policy.as_str(), limit.quota, limit.window_seconds), ("voice-seconds", 900, 3600));
    app.client_at([127, 0, 7, 1]).post(TRANSCRIBE).body("audio/wav", hum(1.0)).await.expect(200);
    let customer = app.customer().await;
    let there = here.with_token(customer.token());
    there.post(TRANSCRIBE).body("audio/wav", hum(1.0)).await.expect(200);
}

#[tokio::test]
async fn the_size_of_a_recording_goes_by_the_tier() {
    let app = TestApp::start().await;
    change_free(&app, |free| free.upload_bytes = 65_536).await;
    let person = app.customer().await;
    // 96 kB.
    let announced = announce(&person, "audio/wav").await;
    assert_eq!(announced.told["maxBytes"], 65_536);
    if let Ok(answer) = announced.put(&app, hum(3.0)).try_send().await {
        answer.problem(413, Code::PayloadTooLarge);
    }
    for caller in [&app.client(), &*person] {
        caller.post(TRANSCRIBE).body("audio/wav", hum(3.0)).await.problem(413, Code::PayloadTooLarge);
        caller.post(TRANSCRIBE).body("audio/wav", hum(1.0)).await.expect(200);
    }
}

#[tokio::test]
async fn how_long_a_recording_is_kept_goes_by_the_tier_and_the_consent() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let expiry = |sample: &Value| sample["expiresAt"].as_str().unwrap()[..10].to_owned();
    let (_, sample) = record(&app, &person, "audio/wav", hum(1.0)).await;
    assert_eq!(expiry(&sample), "2026-01-16");
    consent(&person, true).await;
    let (_, sample) = record(&app, &person, "audio/wav", hum(1.0)).await;
    assert_eq!(expiry(&sample), "2026-04-15");
    change_free(&app, |free| free.retention_days = 10).await;
    let (kept, sample) = record(&app, &person, "audio/wav", hum(1.0)).await;
    assert_eq!(expiry(&sample), "2026-01-25");
    app.clock.advance(chrono::Duration::days(9));
    later(&app, &person).get(&kept.path()).await.expect(200);
    app.clock.advance(chrono::Duration::days(2));
    later(&app, &person).get(&kept.path()).await.problem(404, Code::NotFound);
}
