//! Every HTTP function gets what no honest client sends. Whatever comes, it is answered in time, by a
//! success or a problem document (the client checks its form), and never as a fault of ours.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use crate::support::app::TestApp;
use crate::support::client::{Answer, Call, Client};

const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Values for parameters of a route, as they stand in the address.
const IDS: [&str; 14] = [
    "x",
    "%20",
    "%00",
    "%ff",
    "..",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S",
    "smp_01KAXQ8W0V7D3T4Z5J6N8P9R2S",
    "int_01KAXQ8W0V7D3T4Z5J6N8P9R2S",
    "smp_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S",
    "%F0%9F%A7%B5",
    "'%20OR%201=1%20--",
    "9223372036854775808",
];

const QUERIES: [&str; 27] = [
    "?",
    "&&&",
    "=",
    "%",
    "%ff=%fe",
    "limit=0",
    "limit=-1",
    "limit=99999999999999999999",
    "limit=1&limit=1",
    "limit[]=1",
    "cursor=",
    "cursor=AAAA",
    "cursor=%00",
    "cursor=MTg0NDY3NDQwNzM3MDk1NTE2MTU",
    "cursor=MTg0NDY3NDQwNzM3MDk1NTE2MTU&limit=1",
    "page=18446744073709551615",
    "page=18446744073709551615&limit=1",
    "page=18446744073709551616",
    "minPrice=inf",
    "maxPrice=-0",
    "minPrice=1e308&maxPrice=-1e308",
    "q=%25_%5C%27%22%3B--",
    "q=%F0%9F%A7%B5%E2%80%AE%00",
    "status=completed&status=rejected",
    "status=%00",
    "save_audio=maybe",
    "lang=en-IN%00",
];

const KINDS: [&str; 8] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "audio/webm",
    "text/plain",
    "application/json; charset=\"",
    "\u{7f}",
];

fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "null",
        "[]",
        "{}",
        "0",
        "\"\"",
        "{\"text\":\"\\u0000\"}",
        "{\"text\":\"\u{202e}\u{200b}\u{feff}\"}",
        "{\"text\":null,\"command\":[]}",
        "{\"email\":\"a@b.example\",\"password\":{}}",
        "{\"email\":\"\\u0000@b.example\",\"password\":\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\"}",
        "{\"contentType\":\"audio/\\r\\nx: y\"}",
        "{\"purpose\":\"voiceStorage\",\"granted\":\"yes\",\"version\":\"1\"}",
        "{\"purpose\":\"__proto__\",\"granted\":true,\"version\":\"1\"}",
        "{\"a\":1e400}",
        "{\"text\":\"x\",\"text\":\"y\"}",
        "email=a&email=b&password=c",
        "username=%ff&password=%00",
        "--b\r\ncontent-disposition: form-data; name=\"audio_file\"\r\n\r\n\r\n--b--\r\n",
        "--b\r\ncontent-disposition: form-data; name=\"audio_file\"\r\n\r\nnoise",
        "--b\r\n\r\n\r\n--b--",
        "RIFF\u{1}\u{1}\u{1}\u{1}WAVEfmt ",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push(b"\xff\xfe\x00\x01".to_vec());
    bodies.push(b"[".repeat(60_000));
    bodies.push(format!("{{\"text\":\"{}\"}}", "saree ".repeat(9_000)).into_bytes());
    bodies.push(format!("{{\"text\":\"help\",\"context\":{{\"products\":[{}1]}}}}", "1,".repeat(20_000)).into_bytes());
    bodies.push(b"x".repeat(200_000));
    bodies
}

/// Requests one after another would be slow; a few at once also mix them.
async fn send_all(calls: Vec<(String, Call)>) -> usize {
    let answers: Vec<(String, Option<Answer>)> = stream::iter(calls)
        .map(|(told, call)| async move {
            let sent = tokio::time::timeout(TIME_LIMIT, call.try_send()).await;
            // A body that was not read whole may end in a reset connection instead of an answer.
            (told.clone(), sent.unwrap_or_else(|_| panic!("no answer in time: {told}")).ok())
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let answered = answers.iter().filter(|(_, answer)| answer.is_some()).count();
    for (told, answer) in answers {
        if let Some(answer) = answer {
            // Where no speech engine is installed, that is said.
            let engineless = answer.status == 503 && told.starts_with("VoiceSpeechCreate");
            assert!(engineless || !answer.status.is_server_error(), "{told}: {answer:.300}");
        }
    }
    answered
}

fn paths(route: &str) -> Vec<String> {
    match route.split_once('{') {
        None => vec![format!("/api/{route}")],
        Some((before, rest)) => {
            let (_, after) = rest.split_once('}').unwrap();
            IDS.iter().map(|id| format!("/api/{before}{id}{after}")).collect()
        }
    }
}

async fn walk(app: &TestApp, caller: &Client) {
    let mut calls = Vec::new();
    for (name, function) in app.http_functions() {
        let method = || function.method.clone();
        let paths = paths(function.route);
        for path in &paths {
            calls.push((format!("{name} {path}"), caller.call(method(), path)));
        }
        for query in QUERIES {
            let path = format!("{}?{query}", paths[paths.len() - 1]);
            calls.push((format!("{name} {path}"), caller.call(method(), &path)));
        }
        for (number, body) in bodies().into_iter().enumerate() {
            for kind in KINDS {
                let call = caller.call(method(), &paths[0]);
                let call = if kind == "\u{7f}" { call } else { call.header("content-type", kind) };
                calls.push((format!("{name} body {number} as {kind}"), call.raw_body(body.clone())));
            }
        }
        for (header, value) in [
            ("idempotency-key", "\u{e9}"),
            ("if-match", "nonsense"),
            ("if-none-match", "W/,,\"\"\","),
            ("range", "bytes=9-1,0-18446744073709551615"),
            ("accept-language", ";;;q=,hi;q=x,*"),
            ("accept", ";q=,/,*"),
            ("x-request-id", "\u{ff}"),
            ("expect", "200-maybe"),
        ] {
            let call = caller.call(method(), &paths[0]).header(header, value);
            calls.push((format!("{name} {header}: {value}"), call));
        }
    }
    let sent = calls.len();
    let answered = send_all(calls).await;
    assert!(answered * 100 >= sent * 98, "only {answered} of {sent} were answered");
    app.client().get("/api/v1/health").await.expect(200);
}

#[tokio::test]
async fn nothing_that_a_stranger_sends_is_a_fault_of_ours() {
    let app = TestApp::start().await;
    walk(&app, &app.client()).await;
}

#[tokio::test]
async fn nothing_that_a_customer_sends_is_a_fault_of_ours() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    walk(&app, &customer).await;
}
