//! Recordings that come to their end, with and without consent.

use http::Method;
use pravis::error::Code;
use serde_json::{Value, json};

use super::{SAMPLES, announce, blobs, consent, hum, nothing_left, record};
use crate::support::app::TestApp;

/// What every completed sample shows.
fn is_whole(sample: &Value) {
    assert_eq!(sample["status"], "completed", "{sample}");
    assert_eq!(sample["reason"], Value::Null);
    let measured = &sample["measurements"];
    assert!((2_900..=3_100).contains(&measured["durationMs"].as_u64().unwrap()), "{measured}");
    assert_eq!((measured["sampleRateHz"].as_u64(), measured["channels"].as_u64()), (Some(16_000), Some(1)));
    assert!((-60.0..0.0).contains(&measured["loudnessLufs"].as_f64().unwrap()), "{measured}");
    assert!(measured["truePeakDbtp"].as_f64().unwrap() < 0.5, "{measured}");
    for ratio in ["clippedRatio", "speechRatio"] {
        assert!((0.0..=1.0).contains(&measured[ratio].as_f64().unwrap()), "{ratio}: {measured}");
    }
    assert!(sample["quality"].is_string());
    let peaks = &sample["waveform"];
    assert_eq!(peaks["data"].as_array().unwrap().len(), 2 * peaks["length"].as_u64().unwrap() as usize);
    assert!(peaks["data"].as_array().unwrap().iter().any(|peak| peak.as_i64().unwrap().abs() > 10), "it can be seen");
    let recognition = &sample["recognition"];
    assert!(!recognition["engine"].as_str().unwrap().is_empty());
    assert!(
        recognition["transcript"].is_string() || recognition["problem"].is_string() || sample["listenUrl"].is_null()
    );
}

#[tokio::test]
async fn a_recording_is_announced_uploaded_completed_and_worked() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    assert_eq!(announced.told["status"], "awaiting-upload");
    assert_eq!(announced.told["maxBytes"], 10 * 1024 * 1024);
    assert_eq!(announced.told["expiresAt"], "2026-01-15T06:45:00Z");
    assert_eq!(announced.told["uploadHeaders"]["x-ms-blob-type"], "BlockBlob");
    assert_eq!(announced.told["uploadHeaders"]["content-type"], "audio/wav");
    let waiting = person.get(&announced.path()).await.expect(200).json();
    assert_eq!(waiting["status"], "awaiting-upload");
    announced.put(&app, hum(3.0)).await.expect(201);
    let queued = announced.complete(&person).await.expect(202);
    assert_eq!(queued.header("operation-location"), announced.path());
    assert!(!queued.header("retry-after").is_empty());
    let sample = announced.end(&person).await;
    is_whole(&sample);
    assert_eq!((sample["createdAt"].is_string(), sample["finishedAt"].is_string()), (true, true));
    let picture = person.get(&format!("{}/waveform", announced.path())).await.expect(200);
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    assert!(picture.header("cache-control").starts_with("private"));
    let drawing = roxmltree::Document::parse(picture.text()).unwrap();
    assert_eq!(drawing.root_element().tag_name().name(), "svg");
    let listed = person.get(SAMPLES).await.expect(200).json();
    assert_eq!(
        (listed["items"][0]["id"].as_str(), listed["items"][0]["waveform"].is_null()),
        (Some(announced.id.as_str()), true)
    );
    // What ended does not begin again.
    let again = announced.complete(&person).await.expect(202).json();
    assert_eq!(
        (again["status"].as_str(), again["finishedAt"].clone()),
        (Some("completed"), sample["finishedAt"].clone())
    );
}

#[tokio::test]
async fn without_consent_the_recording_and_the_words_are_gone() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let (announced, sample) = record(&app, &person, "audio/wav", hum(3.0)).await;
    is_whole(&sample);
    assert_eq!(sample["listenUrl"], Value::Null);
    assert_eq!(sample["recognition"]["transcript"], Value::Null);
    assert_eq!(sample["recognition"]["segments"], json!([]));
    nothing_left(&app, &announced.id).await;
}

#[tokio::test]
async fn with_consent_it_can_be_listened_to() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    consent(&person, true).await;
    let (announced, sample) = record(&app, &person, "audio/wav", hum(3.0)).await;
    is_whole(&sample);
    let url = sample["listenUrl"].as_str().unwrap();
    let sound = app.client().get(url).await.expect(200);
    assert!(sound.header("content-type").starts_with("audio/ogg"), "{}", sound.header("content-type"));
    assert!(sound.body.starts_with(b"OggS") && sound.body.len() > 2_000);
    assert_eq!(sound.header("content-security-policy"), "sandbox");
    let part = app.client().get(url).header("range", "bytes=0-3").await.expect(206);
    assert_eq!(
        (&part.body[..], part.header("content-range")),
        (&b"OggS"[..], format!("bytes 0-3/{}", sound.body.len()).as_str())
    );
    app.client().call(Method::HEAD, url).await.expect(200);
    app.client()
        .put(url)
        .header("x-ms-blob-type", "BlockBlob")
        .raw_body(hum(1.0))
        .await
        .problem(403, Code::NotPermitted);
    app.clock.advance(chrono::Duration::minutes(6));
    app.client().get(url).await.problem(403, Code::NotPermitted);
    // A fresh link comes with the sample, and ends with it.
    let url = person.get(&announced.path()).await.json()["listenUrl"].as_str().unwrap().to_owned();
    app.client().get(&url).await.expect(200);
    person.delete(&announced.path()).await.expect(200);
    app.client().get(&url).await.problem(404, Code::NotFound);
    nothing_left(&app, &announced.id).await;
}

