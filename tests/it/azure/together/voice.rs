//! The voice flow under the Functions host on real parts.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Services;
use crate::functions_host::FunctionsHost;
use crate::support::process::eventually;
use crate::triggers::stories::{SPEECH, Story};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_goes_from_the_browser_to_the_report() {
    let services = Services::prepared().await;
    let mut setup = FunctionsHost::setup();
    for (name, value) in services.variables() {
        setup = setup.setting(&name, value);
    }
    let story = Story::over(setup, services.stores()).await;
    let mut listeners = story.host.listen(&story.stores, &story.progress);
    eventually("a ready program", async || {
        let ready = story.call(None, Method::GET, "/api/v1/health/ready", json!({})).await;
        (ready.status == StatusCode::OK).then_some(())
    })
    .await;
    let customer = story.consenting_customer().await;

    // As a browser does it: announce, put to the signed address, complete.
    let asked = json!({ "contentType": "audio/webm", "language": "en-IN" });
    let announced: Value = story.call(Some(&customer.token), Method::POST, "/api/v1/voice/samples", asked).await.json();
    let url = announced["uploadUrl"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{}", services.to_blobs.address())), "{url}");
    let mut upload = reqwest::Client::new().put(url).body(SPEECH);
    for (name, value) in announced["uploadHeaders"].as_object().unwrap() {
        upload = upload.header(name, value.as_str().unwrap());
    }
    let uploaded = upload.send().await.unwrap();
    assert_eq!(uploaded.status(), 201, "{}", uploaded.text().await.unwrap());
    let id = announced["id"].as_str().unwrap();
    let path = format!("/api/v1/voice/samples/{id}/complete");
    let completed = story.call(Some(&customer.token), Method::POST, &path, json!({})).await;
    assert_eq!(completed.status, StatusCode::ACCEPTED, "{completed:?}");

    let sample = story.ended(&customer, id).await;
    assert_eq!(sample["status"], "completed", "{sample:#} {:#?}", story.host.output().await);
    assert_eq!(sample["recognition"]["transcript"], "show me red silk sarees");
    assert_eq!(sample["result"]["slots"]["fabric"], json!(["silk"]));

    // Change feed, storage queue, bulk load: the fact is in the reporting database once.
    let facts = eventually("the fact of the sample", async || {
        let facts = story.facts().await;
        (!facts.is_empty()).then_some(facts)
    })
    .await;
    assert_eq!(facts, [[id.replace("smp_", "evt_"), "voice.sample.completed".to_owned(), "search".to_owned()]]);

    let own = format!("pravis/{}/{id}", customer.id);
    let kept = [format!("voice-results/{own}.opus"), format!("voice-uploads/{own}")];
    eventually("only what is kept", async || {
        let mut blobs = story.blobs().await;
        blobs.sort();
        (blobs == kept).then_some(())
    })
    .await;

    // The rendition comes from storage by a signed address.
    let shown = story.sample(&customer, id).await;
    let listened = reqwest::get(shown["listenUrl"].as_str().unwrap_or_else(|| panic!("{shown:#}"))).await.unwrap();
    assert_eq!(listened.status(), 200);
    listeners.check();
}
