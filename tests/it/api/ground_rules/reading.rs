//! How requests are read: addresses, methods, media types, bodies.

use http::Method;
use pravis::error::Code;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::client::raw;

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let app = TestApp::start().await;
    let api = app.client();
    for path in [
        "/nothing",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/products",
        "/apiv1/products",
        "/api/v1/products/",
        "/api/v1/products//",
        "/api//v1/products",
        "/api/v1/products/prd_nonsense",
        "/api/v1/products/usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S",
        "/api/v1/products/prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S",
        "/api/V1/Products",
        "/VoiceJobsRun",
        "/admin/host/status",
    ] {
        if path == "/api/v1/products/" {
            api.get(path).await.expect(200);
        } else {
            api.get(path).await.problem(404, Code::NotFound);
        }
    }
    // The triggers of a function are not reached from outside.
    api.post("/VoiceJobsRun").json(&json!({ "Data": {}, "Metadata": {} })).await.problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let app = TestApp::start().await;
    let api = app.client();
    let answer = api.delete("/api/v1/products").await;
    answer.problem(405, Code::MethodNotAllowed);
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    let answer = api.get("/api/v1/voice/clear-history").await;
    answer.problem(405, Code::MethodNotAllowed);
    assert_eq!(answer.header("allow"), "DELETE, OPTIONS");
    for method in ["PATCH", "TRACE", "PROPFIND", "get"] {
        api.call(method.parse().unwrap(), "/api/v1/products").await.problem(405, Code::MethodNotAllowed);
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    let api = app.client();
    for path in ["/api/v1/products?limit=3", "/api/v1/products/categories", "/api/docs", "/api/openapi.json"] {
        let get = api.get(path).await.expect(200);
        let head = api.call(Method::HEAD, path).await.expect(200);
        for name in ["content-type", "content-length", "etag", "cache-control", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        assert_eq!(head.header("content-length"), get.body.len().to_string());
    }
    api.call(Method::HEAD, "/api/v1/nothing").await.expect(404);
    api.call(Method::HEAD, "/api/v1/auth/login").await.expect(405);
}

#[tokio::test]
async fn an_answer_that_the_caller_does_not_take_is_refused() {
    let app = TestApp::start().await;
    let api = app.client();
    for accept in ["text/html", "image/*", "application/json;q=0", "application/json; q=0.0, text/plain"] {
        api.get("/api/v1/products").header("accept", accept).await.problem(406, Code::NotAcceptable);
    }
    for accept in ["*/*", "application/*", "application/json", "APPLICATION/JSON", "text/html, */*;q=0.1", ""] {
        api.get("/api/v1/products?limit=1").header("accept", accept).await.expect(200);
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_however_it_is_told() {
    let app = TestApp::start().await;
    let api = app.client();
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(70 * 1024));
    let declared = api.post("/api/v1/voice/command").body("application/json", large.clone()).await;
    declared.problem(413, Code::PayloadTooLarge);
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = large.as_bytes().chunks(8192).map(|c| Ok(c.to_vec())).collect();
    let undeclared = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    api.post("/api/v1/voice/command").body("application/json", undeclared).await.problem(413, Code::PayloadTooLarge);
    // At the limit it is read, and only then found wanting.
    let fits = format!(r#"{{"text":"{}"}}"#, "x".repeat(64 * 1024 - 11));
    assert_eq!(fits.len(), 64 * 1024);
    api.post("/api/v1/voice/command").body("application/json", fits).await.problem(422, Code::ValidationFailed);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_waited_for() {
    let app = TestApp::start().await;
    // A gigabyte is announced and not sent.
    let head = "POST /api/v1/voice/command HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let started = std::time::Instant::now();
    let answer = raw(app.address, format!("{head}content-length: 1073741824\r\n\r\n").as_bytes()).await.unwrap();
    answer.problem(413, Code::PayloadTooLarge);
    // An endless body in chunks, of which the first exceed the limit.
    let mut request = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..9 {
        request.extend_from_slice(b"2000\r\n");
        request.extend(std::iter::repeat_n(b' ', 0x2000));
        request.extend_from_slice(b"\r\n");
    }
    raw(app.address, &request).await.unwrap().problem(413, Code::PayloadTooLarge);
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let app = TestApp::start().await;
    let api = app.client();
    let body = r#"{"text":"help"}"#;
    for kind in ["text/plain", "application/xml", "application/jsonp", "", "multipart/form-data; boundary=x"] {
        let answer = api.post("/api/v1/voice/command").body(kind, body).await;
        answer.problem(415, Code::UnsupportedMediaType);
    }
    for kind in ["application/json", "APPLICATION/JSON; charset=utf-8", "application/problem+json"] {
        api.post("/api/v1/voice/command").body(kind, body).await.expect(200);
    }
    let sound = api.post("/api/v1/voice/transcribe").body("text/plain", "hello").await;
    sound.problem(415, Code::UnsupportedMediaType);
}

#[tokio::test]
async fn json_that_cannot_be_read_is_told_where() {
    let app = TestApp::start().await;
    let post = |body: Vec<u8>| app.client().post("/api/v1/voice/command").body("application/json", body);
    let problem = post(b"{\"text\":\n  nonsense}".to_vec()).await.problem(400, Code::MalformedRequest);
    assert!(problem.detail.contains("line 2, column 4"), "{}", problem.detail);
    let deep = [b"{\"unknown\":".to_vec(), b"[".repeat(30_000)].concat();
    for body in [
        &b""[..],
        b"{",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"{\"text\":\"\xff\xfe\"}",
        b"{\"text\":\"\\ud800\"}",
        b"{'text':'x'}",
        b"{\"text\":1e999}",
        b"\0",
        &deep,
    ] {
        post(body.to_vec()).await.problem(400, Code::MalformedRequest);
    }
}

#[tokio::test]
async fn a_field_that_breaks_its_rule_is_named() {
    let app = TestApp::start().await;
    let api = app.client();
    let product = "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S";
    for (body, field) in [
        (json!({ "text": 5 }), "text"),
        (json!({ "text": "help", "language": "fr" }), "language"),
        (json!({ "text": "help", "context": { "products": [product, "nonsense"] } }), "context.products[1]"),
        (json!({ "text": "help", "context": { "slots": { "maxPricePaise": -1 } } }), "context.slots.maxPricePaise"),
        (json!({ "text": "help", "context": { "slots": { "sizes": ["M", "huge"] } } }), "context.slots.sizes[1]"),
    ] {
        assert_eq!(api.post("/api/v1/voice/command").json(&body).await.refused_fields(), [field], "{body}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("minPrice=NaN", "minPrice"),
        ("maxPrice=-5", "maxPrice"),
        ("maxPrice=1e300", "maxPrice"),
        ("sort=cheapest", "sort"),
        ("lang=fr", "lang"),
        ("cursor=%21%21", "cursor"),
        ("cursor=bm9uc2Vuc2U", "cursor"),
        ("page=1&cursor=MTI", "cursor"),
        ("inStock=perhaps", "inStock"),
    ] {
        let answer = api.get(&format!("/api/v1/products?{query}")).await;
        assert_eq!(answer.refused_fields(), [field], "{query}");
    }
    let both = json!({ "email": "nobody", "password": "short", "firstName": "x".repeat(101) });
    let fields = api.post("/api/v1/auth/register").json(&both).await.refused_fields();
    assert_eq!(fields, ["email", "password", "firstName"]);
}

#[tokio::test]
async fn addresses_are_decoded_once_and_lead_nowhere_else() {
    let app = TestApp::start().await;
    for path in [
        "/api/v1/products/%",
        "/api/v1/products/%zz",
        "/api/v1/products/%ff%fe",
        "/api/v1/products/%00",
        "/api/v1/products/..%2f..%2fetc%2fpasswd",
        "/api/v1/products/../../../etc/passwd",
        "/api/docs/..%2f..%2fCargo.toml",
        "/api/docs/%2e%2e",
        "/api/v1/voice/speech/..%2f..%2fsecrets.json",
        "/api/v1/products/%E2%80%AE",
        "/api/v1/products/{id}",
        "/api/v1/products/%7Bid%7D/related",
        "/blobs/voice-uploads/x",
        "/blobs/../secrets.json",
        "/blobs/%2e%2e%2fsecrets.json",
        "//api/v1/products",
        "/api/v1\\products",
        "/api/v1/products;x=1",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = raw(app.address, request.as_bytes()).await.unwrap();
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 404), "{path}: {answer:.200}");
    }
    // An escaped letter is the letter.
    let products = app.client().get("/api/v1/products?limit=1").await.expect(200).json();
    let id = products["products"][0]["id"].as_str().unwrap();
    let escaped = format!("/api/v1/products/%70{}", &id[1..]);
    assert_eq!(app.client().get(&escaped).await.expect(200).json()["id"], id);
    // A slash at the end changes nothing.
    app.client().get("/api/v1/health/").await.expect(200);
    app.client().get(&format!("/api/v1/products/{id}/")).await.expect(200);
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let app = TestApp::start().await;
    let api = app.client();
    for path in ["/api/v1/health/live", "/api/v1/nothing"] {
        let answer = api.get(path).header("x-request-id", "storefront-42.a_b").await;
        assert_eq!(answer.header("x-request-id"), "storefront-42.a_b");
        let long = "x".repeat(65);
        for bad in ["", "a b", "<script>", "ü", &long] {
            let answer = api.get(path).header("x-request-id", bad).await;
            assert!(answer.header("x-request-id").starts_with("req_"), "{bad}");
        }
    }
    let one = api.get("/api/v1/health/live").await;
    let other = api.get("/api/v1/health/live").await;
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}
