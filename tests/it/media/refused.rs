//! What is not taken, and why.

use chrono::Duration;
use pravis::error::Code;
use pravis::ports::clock::Clock;
use serde_json::json;

use super::*;

#[tokio::test]
async fn an_announcement_says_what_it_must() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let good = announcement(&[0; 100]);
    let with = |field: &str, value: Value| {
        let mut asked = good.clone();
        asked[field] = value;
        asked
    };
    for (asked, field) in [
        (with("contentType", json!("image/svg+xml")), "contentType"),
        (with("contentType", json!("image/jpeg; x=y")), "contentType"),
        (with("byteSize", json!(0)), "byteSize"),
        (with("byteSize", json!(15 * 1024 * 1024 + 1)), "byteSize"),
        (with("position", json!(12)), "position"),
        (with("alt", json!({ "en-IN": "x", "hi-IN": " ", "te-IN": "x" })), "alt.hi-IN"),
        (with("alt", json!({ "en-IN": "x".repeat(301), "hi-IN": "x", "te-IN": "x" })), "alt.en-IN"),
        (with("alt", json!({ "en-IN": "x", "hi-IN": "x", "te-IN": "x\u{0}" })), "alt.te-IN"),
    ] {
        let answer = staff.post(&media_of(&product)).json(&asked).await;
        assert_eq!(answer.refused_fields(), [field], "{asked}");
    }
    staff.post(&media_of("prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S")).json(&good).await.problem(404, Code::NotFound);
    app.customer().await.post(&media_of(&product)).json(&good).await.problem(403, Code::NotPermitted);
    // Staff of another boutique finds no such product.
    app.staff_of("rival").await.post(&media_of(&product)).json(&good).await.problem(404, Code::NotFound);
    assert_eq!(app.client().get(&media_of(&product)).await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn an_upload_is_what_was_announced() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let bytes = photo(50, 50, 1);
    let announced = staff.post(&media_of(&product)).json(&announcement(&bytes)).await.expect(201).json();
    let path = format!("{}/{}", media_of(&product), announced["id"].as_str().unwrap());
    staff.post(&format!("{path}/complete")).await.problem(409, Code::Conflict);
    put(&app, &announced, [bytes.as_slice(), b"x"].concat()).await.problem(413, Code::PayloadTooLarge);
    app.client().get(announced["uploadUrl"].as_str().unwrap()).await.expect(403);
    // Other stores do not keep it out.
    let id = announced["id"].as_str().unwrap();
    let upload = pravis::ports::blobs::BlobName::new(MEDIA_UPLOADS, format!("pravis/{product}/{id}"));
    let large = pravis::ports::blobs::whole(vec![0; bytes.len() + 1]);
    app.state.blobs.put(&upload, large, Default::default()).await.unwrap();
    staff.post(&format!("{path}/complete")).await.problem(413, Code::PayloadTooLarge);
    assert_eq!(paths(&app, MEDIA_UPLOADS).await, [""; 0]);
}

#[tokio::test]
async fn what_is_no_fit_picture_is_refused_with_its_reason() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let good = photo(64, 48, 5);
    for (bytes, code) in [
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec(), "unsupported_format"),
        (good[..good.len() / 2].to_vec(), "truncated"),
        ([good.as_slice(), b"<script>alert(1)</script>"].concat(), "polyglot"),
        (b"GIF89a and so on".to_vec(), "unsupported_format"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\xff\xd9".to_vec(), "truncated"),
    ] {
        let path = submit(&app, &staff, &product, bytes).await;
        let picture = ended(&staff, &path).await;
        assert_eq!((picture["status"].as_str(), picture["reason"]["code"].as_str()), (Some("rejected"), Some(code)));
        assert!(picture["reason"]["detail"].as_str().unwrap().ends_with('.'), "{picture}");
        assert_eq!(picture["picture"], Value::Null);
    }
    nothing_left(&app).await;
    assert_eq!(kept(&app).await, [""; 0]);
    assert_eq!(stored(&app, &product).await.get("pictures"), None);
    assert_eq!(app.client().get(&media_of(&product)).await.expect(200).json()["items"], json!([]));
    assert_eq!(staff.get(&media_of(&product)).await.expect(200).json()["items"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_product_has_room_for_twelve() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let mut last = String::new();
    for shade in 0..12 {
        last = submit(&app, &staff, &product, photo(20, 20, shade * 20)).await;
    }
    let one_more = announcement(&photo(20, 20, 0));
    staff.post(&media_of(&product)).json(&one_more).await.problem(409, Code::Conflict);
    assert!(app.fire("ShopMediaJobsRun", &app.state).await.iter().all(Result::is_ok));
    staff.post(&media_of(&product)).json(&one_more).await.problem(409, Code::Conflict);
    staff.delete(&last).await.expect(200);
    staff.post(&media_of(&product)).json(&one_more).await.expect(201);
}

#[tokio::test]
async fn what_is_announced_and_not_completed_comes_to_an_end() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let bytes = photo(30, 30, 9);
    let never = staff.post(&media_of(&product)).json(&announcement(&bytes)).await.expect(201).json();
    let silent = upload(&app, &staff, &product, announcement(&bytes), bytes).await;
    assert_eq!(app.tick("ShopMediaReconcile").await, "0 pictures given a ticket");
    app.clock.advance(Duration::minutes(16));
    assert_eq!(app.tick("ShopMediaReconcile").await, "2 pictures given a ticket");
    assert!(app.fire("ShopMediaJobsRun", &app.state).await.iter().all(Result::is_ok));
    let token = app.state.keys.sign(&staff.principal, app.clock.now()).unwrap().token;
    let staff = app.client().with_token(token);
    assert_eq!(staff.get(&silent).await.expect(200).json()["status"], "ready");
    let never = format!("{}/{}", media_of(&product), never["id"].as_str().unwrap());
    let never = staff.get(&never).await.expect(200).json();
    assert_eq!((&never["status"], &never["reason"]["code"]), (&json!("rejected"), &json!("not_uploaded")));
    assert_eq!(app.tick("ShopMediaReconcile").await, "0 pictures given a ticket");
    nothing_left(&app).await;
}

#[tokio::test]
async fn announcing_twice_under_one_key_announces_once() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = a_product(&app).await;
    let announce = async || {
        let call = staff.post(&media_of(&product)).header("idempotency-key", "front-1");
        call.json(&announcement(&[0; 10])).await.expect(201).json()["id"].clone()
    };
    assert_eq!(announce().await, announce().await);
}
