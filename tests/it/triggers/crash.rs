//! SIGKILL without warning, then the same deliveries again: the end is the same.

use serde_json::{Value, json};

use super::stories::{Customer, SPEECH, Story};
use crate::support::process::eventually;

/// Times the handler is killed while it works.
const KILLS: usize = 3;

/// What of a sample must be the same whatever happened on the way.
fn essence(sample: &Value) -> Value {
    let fields = ["status", "reason", "measurements", "quality", "waveform", "recognition", "kept"];
    let mut essence: Value = fields.iter().map(|&field| (field.to_owned(), sample[field].clone())).collect();
    for field in ["text", "intent", "slots", "total"] {
        essence[field] = sample["result"][field].clone();
    }
    essence
}

/// Asserts that a sample was ended once, whatever happened on the way.
async fn ended_once(story: &Story, customer: &Customer, id: &str, undisturbed: &Value) {
    let sample = story.stored(customer, id).await;
    assert_eq!(essence(&sample), essence(undisturbed));
    let interactions = story.documents(customer, "interaction").await;
    let of_sample: Vec<&Value> = interactions.iter().filter(|one| one["sampleId"] == id).collect();
    assert_eq!(of_sample.len(), 1, "{interactions:#?}");
    assert_eq!(sample["result"]["interactionId"], of_sample[0]["id"]);
    let events = story.documents(customer, "outbox").await;
    let ends: Vec<_> = events.iter().filter(|event| event["event"]["subject"] == id).collect();
    assert_eq!(ends.len(), 1, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_killed_again_and_again_ends_as_if_it_was_not() {
    let story = Story::begin().await;
    let customer = story.customer().await;
    let calm = story.submit(&customer, SPEECH).await;
    let ticket = story.ticket_payload(&calm).await.unwrap();
    assert!(story.host.invoke("VoiceJobsRun", ticket).await.succeeded());
    let undisturbed = story.stored(&customer, &calm).await;
    assert_eq!(undisturbed["status"], "completed", "{undisturbed:#}");

    let id = story.submit(&customer, SPEECH).await;
    let ticket = story.ticket_payload(&id).await.unwrap();
    story.recogniser.hold();
    for kill in 1..=KILLS {
        // In the middle of recognition: the sample is taken, and waits for its words.
        let asked = story.recogniser.calls();
        let killing = async {
            eventually("recognition under way", async || (story.recogniser.calls() > asked).then_some(())).await;
            story.host.kill().await;
        };
        let (invocation, ()) = tokio::join!(story.host.invoke("VoiceJobsRun", ticket.clone()), killing);
        assert_eq!(invocation.status, None);
        let sample = story.stored(&customer, &id).await;
        assert_eq!((&sample["status"], &sample["attempts"]), (&json!("processing"), &json!(kill)));
        assert!(story.documents(&customer, "interaction").await.iter().all(|one| one["sampleId"] != id));
        story.host.restart().await;
    }
    story.recogniser.release();
    for _ in 0..2 {
        assert!(story.host.invoke("VoiceJobsRun", ticket.clone()).await.succeeded());
    }
    ended_once(&story, &customer, &id, &undisturbed).await;
    assert!(story.blobs().await.is_empty(), "{:?}", story.blobs().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_survive_kills_at_any_moment() {
    let story = Story::begin().await;
    let mut listeners = story.host.listen(&story.stores, &story.progress);
    let customer = story.customer().await;
    let calm = story.submit(&customer, SPEECH).await;
    story.ended(&customer, &calm).await;
    let undisturbed = story.stored(&customer, &calm).await;

    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(story.submit(&customer, SPEECH).await);
    }
    for round in 0..KILLS {
        // The moment differs by round: while the first of them is worked, and as soon as some have ended.
        eventually("work under way", async || {
            let samples = story.documents(&customer, "sample").await;
            let count = |status: &str| samples.iter().filter(|sample| sample["status"] == status).count();
            (count("completed") > round + 1 || (round == 0 && count("processing") > 0)).then_some(())
        })
        .await;
        story.host.kill().await;
        story.host.restart().await;
    }
    for id in &ids {
        let sample = story.ended(&customer, id).await;
        assert_eq!(sample["status"], "completed", "{sample:#}");
        ended_once(&story, &customer, id, &undisturbed).await;
    }
    eventually("storage without blobs", async || story.blobs().await.is_empty().then_some(())).await;
    let facts = eventually("all facts", async || {
        let facts = story.facts().await;
        (facts.len() > ids.len()).then_some(facts)
    })
    .await;
    assert_eq!(facts.len(), ids.len() + 1);
    assert_eq!(story.stores.queue.len("domain-events-poison").await.unwrap(), 0);
    listeners.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_handler_loses_no_answered_request() {
    let story = Story::begin().await;
    let customer = story.consenting_customer().await;
    let id = story.submit(&customer, SPEECH).await;
    story.host.kill().await;
    story.host.restart().await;
    // The token, the consent, the sample and its ticket are all still there.
    assert_eq!(story.sample(&customer, &id).await["status"], "queued");
    let ticket = story.ticket_payload(&id).await.unwrap();
    assert!(story.host.invoke("VoiceJobsRun", ticket).await.succeeded());
    let sample = story.stored(&customer, &id).await;
    assert_eq!((&sample["status"], &sample["kept"]), (&json!("completed"), &json!(true)));
}
