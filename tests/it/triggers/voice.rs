//! A voice sample from its announcement to the report, under the host.

use http::Method;
use serde_json::json;

use super::stories::{SPEECH, Story};
use crate::functions_host::{FunctionsHost, HttpMode};
use crate::support::process::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_becomes_an_answer_and_a_fact() {
    for mode in HttpMode::BOTH {
        let story = Story::with(FunctionsHost::setup().mode(mode)).await;
        let mut listeners = story.host.listen(&story.stores, &story.progress);
        let customer = story.consenting_customer().await;

        let id = story.submit(&customer, SPEECH).await;
        let sample = story.ended(&customer, &id).await;

        assert_eq!(sample["status"], "completed", "{sample:#}");
        assert_eq!(sample["recognition"]["transcript"], "show me red silk sarees");
        assert_eq!(sample["result"]["intent"], "search");
        assert_eq!(sample["result"]["slots"]["fabric"], json!(["silk"]));
        let millis = sample["measurements"]["durationMs"].as_u64().unwrap();
        assert!((2300..2500).contains(&millis), "{millis} ms");

        // Relayed by the change feed to the queue, and from there to the reporting database.
        let facts = eventually("the fact of the sample", async || {
            let facts = story.facts().await;
            (!facts.is_empty()).then_some(facts)
        })
        .await;
        let event = id.replace("smp_", "evt_");
        assert_eq!(facts, [[event, "voice.sample.completed".to_owned(), "search".to_owned()]]);

        // Kept as agreed: the recording and its rendition. The ticket goes last, after the end is told.
        let own = format!("pravis/{}/{id}", customer.id);
        let kept = [format!("voice-results/{own}.opus"), format!("voice-uploads/{own}")];
        eventually("only what is kept", async || {
            let mut blobs = story.blobs().await;
            blobs.sort();
            (blobs == kept).then_some(())
        })
        .await;
        let failed = || story.host.invocations().into_iter().filter(|invocation| !invocation.succeeded());
        assert_eq!(failed().count(), 0, "{:#?} {:#?}", failed().collect::<Vec<_>>(), story.host.output().await);
        listeners.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_consent_nothing_of_a_recording_is_left() {
    let story = Story::begin().await;
    let _listeners = story.host.listen(&story.stores, &story.progress);
    let customer = story.customer().await;
    let id = story.submit(&customer, SPEECH).await;
    let sample = story.ended(&customer, &id).await;
    assert_eq!(sample["status"], "completed", "{sample:#}");
    assert_eq!(sample["recognition"]["transcript"], json!(null));
    eventually("storage without blobs", async || story.blobs().await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_recording_is_rejected_and_removed() {
    let story = Story::begin().await;
    let _listeners = story.host.listen(&story.stores, &story.progress);
    let customer = story.consenting_customer().await;
    let id = story.submit(&customer, b"<html>not a recording at all</html>").await;
    let sample = story.ended(&customer, &id).await;
    assert_eq!(sample["status"], "rejected");
    assert!(sample["reason"]["code"].is_string(), "{sample:#}");
    eventually("storage without blobs", async || story.blobs().await.is_empty().then_some(())).await;
    let facts = eventually("the fact of the rejection", async || story.facts().await.first().cloned()).await;
    assert_eq!(facts[1], "voice.sample.rejected");
    assert_eq!(story.recogniser.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_alone_works_with_the_others_in_other_processes() {
    // Apps of one product agree on who issues tokens; by default each does so under its own address.
    let setup = || FunctionsHost::setup().setting("PRAVIS_TOKEN_ISSUER", "https://shop.example");
    let rest = Story::with(setup().services("accounts,shop,analytics,ops")).await;
    let setup = setup().services("voice").data(rest.host.shared_data());
    let voice = Story::with(setup).await;
    let _rest = rest.host.listen(&rest.stores, &rest.progress);
    let _voice = voice.host.listen(&voice.stores, &voice.progress);

    // An account of one app is known to the other: both have the same keys.
    let customer = rest.consenting_customer().await;
    let id = voice.submit(&customer, SPEECH).await;
    let sample = voice.ended(&customer, &id).await;
    assert_eq!(sample["status"], "completed", "{sample:#}");
    eventually("the fact of the sample", async || rest.facts().await.first().cloned()).await;

    // Neither serves what is the other's.
    let answer = voice.call(None, Method::GET, "/api/v1/products", json!({})).await;
    assert_eq!(answer.problem()["code"], "not_found");
    let answer = rest.call(Some(&customer.token), Method::GET, "/api/v1/voice/samples", json!({})).await;
    assert_eq!(answer.problem()["code"], "not_found");
}
