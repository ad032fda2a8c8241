//! A product that was acknowledged is there after SIGKILL, and a file that a kill cut short is finished by sending it
//! again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::form;
use crate::support::app::PASSWORD;
use crate::support::process::{Answer, Standalone, command, eventually, request, send, sized};

const EMAIL: &str = "asha@pravis.example";
const JSON: &str = "application/json";

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

/// A file of 1,200 products, some forty batches.
fn lines(round: usize) -> String {
    (0..1_200).map(|number| format!("{}\n", form(&format!("PB-KILL-{round}-{number}")))).collect()
}

async fn import(address: SocketAddr, token: &str, round: usize) -> Option<Answer> {
    call(address, token, "application/x-ndjson", Method::POST, "admin/products/import", lines(round)).await
}

/// Whether some of a file's products are there.
async fn has_begun(address: SocketAddr, token: &str, round: usize) -> bool {
    let path = format!("admin/products?limit=1&q=kill-{round}-");
    let answer = call(address, token, JSON, Method::GET, &path, String::new()).await;
    answer.is_some_and(|answer| !answer.json::<Value>()["items"].as_array().unwrap().is_empty())
}

/// Sends a file, kills the program as soon as some of it is written, and starts it again.
async fn cut_short(mut program: Standalone, data: &Path, token: &str, round: usize) -> Standalone {
    let address = program.address;
    let begun = eventually("the first lines", async || has_begun(address, token, round).await.then_some(()));
    tokio::select! {
        _ = import(address, token, round) => {}
        () = begun => {}
    }
    program.process.kill().await;
    started(data).await
}

#[tokio::test]
async fn what_was_answered_holds_and_a_file_that_was_cut_short_is_finished() {
    let data = tempfile::tempdir().unwrap();
    administrator(data.path()).await;
    let mut program = started(data.path()).await;
    let signed_in = token(program.address).await;
    let body = form("PB-KILL-1").to_string();
    let made = call(program.address, &signed_in, JSON, Method::POST, "admin/products", body).await.unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let made: Value = made.json();

    let mut finished = 0;
    for round in 0..3 {
        program = cut_short(program, data.path(), &signed_in, round).await;
        let report: Value = import(program.address, &signed_in, round).await.unwrap().json();
        let [created, unchanged] = ["created", "unchanged"].map(|count| report[count].as_u64().unwrap());
        assert_eq!((created + unchanged, &report["refused"]), (1_200, &json!(0)));
        finished += usize::from(created > 0 && unchanged > 0);
        let again: Value = import(program.address, &signed_in, round).await.unwrap().json();
        assert_eq!(again["unchanged"], 1_200);
    }
    assert!(finished > 0, "no file was cut short");

    let path = format!("admin/products/{}", made["id"].as_str().unwrap());
    let kept = call(program.address, &signed_in, JSON, Method::GET, &path, String::new()).await.unwrap();
    assert_eq!(kept.json::<Value>(), made);
}
