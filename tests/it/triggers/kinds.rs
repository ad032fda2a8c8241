//! Every kind of trigger: run, run twice, run out of order, fed with what is no payload of it, and given
//! up or kept as the platform does.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Method, StatusCode};
use pravis::containers::VOICE_JOBS;
use pravis::ports::blobs::{BlobName, PutOptions, whole};
use serde_json::{Value, json};

use super::stories::{SPEECH, Story, event, ticket_blob};
use crate::functions_host::script_root::TriggerFile;
use crate::functions_host::storage::POISON_BLOBS;
use crate::functions_host::{FunctionsHost, payload};
use crate::support::process::{eventually, request, send, sized};

/// The functions that are fired by anything but HTTP.
fn fired(host: &FunctionsHost) -> Vec<String> {
    let functions = host.root().functions.iter();
    let fired = functions.filter(|function| !matches!(function.trigger, TriggerFile::Http { .. }));
    fired.map(|function| function.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_is_none_fails_and_nothing_breaks() {
    let host = FunctionsHost::setup().start().await;
    let names = fired(&host);
    assert!(names.len() >= 5, "{names:?}");
    let nested = |depth: usize| "[".repeat(depth).into_bytes();
    let in_data = |value: Value| {
        let names = ["blob", "tick", "message", "documents", "event"];
        let data: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), value.clone())).into_iter().collect();
        json!({ "Data": data, "Metadata": {} }).to_string().into_bytes()
    };
    let payloads: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"{\"Data\":{\"blob\":".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"{\"Data\":null,\"Metadata\":null}".to_vec(),
        b"{\"data\":{\"blob\":\"e30=\",\"tick\":{},\"message\":\"\\\"x\\\"\",\"documents\":\"[]\"}}".to_vec(),
        nested(200_000),
        in_data(Value::Null),
        in_data(json!(5)),
        in_data(json!([[1]])),
        in_data(json!("!")),
        in_data(json!("\"\\\"!\\\"\"")),
        in_data(json!(String::from_utf8(nested(100_000)).unwrap())),
        format!("{{\"Metadata\":{{}},\"Data\":{}", String::from_utf8(nested(100_000)).unwrap()).into_bytes(),
    ];
    for name in &names {
        for payload in &payloads {
            let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
            let invocation = host.invoke(name, payload.clone()).await;
            assert!(!invocation.succeeded() && !invocation.hung(), "{name} with {shown}: {invocation:?}");
            let status = invocation.status.expect("an answer");
            assert!(status.is_client_error() || status.is_server_error(), "{name} with {shown}: {status}");
        }
    }
    assert_eq!(host.exited().await, None);
    assert!(!host.output().await.iter().any(|line| line.contains("panicked")));
    assert!(host.tick("VoiceSamplesReconcile").await.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_without_bounds_is_cut_off() {
    let host = FunctionsHost::setup().services("voice").start().await;
    let huge = format!("{{\"Data\":{{\"blob\":\"{}\"}},\"Metadata\":{{}}}}", "A".repeat(80 * 1024 * 1024));
    let invocation = host.invoke("VoiceJobsRun", huge.into_bytes()).await;
    assert!(!invocation.succeeded() && !invocation.hung());
    assert!(host.tick("VoiceSamplesReconcile").await.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_post_to_a_name_that_exists_is_an_invocation() {
    let host = FunctionsHost::setup().start().await;
    let worker = host.worker_address().await;
    for name in fired(&host) {
        for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS, Method::DELETE] {
            let request = request(method.clone(), &format!("/{name}"), &worker.to_string());
            let answer = send(worker, request.body(sized("{}")).unwrap()).await.unwrap();
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {name}");
        }
        let lower = name.to_lowercase();
        for wrong in [format!("{name}x"), lower, format!("{name}/"), format!("/{name}"), format!("api/{name}")] {
            assert_eq!(host.invoke(&wrong, b"{}".to_vec()).await.status, Some(StatusCode::NOT_FOUND), "{wrong}");
        }
    }
    // A function that answers HTTP is not fired by its name.
    assert_eq!(host.invoke("VoiceCommand", b"{}".to_vec()).await.status, Some(StatusCode::NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_delivered_again_changes_nothing() {
    let story = Story::begin().await;
    let customer = story.consenting_customer().await;
    let id = story.submit(&customer, SPEECH).await;
    let ticket = story.ticket_payload(&id).await.unwrap();
    assert!(story.host.invoke("VoiceJobsRun", ticket.clone()).await.succeeded());
    let (sample, blobs) = (story.stored(&customer, &id).await, story.blobs().await);
    assert_eq!(sample["status"], "completed", "{sample:#}");
    for _ in 0..3 {
        assert!(story.host.invoke("VoiceJobsRun", ticket.clone()).await.succeeded());
    }
    assert_eq!(story.stored(&customer, &id).await, sample);
    assert_eq!(story.blobs().await, blobs);
    assert_eq!(story.documents(&customer, "interaction").await.len(), 1);
    assert_eq!(story.recogniser.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_delivered_to_two_at_once_has_one_end() {
    let story = Story::begin().await;
    let customer = story.customer().await;
    let id = story.submit(&customer, SPEECH).await;
    let ticket = story.ticket_payload(&id).await.unwrap();
    let deliver = || async {
        // As the platform does: again until it succeeds, five times at most.
        for _ in 0..5 {
            if story.host.invoke("VoiceJobsRun", ticket.clone()).await.succeeded() {
                return true;
            }
        }
        false
    };
    let (one, two, three) = tokio::join!(deliver(), deliver(), deliver());
    assert!(one || two || three);
    let sample = story.stored(&customer, &id).await;
    assert_eq!(sample["status"], "completed", "{sample:#}");
    assert_eq!(story.documents(&customer, "interaction").await.len(), 1);
    let ends = story.documents(&customer, "outbox").await;
    assert_eq!(ends.iter().filter(|event| event["event"]["type"] == "voice.sample.completed").count(), 1);
    assert!(story.blobs().await.is_empty(), "{:?}", story.blobs().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_run_as_often_as_they_like() {
    let story = Story::begin().await;
    let customer = story.customer().await;
    let id = story.upload(&customer, SPEECH).await;
    for _ in 0..2 {
        for name in ["VoiceSamplesReconcile", "VoiceSamplesRestored", "OpsSweepBegin", "OpsSweepRepair"] {
            assert!(story.host.tick(name).await.succeeded());
        }
    }
    // A sample that still has time is left alone, and so is its recording.
    assert_eq!(story.stored(&customer, &id).await["status"], "awaiting-upload");
    assert_eq!(story.blobs().await.len(), 1);
    let late = payload::timer(story.host.function("VoiceSamplesReconcile"), true);
    assert!(story.host.invoke("VoiceSamplesReconcile", late).await.succeeded());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_may_come_twice_and_in_any_order() {
    let story = Story::begin().await;
    let function = story.host.function("AnalyticsEventsProject");
    let events: Vec<Value> = ["voice.sample.completed", "voice.sample.rejected", "consent.changed"].map(event).into();
    for event in events.iter().chain(events.iter().rev()) {
        let payload = payload::message(function, &event.to_string());
        assert!(story.host.invoke(&function.name, payload).await.succeeded());
    }
    let facts = story.facts().await;
    let outcomes: BTreeSet<&str> = facts.iter().map(|fact| fact[1].as_str()).collect();
    assert_eq!(facts.len(), 2);
    assert_eq!(outcomes, BTreeSet::from(["voice.sample.completed", "voice.sample.rejected"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_may_come_twice_and_in_any_order() {
    let story = Story::begin().await;
    let relay = story.host.function("AnalyticsOutboxRelay");
    let outbox = |kind: &str| {
        let event = event(kind);
        json!({ "id": event["id"], "tenantId": "pravis", "userId": "usr_x", "kind": "outbox", "event": event })
    };
    let [first, second] = ["voice.sample.completed", "voice.sample.rejected"].map(outbox);
    let broken = json!({ "id": "evt_broken", "kind": "outbox", "event": { "type": 5 } });
    let other = json!({ "id": "usr_x", "kind": "user", "email": "x@example.in" });
    for page in [vec![second.clone(), broken.clone()], vec![first.clone(), other], vec![second], vec![]] {
        let payload = payload::documents(relay, &page, Some(0));
        assert!(story.host.invoke(&relay.name, payload).await.succeeded());
    }
    assert_eq!(story.stores.queue.len("domain-events").await.unwrap(), 3);
    let _listeners = story.host.listen(&story.stores, &story.progress);
    eventually("an empty queue", async || (story.stores.queue.len("domain-events").await.unwrap() == 0).then_some(()))
        .await;
    assert_eq!(story.facts().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_too_often_is_set_aside() {
    let story = Story::begin().await;
    let good = event("voice.sample.completed").to_string();
    let bodies = vec!["no event".to_owned(), "null".to_owned(), good, "{}".to_owned()];
    story.stores.queue.send("domain-events", bodies).await.unwrap();
    let _listeners = story.host.listen(&story.stores, &story.progress);
    eventually("three poison messages", async || {
        (story.stores.queue.len("domain-events-poison").await.unwrap() == 3).then_some(())
    })
    .await;
    assert_eq!(story.stores.queue.len("domain-events").await.unwrap(), 0);
    assert_eq!(story.facts().await.len(), 1);
    let failed = story.host.invocations().into_iter().filter(|invocation| !invocation.succeeded()).count();
    assert_eq!(failed, 3 * 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_nobody_works_is_set_aside_and_its_sample_is_not_lost() {
    let story = Story::begin().await;
    let customer = story.customer().await;
    let id = story.submit(&customer, SPEECH).await;
    story.host.kill().await;
    let listeners = story.host.listen(&story.stores, &story.progress);
    let poison = eventually("the poison message", async || {
        story.stores.queue.receive(POISON_BLOBS, 1, Duration::from_secs(60)).await.unwrap().pop()
    })
    .await;
    let poison: Value = serde_json::from_str(&poison.body).unwrap();
    assert_eq!(poison["FunctionId"], "Host.Functions.VoiceJobsRun");
    assert_eq!(poison["BlobName"], ticket_blob(&id).path);
    drop(listeners);
    // The ticket is still there, so whoever replays it brings the sample to its end.
    story.host.restart().await;
    let ticket = story.ticket_payload(&id).await.unwrap();
    assert!(story.host.invoke("VoiceJobsRun", ticket).await.succeeded());
    assert_eq!(story.stored(&customer, &id).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_change_feed_waits_for_a_handler_that_is_down() {
    let story = Story::begin().await;
    let customer = story.customer().await;
    let id = story.submit(&customer, SPEECH).await;
    let ticket = story.ticket_payload(&id).await.unwrap();
    assert!(story.host.invoke("VoiceJobsRun", ticket).await.succeeded());
    story.host.kill().await;
    let _listeners = story.host.listen(&story.stores, &story.progress);
    eventually("failed deliveries of changes", async || {
        let failed = story.host.invocations().into_iter().filter(|invocation| !invocation.succeeded());
        (failed.filter(|invocation| invocation.function == "AnalyticsOutboxRelay").count() > 3).then_some(())
    })
    .await;
    story.host.restart().await;
    eventually("the fact", async || story.facts().await.first().cloned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_no_ticket_is_passed_over() {
    let story = Story::begin().await;
    let mut listeners = story.host.listen(&story.stores, &story.progress);
    let deep = "[".repeat(50_000);
    let contents: [&[u8]; 7] =
        [b"", b"null", b"{}", b"no JSON", b"\0\xff\xff", b"[{\"tenantId\":\"pravis\"}]", deep.as_bytes()];
    for (number, content) in contents.into_iter().enumerate() {
        let name = BlobName::new(VOICE_JOBS, format!("pravis/{number}.json"));
        story.stores.blobs.put(&name, whole(content.to_vec()), PutOptions::default()).await.unwrap();
    }
    eventually("an invocation for each", async || {
        let done = story.host.invocations().into_iter().filter(|invocation| invocation.function == "VoiceJobsRun");
        (done.count() >= contents.len()).then_some(())
    })
    .await;
    // Worked or not, none of them keeps the next good one from its turn.
    let customer = story.customer().await;
    let id = story.submit(&customer, SPEECH).await;
    assert_eq!(story.ended(&customer, &id).await["status"], "completed");
    assert_eq!(story.stores.queue.len(POISON_BLOBS).await.unwrap(), 0);
    listeners.check();
}
