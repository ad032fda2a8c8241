//! What is meant beside searching, and what a conversation adds.

use pravis::seed;
use serde_json::{Value, json};

use super::say;
use crate::support::app::TestApp;
use crate::support::client::Client;

#[tokio::test]
async fn each_intent_has_its_action() {
    let app = TestApp::start().await;
    for (said, intent, action) in [
        ("open the cart", "navigate", json!({ "type": "navigate", "path": "/cart" })),
        ("go home", "navigate", json!({ "type": "navigate", "path": "/" })),
        ("i want to check out", "checkout", json!({ "type": "checkout", "path": "/checkout" })),
        ("what is in my cart", "readCart", json!({ "type": "readCart" })),
        ("empty my cart", "removeFromCart", json!({ "type": "removeFromCart", "all": true })),
        ("help", "help", json!({ "type": "help" })),
        ("stop", "stop", json!({ "type": "stop" })),
        ("can i return a saree", "answerPolicy", json!({ "type": "answerPolicy", "topic": "returns" })),
        ("blorp fizz quux", "unknown", json!({ "type": "unknown" })),
    ] {
        let answer = say(&app.client(), said).await;
        assert_eq!(answer["intent"], intent, "{said}: {answer}");
        assert_eq!(answer["action"], action, "{said}");
        assert!(!answer["text"].as_str().unwrap().is_empty(), "{said}");
    }
}

#[tokio::test]
async fn policies_are_answered_in_the_shops_words() {
    let app = TestApp::start().await;
    for (said, topic) in [("what is your return policy", "returns"), ("how long does shipping take", "shipping")] {
        let policy = seed::policies().unwrap().into_iter().find(|policy| policy.topic == topic).unwrap();
        let answer = say(&app.client(), said).await;
        assert_eq!(answer["action"]["topic"], topic, "{said}");
        let text = answer["text"].as_str().unwrap();
        assert!(text.contains(&policy.summary.english), "{said}: {text}");
    }
}

async fn say_in(api: &Client, text: &str, context: Value) -> Value {
    api.post("/api/v1/voice/command").json(&json!({ "text": text, "context": context })).await.expect(200).json()
}

fn ids(answer: &Value) -> Vec<String> {
    answer["products"].as_array().unwrap().iter().map(|product| product["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_conversation_goes_on_from_its_context() {
    let app = TestApp::start().await;
    let api = app.client();
    let first = say(&api, "show me silk sarees").await;
    let shown = ids(&first);
    let context = json!({ "products": shown, "slots": first["slots"] });

    let red = say_in(&api, "only red ones", context.clone()).await;
    let again = say(&api, "red silk sarees").await;
    assert_eq!(ids(&red), ids(&again));
    assert!((red["total"].as_u64() > Some(0)) && red["total"].as_u64() < first["total"].as_u64());

    let cheaper = say_in(&api, "under five thousand", context.clone()).await;
    assert_eq!(ids(&cheaper), ids(&say(&api, "silk sarees under five thousand").await));
    let other = say_in(&api, "show me cotton kurtas", context.clone()).await;
    assert_eq!(ids(&other), ids(&say(&api, "show me cotton kurtas").await), "a new search begins anew");

    for (said, position, quantity) in [("add the second one", 1, 1), ("add two of the first one to the cart", 0, 2)] {
        let added = say_in(&api, said, context.clone()).await;
        assert_eq!(added["intent"], "addToCart", "{said}");
        assert_eq!(
            added["action"],
            json!({ "type": "addToCart", "productId": shown[position], "quantity": quantity }),
            "{said}"
        );
    }
    let looking = json!({ "currentProduct": shown[3] });
    let read = say_in(&api, "what does it cost", looking.clone()).await;
    assert_eq!(read["action"], json!({ "type": "readProduct", "productId": shown[3] }));
    assert_eq!(ids(&read), [shown[3].clone()]);
    let removed = say_in(&api, "remove it from my cart", looking).await;
    assert_eq!(removed["action"], json!({ "type": "removeFromCart", "productId": shown[3] }));
    // What nobody can mean is asked back, not guessed.
    let nothing = say_in(&api, "add the second one", json!({})).await;
    assert_ne!(nothing["action"]["type"], "addToCart");
}

#[tokio::test]
async fn a_context_points_at_products_of_the_shop_only() {
    let app = TestApp::start().await;
    let unknown = "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S";
    let answer = say_in(&app.client(), "add this to the cart", json!({ "currentProduct": unknown })).await;
    assert_ne!(answer["action"]["type"], "addToCart");
    let many: Vec<&str> = vec![unknown; 1500];
    say_in(&app.client(), "add the last one", json!({ "products": many })).await;
}

#[tokio::test]
async fn both_names_of_the_field_and_both_addresses_are_the_same() {
    let app = TestApp::start().await;
    let mut answers = Vec::new();
    for path in ["/api/v1/voice/command", "/api/v1/voice/process-command"] {
        for field in ["text", "command"] {
            let mut answer = app.client().post(path).json(&json!({ field: "silk sarees" })).await.expect(200).json();
            answer["interactionId"] = Value::Null;
            answer["conversationId"] = Value::Null;
            answers.push(answer);
        }
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]));
    let both = json!({ "text": "help", "command": "stop" });
    assert_eq!(app.client().post("/api/v1/voice/command").json(&both).await.expect(200).json()["intent"], "help");
}

#[tokio::test]
async fn a_text_has_1_to_1000_characters() {
    let app = TestApp::start().await;
    let send = |text: String| app.client().post("/api/v1/voice/command").json(&json!({ "text": text }));
    for wrong in [String::new(), "  \n\t ".into(), "x".repeat(1001), "స".repeat(1001)] {
        assert_eq!(send(wrong).await.refused_fields(), ["text"]);
    }
    for right in ["x".repeat(1000), "స".repeat(1000), "a".into(), " ".repeat(2000) + "help"] {
        send(right).await.expect(200);
    }
    assert_eq!(app.client().post("/api/v1/voice/command").json(&json!({})).await.refused_fields(), ["text"]);
}

#[tokio::test]
async fn the_answer_speaks_the_language_asked_for() {
    let app = TestApp::start().await;
    let said = json!({ "text": "silk sarees", "language": "te-IN" });
    let answer = app.client().post("/api/v1/voice/command").json(&said).await.expect(200).json();
    assert_eq!(answer["language"], "te-IN");
    let names: Vec<String> = seed::products().unwrap().into_iter().map(|product| product.name.telugu).collect();
    for product in answer["products"].as_array().unwrap() {
        assert!(names.iter().any(|name| product["name"] == name.as_str()), "{product}");
    }
}
