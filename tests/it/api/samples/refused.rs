//! Recordings that cannot be used: they are rejected with the reason, and gone.

use pravis::error::Code;
use serde_json::Value;

use super::{hum, nothing_left, record, wav};
use crate::support::app::TestApp;

#[tokio::test]
async fn what_cannot_be_used_is_rejected_with_the_reason() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    super::consent(&person, true).await;
    let noise: Vec<u8> = (0..50_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut cut = hum(2.0);
    cut.truncate(20_000);
    let long: Vec<i16> = (0..8_000 * 121).map(|number: i32| ((number % 80) * 100) as i16).collect();
    for (what, content_type, recording, code) in [
        ("no bytes", "audio/webm", Vec::new(), &["empty"][..]),
        ("noise", "audio/webm", noise, &["unsupported_container"]),
        ("a picture", "audio/wav", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".repeat(40), &["unsupported_container"]),
        ("a page", "audio/mpeg", b"<!doctype html><script>alert(1)</script>".to_vec(), &["unsupported_container"]),
        ("silence", "audio/wav", wav(&[0; 32_000], 16_000), &["silent"]),
        ("a blink", "audio/wav", wav(&[9_000; 800], 16_000), &["too_short"]),
        ("two minutes and one second", "audio/wav", wav(&long, 8_000), &["too_long"]),
        ("half a file", "audio/wav", cut, &["truncated"]),
        ("a header alone", "audio/wav", wav(&[], 16_000), &["too_short", "empty", "silent", "corrupt", "truncated"]),
        ("a rate nobody has", "audio/wav", wav(&[9_000; 8_000], 300), &["bad_parameters"]),
    ] {
        let (announced, sample) = record(&app, &person, content_type, recording).await;
        assert_eq!(sample["status"], "rejected", "{what}: {sample}");
        let reason = &sample["reason"];
        assert!(code.contains(&reason["code"].as_str().unwrap()), "{what}: {reason}");
        assert!(reason["detail"].as_str().unwrap().len() > 10);
        for absent in ["measurements", "waveform", "recognition", "result", "listenUrl"] {
            assert_eq!(sample[absent], Value::Null, "{what}: {absent}");
        }
        person.get(&format!("{}/waveform", announced.path())).await.problem(404, Code::NotFound);
        nothing_left(&app, &announced.id).await;
    }
}

#[tokio::test]
async fn what_it_is_called_makes_no_difference() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    for content_type in ["audio/webm;codecs=opus", "audio/mpeg", "video/mp4"] {
        let (_, sample) = record(&app, &person, content_type, hum(1.0)).await;
        assert_eq!(sample["status"], "completed", "{content_type}: {sample}");
        assert_eq!(sample["contentType"], content_type);
    }
}

#[tokio::test]
async fn only_sound_can_be_announced() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let long = format!("audio/{}", "x".repeat(95));
    for content_type in ["", "text/html", "application/octet-stream", "audio", "audio/wav\r\nx: y", "audio/wäv", &long]
    {
        let asked = serde_json::json!({ "contentType": content_type });
        assert_eq!(
            person.post(super::SAMPLES).json(&asked).await.refused_fields(),
            ["contentType"],
            "{content_type:?}"
        );
    }
}
