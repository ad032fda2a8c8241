//! What is said does something to the cart, when the request asks for it.

use pravis::containers::VOICE_UPLOADS;
use pravis::ports::blobs::{BlobName, PutOptions, whole};
use serde_json::{Value, json};

use super::put_in;
use super::stock::product_with;
use crate::api::samples::hum;
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::steps::{Steps, stepped};

async fn say(caller: &Client, text: &str, product: &pravis::types::ProductId, apply: bool) -> Value {
    let context = json!({ "currentProduct": product, "products": [product] });
    let asked = json!({ "text": text, "context": context, "apply": apply });
    caller.post("/api/v1/voice/command").json(&asked).await.expect(200).json()
}

async fn count(caller: &Client) -> Value {
    caller.get("/api/v1/cart").await.expect(200).json()["itemCount"].clone()
}

#[tokio::test]
async fn the_cart_follows_what_is_said() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    let told = say(&customer, "add two of these to my cart", &product, false).await;
    assert_eq!((&told["applied"], &told["action"]["type"]), (&json!(false), &json!("addToCart")));
    assert_eq!(count(&customer).await, 0, "the client does it");
    for (text, pieces) in [
        ("add two of these to my cart", 2),
        ("make it three", 3),
        ("one more of this", 4),
        ("remove this from my cart", 0),
        ("add this to my cart", 1),
        ("empty my cart", 0),
    ] {
        let done = say(&customer, text, &product, true).await;
        assert_eq!(done["applied"], true, "{text}: {done}");
        assert_eq!(done["cart"]["itemCount"], pieces, "{text}: {done}");
        assert_eq!(count(&customer).await, pieces, "{text}");
    }
    // What is only asked for changes nothing.
    for text in ["what is in my cart", "check out", "show me silk sarees"] {
        assert_eq!(say(&customer, text, &product, true).await["applied"], false, "{text}");
    }
}

#[tokio::test]
async fn the_cart_is_read_out_as_it_is() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    let name = app.client().get(&format!("/api/v1/products/{product}")).await.expect(200).json()["name"].clone();
    put_in(&customer, &product, 3).await.expect(200);
    let read = say(&customer, "what is in my cart", &product, false).await;
    let text = read["text"].as_str().unwrap();
    assert!(text.contains("3 items") && text.contains(name.as_str().unwrap()), "{text}");
    let cart = customer.get("/api/v1/cart").await.expect(200).json();
    assert!(text.contains("rupees"), "{text} {}", cart["total"]);
    customer.delete("/api/v1/cart").await.expect(200);
    assert!(say(&customer, "what is in my cart", &product, false).await["text"].as_str().unwrap().contains("empty"));
    // A stranger's is read by its id; who has none may keep one in the client.
    let guest = put_in(&app.client(), &product, 2).await.expect(200).json()["guestCartId"].clone();
    let asked = json!({ "text": "what is in my cart" });
    let call = || app.client().post("/api/v1/voice/command").json(&asked);
    let known = call().header("x-cart-id", guest.as_str().unwrap()).await.expect(200).json();
    assert!(known["text"].as_str().unwrap().contains("2 items"), "{known}");
    assert_eq!(call().await.expect(200).json()["text"], "Here is your cart.");
}

#[tokio::test]
async fn a_stranger_gets_a_cart_by_speaking() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 9).await;
    let said = say(&app.client(), "add this to my cart", &product, true).await;
    let guest = said["cart"]["guestCartId"].as_str().unwrap();
    let cart = app.client().get("/api/v1/cart").header("x-cart-id", guest).await.expect(200).json();
    assert_eq!(cart["itemCount"], 1);
}

#[tokio::test]
async fn what_goes_beyond_the_bounds_is_said_and_not_done() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 90).await;
    put_in(&customer, &product, 19).await.expect(200);
    let said = say(&customer, "add two of these to my cart", &product, true).await;
    assert_eq!(said["applied"], false);
    assert!(said["text"].as_str().unwrap().contains("20"), "{said}");
    assert_eq!(count(&customer).await, 19);
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    for _ in 0..3 {
        let asked = json!({ "text": "add this to my cart", "context": { "currentProduct": product }, "apply": true });
        let call = customer.post("/api/v1/voice/command").header("idempotency-key", "said once").json(&asked);
        assert_eq!(call.await.expect(200).json()["cart"]["itemCount"], 1);
    }
}

#[tokio::test]
async fn a_products_price_and_name_from_a_client_mean_nothing() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let unknown = pravis::types::ProductId::generate();
    let said = say(&customer, "add this to my cart", &unknown, true).await;
    assert_eq!((&said["applied"], count(&customer).await), (&json!(false), json!(0)));
}

#[tokio::test]
async fn a_recording_fills_the_cart_once_however_often_its_job_dies() {
    let place = tempfile::tempdir().unwrap();
    let said = "add this to my cart";
    let words: Vec<Value> = said.split(' ').map(|word| json!({ "t": word, "b": 0.0, "d": 0.3, "p": 0.99 })).collect();
    let heard = json!({ "t": said, "b": 0.0, "d": 2.0, "p": 0.99, "w": words });
    let script = place.path().join("recogniser.sh");
    std::fs::write(&script, format!("cat > /dev/null\necho '{heard}'\n")).unwrap();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &format!("/bin/sh {}", script.display()))]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    let asked = json!({
        "contentType": "audio/wav", "language": "en-IN", "context": { "currentProduct": product }, "apply": true
    });
    let sample = customer.post("/api/v1/voice/samples").json(&asked).await.expect(201).json();
    let id = sample["id"].as_str().unwrap();
    let upload = BlobName::new(VOICE_UPLOADS, format!("pravis/{}/{id}", customer.id));
    let options = PutOptions { content_type: Some("audio/wav".into()), ..PutOptions::default() };
    app.state.blobs.put(&upload, whole(hum(1.0)), options).await.unwrap();
    let path = format!("/api/v1/voice/samples/{id}");
    customer.post(&format!("{path}/complete")).await.expect(202);
    for calls in [8, 10, 12, 14] {
        let dying = stepped(&app, &Steps::fail_from(calls)).await;
        app.fire("VoiceJobsRun", &dying).await;
    }
    for outcome in app.fire("VoiceJobsRun", &app.state).await {
        outcome.unwrap();
    }
    let ended = customer.get(&path).await.expect(200).json();
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!((&ended["result"]["applied"], &ended["result"]["cart"]["itemCount"]), (&json!(true), &json!(1)));
    assert_eq!(count(&customer).await, 1);
}
