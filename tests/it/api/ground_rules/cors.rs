//! Pages of the storefront may read answers; pages of others may not.

use http::Method;

use crate::support::app::TestApp;

const STOREFRONT: &str = "http://localhost:3000";

#[tokio::test]
async fn an_allowed_origin_may_read_every_answer() {
    let app = TestApp::start().await;
    for path in ["/api/v1/products?limit=1", "/api/v1/nothing", "/api/v1/auth/me", "/blobs/voice-uploads/x"] {
        let answer = app.client().get(path).header("origin", STOREFRONT).await;
        assert_eq!(answer.header("access-control-allow-origin"), STOREFRONT, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        let exposed = answer.header("access-control-expose-headers");
        for name in ["etag", "location", "retry-after", "x-request-id", "idempotent-replayed", "operation-location"] {
            assert!(exposed.contains(name), "{name} cannot be read by the page");
        }
    }
}

#[tokio::test]
async fn a_foreign_origin_may_not() {
    let app = TestApp::start().await;
    for origin in ["https://evil.example", "http://localhost:3001", "http://localhost:3000.evil.example", "null", ""] {
        for path in ["/api/v1/products?limit=1", "/blobs/voice-uploads/x"] {
            let answer = app.client().get(path).header("origin", origin).await;
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{origin}");
        }
        let preflight = app.client().call(Method::OPTIONS, "/api/v1/voice/command").header("origin", origin);
        let answer = preflight.header("access-control-request-method", "POST").await.expect(204);
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        assert!(!answer.headers.contains_key("access-control-allow-methods"));
    }
}

#[tokio::test]
async fn answers_to_different_origins_are_kept_apart_by_caches() {
    let app = TestApp::start().await;
    for path in ["/api/v1/products?limit=1", "/api/v1/nothing"] {
        let answer = app.client().get(path).await;
        let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.join(",").contains("Origin"), "{path}: {vary:?}");
    }
}

#[tokio::test]
async fn every_function_can_be_preflighted() {
    let app = TestApp::start().await;
    for (name, function) in app.http_functions() {
        let path = format!("/api/{}", function.route.replace("{id}", "x"));
        let answer = app
            .client()
            .call(Method::OPTIONS, &path)
            .header("origin", STOREFRONT)
            .header("access-control-request-method", function.method.as_str())
            .header("access-control-request-headers", "authorization,content-type")
            .await
            .expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), STOREFRONT, "{name}");
        let methods: Vec<_> = answer.header("access-control-allow-methods").split(", ").collect();
        assert!(methods.contains(&function.method.as_str()), "{name}: {methods:?}");
        let headers = answer.header("access-control-allow-headers");
        for wanted in ["authorization", "content-type", "idempotency-key", "if-match"] {
            assert!(headers.contains(wanted), "{name}: {wanted}");
        }
    }
    app.client().call(Method::OPTIONS, "/api/v1/nothing").header("origin", STOREFRONT).await.expect(404);
    let upload = app.client().call(Method::OPTIONS, "/blobs/voice-uploads/x").header("origin", STOREFRONT).await;
    assert!(upload.expect(204).header("access-control-allow-methods").contains("PUT"));
}

#[tokio::test]
async fn a_page_may_send_the_headers_that_an_upload_needs() {
    let app = TestApp::start().await;
    let answer = app
        .client()
        .call(Method::OPTIONS, "/blobs/voice-uploads/x")
        .header("origin", STOREFRONT)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "content-type,x-ms-blob-type")
        .await
        .expect(204);
    assert!(answer.header("access-control-allow-headers").contains("x-ms-blob-type"), "{answer:?}");
}
