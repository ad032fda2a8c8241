//! Connections that are slow, broken or many.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::client::{raw, read_answer};

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let started = Instant::now();
    stream.write_all(b"GET /api/v1/health/live HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    // A header a second keeps the connection from looking idle.
    let dripping = tokio::spawn(async move {
        for number in 0..60 {
            if writer.write_all(format!("x-{number}: y\r\n").as_bytes()).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(25), reader.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server still waits after {:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(5), "a slow client is given some time");
    dripping.abort();
    // Others were not kept waiting.
    app.client().get("/api/v1/health/live").await.expect(200);
}

#[tokio::test]
async fn what_is_not_http_ends_the_connection_and_nothing_else() {
    let app = TestApp::start().await;
    let long_path = format!("GET /api/v1/{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(200_000));
    let long_header = format!(
        "GET /api/v1/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: {}\r\n\r\n",
        "a".repeat(600_000)
    );
    let many_headers = format!(
        "GET /api/v1/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}\r\n",
        "x-many: y\r\n".repeat(5_000)
    );
    for bytes in [
        &b"\0\0\0\0\0\0\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /api/v1/health/live HTTP/9.9\r\n\r\n",
        b"GET /api/v1/health/live HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /api/v1/voice/command HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/voice/command HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}   ",
        long_path.as_bytes(),
        long_header.as_bytes(),
        many_headers.as_bytes(),
    ] {
        if let Some(answer) = raw(app.address, bytes).await {
            assert!(answer.status.is_client_error(), "{answer:.200}");
        }
    }
    app.client().get("/api/v1/health/live").await.expect(200);
}

#[tokio::test]
async fn a_length_in_two_ways_is_not_a_smuggled_request() {
    let app = TestApp::start().await;
    // The inner request must not be answered as if it had come by itself (RFC 9112 §6.1).
    let inner = "GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\n\r\n";
    let request = format!(
        "POST /api/v1/voice/command HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         transfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        5 + inner.len()
    );
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 4096];
    let mut received = Vec::new();
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut first)).await {
        if count == 0 {
            break;
        }
        received.extend_from_slice(&first[..count]);
    }
    let text = String::from_utf8_lossy(&received);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
}

#[tokio::test]
async fn a_client_that_breaks_off_does_no_harm() {
    let app = TestApp::start().await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        let part = "POST /api/v1/voice/command HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"te";
        stream.write_all(part.as_bytes()).await.unwrap();
    }
    app.client().get("/api/v1/health").await.expect(200);
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    for path in ["/api/v1/health/live", "/api/v1/nothing", "/api/v1/products?limit=1"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream, request.as_bytes()).await.is_some(), "{path}");
    }
}

#[tokio::test]
async fn many_callers_at_once_are_all_answered() {
    let app = TestApp::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..300 {
        // Each on a connection of its own.
        let api = app.client();
        calls.spawn(async move {
            match number % 3 {
                0 => api.get("/api/v1/products?limit=1").await.expect(200),
                1 => api.get("/api/v1/nothing").await.expect(404),
                _ => api.post("/api/v1/voice/command").json(&serde_json::json!({ "text": "help" })).await.expect(200),
            }
        });
    }
    assert_eq!(calls.join_all().await.len(), 300);
}
