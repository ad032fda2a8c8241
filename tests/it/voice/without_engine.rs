//! Engines that are missing, crash, hang or talk nonsense: the recording is measured, the shopper is told,
//! and the server goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::Server;
use super::shopper::{Shopper, ok};
use crate::support::recordings::{Format, Voice, spoken};

const COMMAND: &str = "show me red sarees";
/// How long a sample may take whose recogniser fails in the worst way, three times.
const FAILURE_LIMIT: Duration = Duration::from_secs(90);
/// How long anything else may take meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn without_engines_recordings_are_measured_and_text_is_answered() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    let server = Server::with([("PATH", empty.path().to_str().expect("a path in UTF-8"))]);
    let shopper = Shopper::consenting(&server, "nila").await;

    let recording = spoken(COMMAND, Voice::Flite("rms"), Format::WebmOpus);
    let sample = shopper.send(json!({ "contentType": "audio/webm" }), &recording).await;
    assert_eq!(sample["status"], "completed", "{sample}");
    assert!(sample["measurements"]["loudnessLufs"].is_number(), "{sample}");
    assert!(sample["waveform"].is_object() && sample["listenUrl"].is_string(), "{sample}");
    assert_eq!(sample["result"], Value::Null, "{sample}");
    assert_says_what_to_install(&sample["recognition"]["engine"], &sample["recognition"]["problem"], "pocketsphinx");

    let voices = shopper.get("v1/voice/voices").await;
    assert_eq!(voices["voices"], json!([]), "{voices}");
    for (role, engine) in [("recogniser", "pocketsphinx"), ("synthesiser", "espeak-ng")] {
        assert_eq!(voices[role]["available"], false, "{voices}");
        assert_says_what_to_install(&voices[role]["engine"], &voices[role]["advice"], engine);
    }
    let speak = json!({ "text": "Namaste" });
    let refused = shopper.call(Method::POST, "v1/voice/text-to-speech", |request| request.json(&speak)).await;
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let problem = ok(refused, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(problem["detail"].as_str().expect("detail").contains("voice/voices"), "{problem}");
    assert_text_is_answered(&shopper).await;
}

fn assert_says_what_to_install(engine: &Value, advice: &Value, name: &str) {
    assert_eq!(engine, name);
    let advice = advice.as_str().expect("advice");
    assert!(advice.contains("install") && advice.contains("tests/install.sh"), "{advice}");
}

async fn assert_text_is_answered(shopper: &Shopper) {
    let begun = Instant::now();
    let command = json!({ "text": COMMAND });
    let answer = shopper.call(Method::POST, "v1/voice/command", |request| request.json(&command)).await;
    let answer = ok(answer, StatusCode::OK).await;
    assert_eq!(answer["action"]["path"], "/shop?category=sarees&color=red", "{answer}");
    assert!(begun.elapsed() < ANSWER_LIMIT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_recogniser_that_fails_in_any_way_is_given_up_and_told() {
    tokio::join!(
        assert_given_up("crash", "kill -SEGV $$"),
        assert_given_up("fail", "echo 'no model' >&2; exit 3"),
        assert_given_up("garbage", "head -c 5000 /dev/urandom"),
        assert_given_up("flood", "exec yes"),
        assert_given_up("silence", "exit 0"),
        assert_given_up("hang", "exec sleep 600"),
    );
}

/// A recogniser that runs a shell script: tried a few times, then told, while text is answered.
async fn assert_given_up(name: &str, script: &str) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let (program, calls) = (place.path().join(name), place.path().join("calls"));
    let script = format!("#!/bin/sh\necho called >>{}\n{script}\n", calls.display());
    fs::write(&program, script).expect("the script is written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let command = format!("{} {{wav}}", program.display());
    let server = Server::with([("PRAVIS_RECOGNISER", &command)]);
    let shopper = Shopper::consenting(&server, name).await;

    let announced = shopper.announce(&json!({ "contentType": "audio/webm" })).await;
    let recording = spoken(COMMAND, Voice::Flite("rms"), Format::WebmOpus);
    assert_eq!(shopper.upload(&announced, &recording).await.status(), StatusCode::CREATED);
    let id = announced["id"].as_str().expect("id");
    assert_eq!(shopper.complete(id).await.status(), StatusCode::ACCEPTED);
    called(&calls, 1).await;
    assert_text_is_answered(&shopper).await;

    let sample = shopper.ended(id, FAILURE_LIMIT).await;
    assert_eq!(sample["status"], "completed", "{name}: {sample}");
    assert_eq!(sample["recognition"]["engine"], name, "{sample}");
    let problem = sample["recognition"]["problem"].as_str().expect("a problem");
    assert!(problem.contains("recogniser failed") && problem.contains("type"), "{name}: {problem}");
    assert!(sample["measurements"]["durationMs"].is_number(), "{name}: {sample}");
    assert_eq!(sample["result"], Value::Null, "{name}: {sample}");
    assert_eq!(fs::read_to_string(&calls).expect("it was called").lines().count(), 3, "{name}");
    assert_text_is_answered(&shopper).await;
}

/// Waits until a program has been called so many times.
async fn called(calls: &Path, times: usize) {
    let deadline = Instant::now() + FAILURE_LIMIT;
    while fs::read_to_string(calls).map_or(0, |text| text.lines().count()) < times {
        assert!(Instant::now() < deadline, "the recogniser is not called");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
