//! Voice samples from announcement to end, with recordings made here.

mod metered;
mod refused;
mod repaired;
mod uploads;
mod worked;

use pravis::containers::{VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, eventually};
use crate::support::client::{Call, Client};

const SAMPLES: &str = "/api/v1/voice/samples";

/// A 16-bit mono WAV file.
fn wav(samples: &[i16], hertz: u32) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut file = Vec::new();
    for part in [&b"RIFF"[..], &(36 + bytes).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes(), &[1, 0, 1, 0]] {
        file.extend_from_slice(part);
    }
    for part in [&hertz.to_le_bytes()[..], &(hertz * 2).to_le_bytes(), &[2, 0, 16, 0], b"data", &bytes.to_le_bytes()] {
        file.extend_from_slice(part);
    }
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// Something that can be heard: a hum with syllables.
pub fn hum(seconds: f32) -> Vec<u8> {
    let hertz = 16_000;
    let samples: Vec<i16> = (0..(seconds * hertz as f32) as usize)
        .map(|number| {
            let time = number as f32 / hertz as f32;
            let voice: f32 =
                [140.0, 280.0, 420.0, 980.0].iter().map(|tone| (time * tone * std::f32::consts::TAU).sin()).sum();
            let syllable = (time * 3.0 * std::f32::consts::TAU).sin().max(0.0);
            (voice * syllable * 4_000.0) as i16
        })
        .collect();
    wav(&samples, hertz)
}

/// A sample that waits for its recording.
struct Announced {
    id: String,
    url: String,
    headers: Vec<(String, String)>,
    told: Value,
}

async fn announce(person: &Client, content_type: &str) -> Announced {
    let answer = person.post(SAMPLES).json(&json!({ "contentType": content_type })).await.expect(201);
    let told = answer.json();
    let headers = told["uploadHeaders"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    let id = told["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("{SAMPLES}/{id}"));
    Announced { id, url: told["uploadUrl"].as_str().unwrap().to_owned(), headers, told }
}

impl Announced {
    /// The upload as the answer says, by a client that has no account.
    fn put(&self, app: &TestApp, recording: impl Into<reqwest::Body>) -> Call {
        let call = app.client().put(&self.url).raw_body(recording);
        self.headers.iter().fold(call, |call, (name, value)| call.header(name, value))
    }

    fn path(&self) -> String {
        format!("{SAMPLES}/{}", self.id)
    }

    async fn complete(&self, person: &Client) -> crate::support::client::Answer {
        person.post(&format!("{}/complete", self.path())).await
    }

    /// Follows the sample to its end.
    async fn end(&self, person: &Client) -> Value {
        let ask = || async {
            let answer = person.get(&self.path()).await.expect(200);
            let sample = answer.json();
            let is_final = ["completed", "rejected", "failed"].contains(&sample["status"].as_str().unwrap());
            assert_eq!(answer.headers.contains_key("retry-after"), !is_final, "only what goes on is asked again");
            is_final.then_some(sample)
        };
        eventually("the end of the sample", ask).await
    }
}

/// Announces, uploads and completes a recording, and follows it to its end.
async fn record(app: &TestApp, person: &Person, content_type: &str, recording: Vec<u8>) -> (Announced, Value) {
    let announced = announce(person, content_type).await;
    announced.put(app, recording).await.expect(201);
    announced.complete(person).await.expect(202);
    let sample = announced.end(person).await;
    (announced, sample)
}

/// The blobs that belong to a sample.
async fn blobs(app: &TestApp, sample: &str) -> Vec<String> {
    let mut found = Vec::new();
    for container in [VOICE_UPLOADS, VOICE_JOBS, VOICE_RESULTS] {
        let page = app.stores.blobs.list(container, "", 500, None).await.unwrap();
        found.extend(
            page.items
                .into_iter()
                .map(|item| format!("{container}/{}", item.path))
                .filter(|path| path.contains(sample)),
        );
    }
    found
}

/// Waits until nothing of a sample is in storage.
async fn nothing_left(app: &TestApp, sample: &str) {
    eventually("storage without the sample", || async { blobs(app, sample).await.is_empty().then_some(()) }).await;
}

async fn consent(person: &Person, granted: bool) {
    let asked = json!({ "purpose": "voiceStorage", "granted": granted, "version": "1.0" });
    person.post("/api/v1/users/me/consents").json(&asked).await.expect(201);
}