#[tokio::test]
async fn lists_are_filtered_by_state_and_paged() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let (done, _) = record(&app, &person, "audio/wav", hum(1.0)).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        app.clock.advance(chrono::Duration::seconds(1));
        waiting.push(announce(&person, "audio/webm").await.id);
    }
    waiting.reverse();
    let ids = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let completed = person.get(&format!("{SAMPLES}?status=completed")).await.expect(200).json();
    assert_eq!(ids(&completed), std::slice::from_ref(&done.id));
    let first = person.get(&format!("{SAMPLES}?status=awaiting-upload&limit=3")).await.expect(200).json();
    let next = first["next"].as_str().unwrap();
    let second =
        person.get(&format!("{SAMPLES}?status=awaiting-upload&limit=3&cursor={next}")).await.expect(200).json();
    assert_eq!([ids(&first), ids(&second)].concat(), waiting);
    assert_eq!(second["next"], Value::Null);
    assert_eq!(person.get(&format!("{SAMPLES}?status=done")).await.refused_fields(), ["status"]);
}

#[tokio::test]
async fn deleted_in_the_middle_nothing_remains() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    consent(&person, true).await;
    for wait_ms in [0, 5, 20, 60] {
        let announced = announce(&person, "audio/wav").await;
        announced.put(&app, hum(2.0)).await.expect(201);
        announced.complete(&person).await.expect(202);
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        person.delete(&announced.path()).await.expect(200);
        person.get(&announced.path()).await.problem(404, Code::NotFound);
        announced.complete(&person).await.problem(404, Code::NotFound);
        person.delete(&announced.path()).await.problem(404, Code::NotFound);
        nothing_left(&app, &announced.id).await;
        // Nor does it come back.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(blobs(&app, &announced.id).await, [""; 0], "deleted after {wait_ms} ms");
    }
}

#[tokio::test]
async fn a_short_recording_is_answered_at_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let transcribe = "/api/v1/voice/transcribe";
    let form = |save: &str| {
        let part =
            reqwest::multipart::Part::bytes(hum(3.0)).file_name("recording.webm").mime_str("audio/webm").unwrap();
        reqwest::multipart::Form::new().part("audio_file", part).text("save_audio", save.to_owned())
    };
    let plain = app.client().post(transcribe).body("audio/wav", hum(3.0)).await.expect(200).json();
    let as_form =
        app.client().post(transcribe).header("cookie", "a=b").multipart(form("true")).await.expect(200).json();
    for answer in [&plain, &as_form] {
        assert!(answer["text"].is_string() && answer["segments"].is_array() && answer["quality"].is_string());
        assert_eq!(answer["measurements"]["sampleRateHz"], 16_000);
        assert!(!answer["text"].as_str().unwrap().is_empty() || answer["problem"].is_string());
    }
    assert_eq!(as_form["sampleId"], Value::Null, "a stranger's recording is not kept");
    let not_agreed = person.post(transcribe).multipart(form("true")).await.expect(200).json();
    assert_eq!(not_agreed["sampleId"], Value::Null);
    consent(&person, true).await;
    let not_asked = person.post(transcribe).multipart(form("false")).await.expect(200).json();
    assert_eq!(not_asked["sampleId"], Value::Null);
    for call in [
        person.post(transcribe).multipart(form("true")),
        person.post(&format!("{transcribe}?save_audio=true")).body("audio/wav", hum(3.0)),
    ] {
        let kept = call.await.expect(200).json();
        let sample = person.get(&format!("{SAMPLES}/{}", kept["sampleId"].as_str().unwrap())).await.expect(200).json();
        is_whole(&sample);
        app.client().get(sample["listenUrl"].as_str().unwrap()).await.expect(200);
    }
    for (kind, body) in
        [("audio/wav", vec![]), ("audio/wav", b"noise".to_vec()), ("audio/webm", super::wav(&[0; 16_000], 16_000))]
    {
        app.client().post(transcribe).body(kind, body.clone()).await.problem(422, Code::RecordingRejected);
        let kept = person.post(&format!("{transcribe}?save_audio=true")).body(kind, body).await;
        kept.problem(422, Code::RecordingRejected);
    }
    let empty = reqwest::multipart::Form::new().text("other", "x");
    assert_eq!(app.client().post(transcribe).multipart(empty).await.refused_fields(), ["audio_file"]);
}
