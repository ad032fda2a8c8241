//! A product that was acknowledged is there after SIGKILL, and a file that a kill cut short is finished by sending it
//! again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::form;
use crate::support::app::PASSWORD;
use crate::support::process::{Answer, Standalone, command, request, send, sized};

const EMAIL: &str = "asha@pravis.example";

/// Makes the first administrator of a data directory.
async fn administrator(data: &Path) {
    let directory = BTreeMap::from([("PRAVIS_DATA_DIR".to_owned(), data.to_str().unwrap().to_owned())]);
    let mut creating = command(&["admin", "create", "--email", EMAIL], &directory, data);
    let mut child = creating.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(PASSWORD.as_bytes()).await.unwrap();
    drop(pipe);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn started(data: &Path) -> Standalone {
    let name = BTreeMap::from([("PRAVIS_TOKEN_ISSUER".to_owned(), "https://api.example".to_owned())]);
    Standalone::start_with(data, &name).await
}

async fn call(
    address: SocketAddr,
    token: &str,
    kind: &str,
    method: Method,
    path: &str,
    body: String,
) -> Option<Answer> {
    let request = request(method, &format!("/api/v1/{path}"), "shop.example")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", kind)
        .body(sized(body));
    send(address, request.unwrap()).await.ok()
}

async fn token(address: SocketAddr) -> String {
    let asked = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let request = request(Method::POST, "/api/v1/auth/login", "shop.example");
    let request = request.header("content-type", "application/json").body(sized(asked)).unwrap();
    let signed_in: Value = send(address, request).await.unwrap().json();
    signed_in["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_answered_holds_and_a_file_that_was_cut_short_is_finished() {
    let data = tempfile::tempdir().unwrap();
    administrator(data.path()).await;
    let mut program = started(data.path()).await;
    let signed_in = token(program.address).await;
    let json = "application/json";
    let body = form("PB-KILL-1").to_string();
    let made = call(program.address, &signed_in, json, Method::POST, "admin/products", body).await.unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let made: Value = made.json();
    let lines: String = (0..600).map(|number| format!("{}\n", form(&format!("PB-KILL-A{number}")))).collect();
    let import = || ("application/x-ndjson", Method::POST, "admin/products/import");

    let mut cut = 0;
    for patience in [60, 120, 200] {
        let (kind, method, path) = import();
        let sent = call(program.address, &signed_in, kind, method, path, lines.clone());
        let _ = tokio::time::timeout(Duration::from_millis(patience), sent).await;
        program.process.kill().await;
        program = started(data.path()).await;
        let path = "admin/products?limit=100&q=kill-a";
        let seen: Value =
            call(program.address, &signed_in, json, Method::GET, path, String::new()).await.unwrap().json();
        cut += usize::from(!seen["items"].as_array().unwrap().is_empty());
    }
    eprintln!("killed {cut} times after some lines were written");

    let path = format!("admin/products/{}", made["id"].as_str().unwrap());
    let kept = call(program.address, &signed_in, json, Method::GET, &path, String::new()).await.unwrap();
    assert_eq!(kept.json::<Value>(), made);
    for _ in 0..2 {
        let (kind, method, path) = import();
        let report = call(program.address, &signed_in, kind, method, path, lines.clone()).await.unwrap();
        let report: Value = report.json();
        assert_eq!(report["refused"], 0);
        let done = report["created"].as_u64().unwrap() + report["unchanged"].as_u64().unwrap();
        assert_eq!(done, 600);
    }
    let (kind, method, path) = import();
    let report: Value = call(program.address, &signed_in, kind, method, path, lines).await.unwrap().json();
    assert_eq!(report["unchanged"], 600);
}
