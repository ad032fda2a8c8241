//! What a stranger can put into a payload changes nothing: metadata is not read, and a ticket only points.

use std::collections::BTreeMap;

use pravis::ports::blobs::{PutOptions, whole};
use serde_json::{Value, json};

use super::stories::{Customer, SPEECH, Story, event, ticket_blob};
use crate::functions_host::payload;

/// A payload with its metadata overwritten.
fn with_metadata(payload: &[u8], forged: &Value) -> Vec<u8> {
    let mut payload: Value = serde_json::from_slice(payload).unwrap();
    for (key, value) in forged.as_object().unwrap() {
        payload["Metadata"][key] = value.clone();
    }
    payload.to_string().into_bytes()
}

/// A blob payload that carries `content` as a ticket.
fn ticket_payload(content: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let blob = base64::engine::general_purpose::STANDARD.encode(content);
    json!({ "Data": { "blob": blob }, "Metadata": { "sys": { "MethodName": "VoiceJobsRun" } } })
        .to_string()
        .into_bytes()
}

/// Two customers with a recording each, nothing of which is queued.
async fn two(story: &Story) -> [(Customer, String); 2] {
    let (one, two) = (story.customer().await, story.customer().await);
    let (first, second) = (story.upload(&one, SPEECH).await, story.upload(&two, SPEECH).await);
    [(one, first), (two, second)]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_of_a_blob_names_nobody() {
    let story = Story::begin().await;
    let [(one, first), (two, second)] = two(&story).await;
    let untouched = story.stored(&two, &second).await;
    let other = two.ticket(&second);
    // As a writer of blobs could: in the blob's own metadata, and over what the host says.
    let names: BTreeMap<String, String> =
        [("tenantid", "other"), ("userid", two.id.as_str()), ("sampleid", second.as_str()), ("name", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let options = PutOptions { metadata: names, ..PutOptions::default() };
    let content = one.ticket(&first).to_string();
    story.stores.blobs.put(&ticket_blob(&first), whole(content), options).await.unwrap();
    let forged = json!({
        "name": format!("\"pravis/{second}.json\""), "Uri": format!("\"https://x/voice-jobs/pravis/{second}.json\""),
        "BlobTrigger": format!("\"voice-jobs/pravis/{second}.json\""), "sys": { "MethodName": "OpsSweepBegin" },
        "blob": other.to_string(), "tenantId": "\"other\"", "userId": format!("\"{}\"", two.id),
        "sampleId": format!("\"{second}\"")
    });
    let payload = with_metadata(&story.ticket_payload(&first).await.unwrap(), &forged);
    assert!(story.host.invoke("VoiceJobsRun", payload).await.succeeded());
    assert_eq!(story.stored(&one, &first).await["status"], "completed");
    assert_eq!(story.stored(&two, &second).await, untouched);
    assert!(story.stores.content(&two.upload(&second)).await.is_some());

    // Metadata does not stand in for data that is missing.
    let alone = json!({ "Data": {}, "Metadata": { "blob": other.to_string() } }).to_string();
    assert!(!story.host.invoke("VoiceJobsRun", alone.into_bytes()).await.succeeded());
    assert_eq!(story.stored(&two, &second).await, untouched);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_speaks_only_for_itself() {
    let story = Story::begin().await;
    let function = story.host.function("AnalyticsEventsProject");
    let mut told = event("voice.sample.completed");
    let id = told["id"].as_str().unwrap().to_owned();
    // The host merges these into its metadata, over its own.
    for (key, value) in [
        ("sys", json!({ "MethodName": "OpsSweepBegin" })),
        ("Id", json!("another")),
        ("DequeueCount", json!(99)),
        ("message", json!("{}")),
        ("RetryContext", json!({ "RetryCount": 7 })),
    ] {
        told[key] = value;
    }
    let payload = payload::message(function, &told.to_string());
    let metadata = &serde_json::from_slice::<Value>(&payload).unwrap()["Metadata"];
    assert_eq!(metadata["sys"]["MethodName"], "OpsSweepBegin");
    assert_eq!(metadata["DequeueCount"], "99");
    for _ in 0..2 {
        assert!(story.host.invoke(&function.name, payload.clone()).await.succeeded());
    }
    assert_eq!(story.facts().await, [[id, "voice.sample.completed".to_owned(), "search".to_owned()]]);

    let elsewhere = json!({ "Data": {}, "Metadata": { "message": told.to_string() } }).to_string();
    assert!(!story.host.invoke(&function.name, elsewhere.into_bytes()).await.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_gives_nobody_what_is_anothers() {
    let story = Story::begin().await;
    let [(one, first), (two, second)] = two(&story).await;
    let before = [story.stored(&one, &first).await, story.stored(&two, &second).await];
    let nobody = format!("usr_{}", ulid::Ulid::generate());
    let nothing = format!("smp_{}", ulid::Ulid::generate());
    for ticket in [
        // Crossed: the sample of one under the name of the other, or in another boutique.
        json!({ "tenantId": "pravis", "userId": one.id, "sampleId": second }),
        json!({ "tenantId": "other", "userId": two.id, "sampleId": second }),
        json!({ "tenantId": "pravis", "userId": nobody, "sampleId": second }),
        json!({ "tenantId": "pravis", "userId": one.id, "sampleId": nothing }),
        // No identifiers.
        json!({ "tenantId": "../other", "userId": one.id, "sampleId": first }),
        json!({ "tenantId": "pravis", "userId": format!("{}/../{}", one.id, two.id), "sampleId": second }),
        json!({ "tenantId": "pravis", "userId": one.id, "sampleId": "../../secrets" }),
        json!({ "tenantId": "pravis", "userId": one.id, "sampleId": first.to_lowercase() + "/" }),
        json!({ "tenantId": "pravis", "userId": one.id, "sampleId": [first] }),
        json!({ "tenantId": "pravis", "userId": one.id, "sampleId": first, "role": "admin" }),
        json!({ "userId": one.id, "sampleId": first }),
        json!([one.ticket(&first)]),
        json!("x".repeat(1_000_000)),
        json!({ "tenantId": "x".repeat(1_000_000), "userId": one.id, "sampleId": first }),
    ] {
        let invocation = story.host.invoke("VoiceJobsRun", ticket_payload(ticket.to_string().as_bytes())).await;
        // Nothing can be done for it, so it must not come again.
        assert!(invocation.succeeded(), "{invocation:?}");
    }
    assert_eq!([story.stored(&one, &first).await, story.stored(&two, &second).await], before);
    assert_eq!(story.blobs().await.len(), 2);
    assert_eq!(story.recogniser.calls(), 0);
    for (customer, id) in [(&one, &first), (&two, &second)] {
        let own = ticket_payload(customer.ticket(id).to_string().as_bytes());
        assert!(story.host.invoke("VoiceJobsRun", own).await.succeeded());
        assert_eq!(story.stored(customer, id).await["status"], "completed");
    }
}
