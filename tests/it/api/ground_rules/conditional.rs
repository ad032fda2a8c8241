//! Entity tags and 304.

use crate::support::app::TestApp;

#[tokio::test]
async fn what_the_caller_has_is_not_sent_again() {
    let app = TestApp::start().await;
    let api = app.client();
    for path in [
        "/api/v1/products?limit=2",
        "/api/v1/products/categories",
        "/api/openapi.json",
        "/api/v1/.well-known/jwks.json",
    ] {
        let first = api.get(path).await.expect(200);
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10, "{path}: {etag}");
        assert_eq!(api.get(path).await.header("etag"), etag, "the same answer has the same tag");
        let known = [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"other\", {etag}"),
            format!("\"other\",W/\"x\" ,  W/{etag}"),
            "*".to_owned(),
        ];
        for tags in &known {
            let again = api.get(path).header("if-none-match", tags).await.expect(304);
            assert_eq!(again.header("etag"), etag);
            assert_eq!(again.header("cache-control"), first.header("cache-control"));
            assert_eq!(again.header("vary"), first.header("vary"));
            api.call(http::Method::HEAD, path).header("if-none-match", tags).await.expect(304);
        }
        let unquoted = etag.trim_matches('"').to_owned();
        for tags in ["\"other\"", "", &unquoted, "W/\"other\""] {
            api.get(path).header("if-none-match", tags).await.expect(200);
        }
    }
}

#[tokio::test]
async fn tags_in_several_headers_are_one_list() {
    let app = TestApp::start().await;
    let path = "/api/v1/products/categories";
    let etag = app.client().get(path).await.expect(200).header("etag").to_owned();
    app.client().get(path).header("if-none-match", "\"other\"").header("if-none-match", &etag).await.expect(304);
}

#[tokio::test]
async fn another_answer_has_another_tag() {
    let app = TestApp::start().await;
    let api = app.client();
    let english = api.get("/api/v1/products?limit=2").await;
    let telugu = api.get("/api/v1/products?limit=2&lang=te-IN").await;
    assert_ne!(english.header("etag"), telugu.header("etag"));
    // A failure is never "not modified".
    api.get("/api/v1/products/prd_nonsense").header("if-none-match", "*").await.expect(404);
    api.post("/api/v1/voice/command")
        .header("if-none-match", "*")
        .json(&serde_json::json!({ "text": "help" }))
        .await
        .expect(200);
}
