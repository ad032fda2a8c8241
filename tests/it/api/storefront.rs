//! The calls of the existing storefront, as it makes them, with its quirks.

use pravis::error::Code;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::{Answer, Client};

const JSON: &str = "application/json";

/// Its helper gives `GET` and `DELETE` a JSON content type too, and parses every success as JSON.
fn parsed(answer: Answer) -> Value {
    let answer = answer.expect(200);
    assert!(answer.header("content-type").starts_with(JSON));
    answer.json()
}

#[tokio::test]
async fn signing_up_and_in() {
    let app = TestApp::start().await;
    let user = json!({ "firstName": "Lakshmi", "lastName": "Rao", "email": "store@example.in", "password": PASSWORD, "acceptTerms": true, "phone": "98480" });
    let registered = app.client().post("/api/v1/auth/register").json(&user).await.expect(201).json();
    assert_eq!(registered["success"], true);
    assert!(registered["token"].is_string() && registered["user"]["email"] == "store@example.in");
    let credentials = json!({ "email": "store@example.in", "password": PASSWORD });
    let signed_in = parsed(app.client().post("/api/v1/auth/login").json(&credentials).await);
    let api = app.client().with_token(signed_in["token"].as_str().unwrap());
    let me = parsed(api.get("/api/v1/auth/me").header("content-type", JSON).await);
    for field in ["firstName", "lastName", "role"] {
        assert!(me[field].is_string(), "{field}");
    }
}

#[tokio::test]
async fn browsing() {
    let app = TestApp::start().await;
    let get = async |path: &str| parsed(app.client().get(path).header("content-type", JSON).await);
    let list = get("/api/v1/products?category=sarees,kurtas&limit=12&sort=newest&page=1").await;
    assert_eq!(list["products"].as_array().unwrap().len(), 12);
    let product = &list["products"][0];
    let id = product["id"].as_str().unwrap();
    for number in ["price", "originalPrice", "rating", "reviews", "stockCount"] {
        assert!(product[number].is_number(), "{number}");
    }
    for text in ["name", "description", "category", "subcategory", "fabric", "weave", "origin", "image"] {
        assert!(product[text].is_string(), "{text}");
    }
    for list in ["colors", "sizes", "images", "tags", "careInstructions"] {
        assert!(product[list].is_array(), "{list}");
    }
    assert!(product["inStock"].is_boolean() && product["featured"].is_boolean());
    assert_eq!(get(&format!("/api/v1/products/{id}")).await["id"], id);
    assert_eq!(get("/api/v1/products/featured?limit=6").await["products"].as_array().unwrap().len(), 6);
    let found = get("/api/v1/products/search?q=silk&category=sarees&limit=12&sort=popular&page=2").await;
    assert!(found["products"].is_array());
    let categories = get("/api/v1/products/categories").await;
    assert!(categories["categories"][0]["id"].is_string() && categories["categories"][0]["name"].is_string());
    assert_eq!(get(&format!("/api/v1/products/{id}/related?limit=4")).await["products"].as_array().unwrap().len(), 4);
    for path in ["/api/v1/health", "/api/v1/health/"] {
        get(path).await;
    }
}

/// Where its caller adds headers, such as a token, the helper forgets to say that a body is JSON.
const FORGOTTEN: &str = "text/plain;charset=UTF-8";

#[tokio::test]
async fn telling_its_name() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let profile =
        json!({ "firstName": "Lakshmi Devi", "lastName": "Rao", "phone": "98480", "address": { "city": "Mokila" } });
    let told = parsed(customer.put("/api/v1/auth/profile").body(FORGOTTEN, profile.to_string()).await);
    assert_eq!(told["user"]["firstName"], "Lakshmi Devi");
    assert_eq!(parsed(customer.get("/api/v1/auth/me").await)["firstName"], "Lakshmi Devi");
}

