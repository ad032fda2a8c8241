//! Conversations: requests that go on from the last one, corrections, several requests in one sentence,
//! and Hindi and Telugu.

use serde_json::{Value, json};

use super::say;
use crate::support::app::TestApp;
use crate::support::client::Client;

async fn say_in(api: &Client, text: &str, context: &Value) -> Value {
    api.post("/api/v1/voice/command").json(&json!({ "text": text, "context": context })).await.expect(200).json()
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["products"].as_array().unwrap().iter().map(|product| product["id"].as_str().unwrap()).collect()
}

/// What a client sends along after an answer.
fn after(answer: &Value) -> Value {
    json!({ "products": ids(answer), "slots": answer["slots"], "intent": answer["intent"] })
}

#[tokio::test]
async fn a_correction_replaces_what_it_corrects() {
    let app = TestApp::start().await;
    let api = app.client();
    let first = say(&api, "show me red silk sarees").await;
    let green = say(&api, "green silk sarees").await;
    assert_ne!(ids(&first), ids(&green));
    for said in ["no, the green one", "sorry i meant green", "नहीं, हरी वाली", "కాదు, ఆకుపచ్చది", "nahi hari wali"]
    {
        let corrected = say_in(&api, said, &after(&first)).await;
        assert_eq!(corrected["slots"]["colors"], json!(["green"]), "{said}");
        assert_eq!(corrected["slots"]["notColors"], json!([]), "{said}");
        assert_eq!(ids(&corrected), ids(&green), "{said}");
    }
    let within = say(&api, "red sorry green silk sarees").await;
    assert_eq!(ids(&within), ids(&green));
}

#[tokio::test]
async fn a_correction_does_the_same_to_another_product() {
    let app = TestApp::start().await;
    let api = app.client();
    let shown = say(&api, "show me silk sarees").await;
    let products: Vec<&str> = ids(&shown);
    let context = json!({ "products": products, "slots": shown["slots"], "intent": "addToCart" });
    for (said, position) in [("no, the second one", 1), ("the third one too", 2), ("नहीं, दूसरी वाली", 1)]
    {
        let action = say_in(&api, said, &context).await["action"].clone();
        assert_eq!(action, json!({ "type": "addToCart", "productId": products[position], "quantity": 1 }), "{said}");
    }
    // Nobody said that anything is to be bought.
    let looked = json!({ "products": products, "slots": shown["slots"] });
    assert_ne!(say_in(&api, "no, the second one", &looked).await["action"]["type"], "addToCart");
}

#[tokio::test]
async fn comparatives_refine_what_was_shown() {
    let app = TestApp::start().await;
    let api = app.client();
    let first = say(&api, "show me silk sarees under ten thousand").await;
    for said in ["cheaper", "और सस्ती", "ఇంకా చవకగా", "thoda sasta"] {
        let cheaper = say_in(&api, said, &after(&first)).await;
        assert_eq!(cheaper["slots"]["sort"], "price-low", "{said}");
        assert_eq!(cheaper["total"], first["total"], "{said}");
        let prices =
            cheaper["products"].as_array().unwrap().iter().map(|product| product["pricePaise"].as_u64().unwrap());
        assert!(prices.is_sorted(), "{said}");
    }
    for said in ["that in blue", "यही नीले रंग में", "నీలం రంగులో"] {
        let blue = say_in(&api, said, &after(&first)).await;
        assert_eq!(blue["slots"]["colors"], json!(["blue"]), "{said}");
        assert_eq!(blue["slots"]["maxPricePaise"], 1_000_000, "{said}");
    }
}

#[tokio::test]
async fn a_second_request_is_answered_from_the_first() {
    let app = TestApp::start().await;
    let api = app.client();
    let answer = say(&api, "show me silk sarees and add the second one to my cart").await;
    assert_eq!(answer["intent"], "search");
    let product = ids(&answer)[1];
    let then = &answer["then"];
    assert_eq!(then.as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(then[0]["intent"], "addToCart");
    assert_eq!(then[0]["action"], json!({ "type": "addToCart", "productId": product, "quantity": 1 }));
    let (text, ssml) = (answer["text"].as_str().unwrap(), answer["ssml"].as_str().unwrap());
    assert!(text.starts_with("I found") && text.contains("Adding"), "{text}");
    assert!(roxmltree::Document::parse(ssml).is_ok(), "{ssml}");

    let single = say(&api, "show me silk sarees in red and blue").await;
    assert_eq!(single["then"], json!([]));
    assert_eq!(single["slots"]["colors"], json!(["red", "blue"]));
}

#[tokio::test]
async fn nothing_is_done_behind_an_open_question() {
    let app = TestApp::start().await;
    let answer = say(&app.client(), "add this to my cart and place my order").await;
    assert_eq!(answer["question"], "whichProduct");
    assert_eq!(answer["then"], json!([]), "no order before it is known what is ordered");
    assert_eq!(say(&app.client(), "blorp fizz quux").await["question"], "rephrase");
    assert_eq!(say(&app.client(), "silk sarees").await["question"], Value::Null);
}

#[tokio::test]
async fn slots_tell_how_sure_they_are() {
    let app = TestApp::start().await;
    let confidence = async |said: &str| say(&app.client(), said).await["slotConfidence"].clone();
    assert_eq!(confidence("red silk sarees").await, json!({ "category": 1.0, "colors": 1.0, "fabric": 1.0 }));
    let guessed = confidence("pochampalle sarees").await;
    assert!(guessed["weave"].as_f64() < Some(1.0) && guessed["category"] == 1.0, "{guessed}");
}

#[tokio::test]
async fn every_language_finds_the_same_products() {
    let app = TestApp::start().await;
    let api = app.client();
    let expected = say(&api, "red banarasi sarees under twenty thousand").await;
    for said in [
        "बीस हज़ार तक की लाल बनारसी साड़ी दिखाओ",
        "ఇరవై వేల లోపు ఎర్ర బెనారసీ చీరలు చూపించు",
        "bees hazaar tak ki laal banarsi saree dikhao",
        "iravai vela lopu erra benarasi cheeralu chupinchu",
    ] {
        let answer = say(&api, said).await;
        assert_eq!(answer["slots"], expected["slots"], "{said}");
        assert_eq!(ids(&answer), ids(&expected), "{said}");
        assert_eq!(answer["notUnderstood"], json!([]), "{said}");
    }
}
