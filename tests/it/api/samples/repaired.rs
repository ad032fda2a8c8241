//! What nobody finished is finished by the timer.

use chrono::Duration;
use pravis::ports::clock::Clock;
use pravis::services::ops::lifecycle::Sweeps;

use super::{announce, blobs, hum, nothing_left};
use crate::support::app::{Person, TestApp, eventually};
use crate::support::client::Client;

const RECONCILE: &str = "VoiceSamplesReconcile";

/// The same caller with a token for the time that it has become.
fn later(app: &TestApp, person: &Person) -> Client {
    let token = app.state.keys.sign(&person.principal, app.state.clock.now()).unwrap().token;
    app.client().with_token(token)
}

#[tokio::test]
async fn what_was_never_uploaded_ends_when_its_time_is_over() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    app.tick(RECONCILE).await;
    assert_eq!(person.get(&announced.path()).await.json()["status"], "awaiting-upload", "there is still time");
    app.clock.advance(Duration::minutes(16));
    app.tick(RECONCILE).await;
    let person = later(&app, &person);
    let sample = announced.end(&person).await;
    assert_eq!(
        (sample["status"].as_str(), sample["reason"]["code"].as_str()),
        (Some("rejected"), Some("not_uploaded"))
    );
    nothing_left(&app, &announced.id).await;
    app.tick(RECONCILE).await;
    assert_eq!(blobs(&app, &announced.id).await, [""; 0], "what ended is left alone");
}

#[tokio::test]
async fn what_was_uploaded_and_never_completed_is_worked() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    announced.put(&app, hum(1.0)).await.expect(201);
    app.clock.advance(Duration::minutes(16));
    app.tick(RECONCILE).await;
    assert_eq!(announced.end(&later(&app, &person)).await["status"], "completed");
}

#[tokio::test]
async fn a_late_upload_cannot_come_after_the_end() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    app.clock.advance(Duration::minutes(16));
    app.tick(RECONCILE).await;
    let person = later(&app, &person);
    announced.end(&person).await;
    announced.put(&app, hum(1.0)).await.expect(403);
    let again = announced.complete(&person).await.expect(202).json();
    assert_eq!(again["status"], "rejected");
}

#[tokio::test]
async fn recordings_of_nobody_are_swept_after_a_day() {
    let app = TestApp::start().await;
    let swept = async || {
        app.tick("OpsSweepBegin").await;
        let sweeps = Sweeps::of(&app.state);
        let id = app.clock.now().format("%Y-%m-%d").to_string();
        eventually("the end of the sweep", || async { sweeps.run(&id).await.unwrap()?.0.finished_at }).await;
    };
    swept().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    person.delete(&announced.path()).await.expect(200);
    // The address outlives the sample for some minutes.
    announced.put(&app, hum(0.5)).await.expect(201);
    app.clock.advance(Duration::hours(20));
    swept().await;
    assert_eq!(blobs(&app, &announced.id).await.len(), 1, "it could belong to a sample that is being written");
    app.clock.advance(Duration::hours(25));
    swept().await;
    assert_eq!(blobs(&app, &announced.id).await, [""; 0]);
}