#[tokio::test]
async fn reviewing() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let list = parsed(app.client().get("/api/v1/products").header("content-type", JSON).await);
    let id = list["products"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/products/{id}/reviews");
    let review = json!({ "productId": id, "name": "Lakshmi", "email": "l@example.in", "rating": 5, "title": "Lovely", "content": "Fine silk." });
    app.client().post(&path).json(&review).await.problem(401, Code::NotAuthenticated);
    let written = customer.post(&path).json(&review).await.expect(201).json();
    assert_eq!((&written["success"], &written["review"]["author"]), (&json!(true), &json!("Lakshmi")));
    assert!(written["message"].is_string());
    let again = parsed(customer.post(&path).body(FORGOTTEN, review.to_string()).await);
    assert_eq!(again, written, "the same review changes nothing");
}

async fn says(api: &Client, path: &str, body: Value) {
    let answer = parsed(api.post(path).header("cookie", "session=1").json(&body).await);
    assert!(answer["text"].is_string());
    assert_eq!(
        (answer["action"]["type"].as_str(), answer["action"]["path"].as_str()),
        (Some("navigate"), Some("/cart"))
    );
}

#[tokio::test]
async fn talking() {
    let app = TestApp::start().await;
    let context =
        json!({ "currentRoute": "/shop", "currentPage": "shop", "pageTitle": "Shop", "query": {}, "params": {} });
    says(&app.client(), "/api/v1/voice/process-command", json!({ "text": "go to the cart", "context": context })).await;
    let context = json!({ "currentRoute": "/", "pageTitle": "Home" });
    let customer = app.customer().await;
    says(&customer, "/api/v1/voice/command", json!({ "command": "go to the cart", "context": context })).await;
    let voices = parsed(app.client().get("/api/v1/voice/voices").await);
    assert!(voices["voices"].is_array());
    // Once with a body and once without; the answer is always JSON.
    parsed(customer.delete("/api/v1/voice/clear-history").header("content-type", JSON).await);
    parsed(customer.delete("/api/v1/voice/clear-history").json(&json!({})).await);
}

#[tokio::test]
async fn speaking_and_being_forgotten() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let recording = || {
        let part = reqwest::multipart::Part::bytes(super::samples::hum(1.0));
        let part = part.file_name("recording.webm").mime_str("audio/webm").unwrap();
        reqwest::multipart::Form::new().part("audio_file", part).text("save_audio", "true")
    };
    let transcribe = "/api/v1/voice/transcribe";
    // Its own call brings cookies and no token.
    for api in [&app.client(), &*customer] {
        let heard = parsed(api.post(transcribe).header("cookie", "session=1").multipart(recording()).await);
        assert!(heard["text"].is_string());
    }
    let context = json!({ "currentRoute": "/", "pageTitle": "Home" });
    says(&customer, "/api/v1/voice/command", json!({ "command": "go to the cart", "context": context })).await;
    let history = async || parsed(customer.get("/api/v1/voice/history").await)["items"].as_array().unwrap().len();
    assert!(history().await > 0);
    let site = "/api/voice/clear-history";
    app.client().delete(site).header("cookie", "session=1").json(&json!({})).await.problem(401, Code::NotAuthenticated);
    assert_eq!(parsed(customer.delete(site).json(&json!({})).await)["success"], true);
    assert_eq!(history().await, 0);
}

#[tokio::test]
async fn without_a_speech_engine_the_voices_say_what_to_do() {
    let app = TestApp::start().await;
    let told = parsed(app.client().get("/api/v1/voice/voices").await);
    assert_eq!(told["voices"], json!([]));
    for engine in ["recogniser", "synthesiser"] {
        assert_eq!(told[engine]["available"], false);
        assert!(told[engine]["advice"].as_str().unwrap().len() > 10, "{told}");
    }
    let speech = json!({ "text": "Namaste", "voice": "nova" });
    app.client().post("/api/v1/voice/text-to-speech").json(&speech).await.problem(503, Code::Unavailable);
}
