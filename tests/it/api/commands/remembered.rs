//! Conversations of clients that send no context along: what is remembered, for whom, and for how long.

use pravis::types::TenantId;
use serde_json::{Value, json};

use super::say;
use crate::support::app::TestApp;
use crate::support::client::Client;

fn ids(answer: &Value) -> Vec<&str> {
    answer["products"].as_array().unwrap().iter().map(|product| product["id"].as_str().unwrap()).collect()
}

async fn say_under(api: &Client, id: &Value, text: &str) -> Value {
    api.post("/api/v1/voice/command").json(&json!({ "text": text, "conversationId": id })).await.expect(200).json()
}

#[tokio::test]
async fn a_customer_goes_on_without_sending_a_context() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    let shown = say(&person, "red silk sarees").await;
    assert_eq!(shown["conversationId"], Value::Null, "a customer needs none");
    let second = say(&person, "how much is the second one").await;
    assert_eq!(second["action"], json!({ "type": "readProduct", "productId": ids(&shown)[1] }));
    let blue = say(&person, "that in blue").await;
    assert_eq!((&blue["slots"]["fabric"], &blue["slots"]["colors"]), (&json!(["silk"]), &json!(["blue"])));
    let cheaper = say(&person, "cheaper").await;
    assert_eq!((&cheaper["slots"]["sort"], &cheaper["slots"]["colors"]), (&json!("price-low"), &json!(["blue"])));
    say(&person, "gibberish about the weather in nowhere").await;
    let added = say(&person, "add the first one to my cart").await;
    assert_eq!(added["action"], json!({ "type": "addToCart", "productId": ids(&cheaper)[0], "quantity": 1 }));
    // What a client sends along goes before.
    let elsewhere =
        json!({ "text": "cheaper", "context": { "slots": say(&app.client(), "cotton kurtas").await["slots"] } });
    let elsewhere = person.post("/api/v1/voice/command").json(&elsewhere).await.expect(200).json();
    assert_eq!(elsewhere["slots"]["category"], "kurtas");
}

#[tokio::test]
async fn a_guest_goes_on_under_the_id_of_the_answer() {
    let app = TestApp::start_idle(&[]).await;
    let guest = app.client();
    let shown = say(&guest, "red silk sarees").await;
    let id = shown["conversationId"].clone();
    assert!(id.as_str().unwrap().starts_with("cnv_") && id.as_str().unwrap().len() == 36, "{id}");
    let blue = say_under(&guest, &id, "that in blue").await;
    assert_eq!((&blue["slots"]["fabric"], &blue["slots"]["colors"]), (&json!(["silk"]), &json!(["blue"])));
    assert_eq!(blue["conversationId"], id);
    // Without it, nothing is known of them.
    let alone = say(&guest, "that in blue").await;
    assert_eq!(alone["slots"]["fabric"], json!([]));
    assert_ne!(alone["conversationId"], id);
}

#[tokio::test]
async fn conversations_never_meet() {
    let app = TestApp::start_idle(&[]).await;
    let (one, other) = (app.customer().await, app.customer().await);
    let (here, there) = (app.staff().await, app.staff_of("anna").await);
    let guest = app.client();
    let shown = say(&guest, "red silk sarees").await;
    let id = shown["conversationId"].clone();
    say(&one, "red silk sarees").await;
    say(&here, "red silk sarees").await;
    // Neither another customer, nor another boutique, nor a customer under a guest's id.
    for stranger in [&other, &there] {
        for answer in [say(stranger, "that in blue").await, say_under(stranger, &id, "that in blue").await] {
            assert_eq!(answer["slots"]["fabric"], json!([]));
            assert_eq!(answer["conversationId"], Value::Null);
        }
    }
    for stranger in [app.customer().await, app.staff_of("bela").await] {
        let pointed = say_under(&stranger, &id, "how much is the second one").await;
        assert_eq!((&pointed["action"], &pointed["products"]), (&json!({ "type": "unknown" }), &json!([])));
    }
    // An id that we never gave is nobody's, and what looks like one of a customer is not theirs.
    let made_up = format!("cnv_{}", "A".repeat(32));
    for id in [json!(made_up), json!(one.id.as_str()), json!("cnv_"), json!("x".repeat(5000)), json!("guest:")] {
        let answer = say_under(&guest, &id, "that in blue").await;
        assert_eq!(answer["slots"]["fabric"], json!([]), "{id}");
        assert_ne!(answer["conversationId"], id);
    }
}

#[tokio::test]
async fn what_is_remembered_holds_values_and_no_words() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    say(&person, "red silk sarees with zanzibari parrots for my aunt meenakshi").await;
    let key = format!("conversation:{}:{}", TenantId::pravis(), person.id);
    let kept = app.state.cache.get(&key).await.unwrap().expect("it is remembered");
    let text = String::from_utf8(kept.to_vec()).unwrap().to_lowercase();
    assert!(text.contains("silk") && kept.len() < 8 * 1024);
    for word in ["zanzibar", "parrot", "meenakshi", "aunt"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    person.delete("/api/v1/voice/history").await.expect(200);
    assert_eq!(app.state.cache.get(&key).await.unwrap(), None, "history goes with it");
}
