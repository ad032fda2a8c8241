//! What the operator does at the command line: the first administrator, and the next signing keys.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use pravis::identity::{KeySet, fresh_signing_key};
use pravis::ports::secrets::Secret;
use pravis::services::accounts::team;
use pravis::types::TenantId;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::app::TestApp;
use crate::support::process::{PATIENCE, command};

/// Runs the program with a text on stdin.
async fn run(arguments: &[&str], variables: &BTreeMap<String, String>, stdin: &str) -> Output {
    let place = tempfile::tempdir().unwrap();
    let mut command = command(arguments, variables, place.path());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // It may have ended without reading.
    let _ = pipe.write_all(stdin.as_bytes()).await;
    drop(pipe);
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the program ends in time").unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_administrator_is_made_beside_a_running_server() {
    let app = TestApp::start().await;
    let dir = app.state.settings.data_dir.to_string_lossy().into_owned();
    let variables = BTreeMap::from([("PRAVIS_DATA_DIR".to_owned(), dir)]);
    let create = async |email: &str, more: &[&str], stdin: &str| {
        run(&[&["admin", "create", "--email", email], more].concat(), &variables, stdin).await
    };
    let squatter = app.customer().await;
    for (email, stdin, expected) in [
        ("asha@pravis.example", "", "password"),
        ("asha@pravis.example", "short\n", "8 to 128"),
        ("nobody", "kanjivaram-9\n", "email"),
    ] {
        let refused = create(email, &[], stdin).await;
        assert!(!refused.status.success() && text(&refused).contains(expected), "{}", text(&refused));
    }
    assert!(team::members(&app.state, &TenantId::pravis()).await.unwrap().is_empty());

    let made = create("asha@pravis.example", &[], "kanjivaram-9\n").await;
    assert!(made.status.success(), "{}", text(&made));
    assert!(!text(&made).contains("kanjivaram-9"));
    let asked = json!({ "email": "asha@pravis.example", "password": "kanjivaram-9" });
    let signed_in = app.client().post("/api/v1/auth/login").json(&asked).await.expect(200).json();
    assert_eq!(signed_in["user"]["role"], "admin");
    let admin = app.client().with_token(signed_in["access_token"].as_str().unwrap());
    admin.get("/api/v1/admin/api-keys").await.expect(200);

    let second = create(&squatter.email, &[], "pochampally-7\n").await;
    assert!(!second.status.success() && text(&second).contains("administrator"), "{}", text(&second));
    squatter.get("/api/v1/auth/me").await.expect(200);
    let another = create(&squatter.email, &["--another"], "pochampally-7").await;
    assert!(another.status.success(), "{}", text(&another));
    let elsewhere = create("asha@rival.example", &["--tenant", "rival"], "kanjivaram-9").await;
    assert!(elsewhere.status.success(), "each boutique has a first one: {}", text(&elsewhere));
    assert_eq!(team::members(&app.state, &TenantId::pravis()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_next_signing_keys_are_printed_and_nothing_else_tells_them() {
    let nothing = BTreeMap::new();
    let alone = fresh_signing_key().unwrap();
    let output = run(&["keys", "rotate"], &nothing, alone.expose()).await;
    assert!(output.status.success(), "{}", text(&output));
    let document = String::from_utf8(output.stdout).unwrap();
    assert!(KeySet::parse(&Secret::new(document.clone()), "i", "a").is_ok());
    let parsed: Value = serde_json::from_str(&document).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    for entry in parsed["keys"].as_array().unwrap() {
        assert!(told.contains(entry["state"].as_str().unwrap()) && !told.contains(entry["key"].as_str().unwrap()));
    }
    let early = run(&["keys", "rotate"], &nothing, &document).await;
    assert!(!early.status.success() && early.stdout.is_empty(), "{}", text(&early));
    let revoked = run(&["keys", "rotate", "--revoke"], &nothing, &document).await;
    let next: Value = serde_json::from_slice(&revoked.stdout).unwrap();
    let states: Vec<&str> = next["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["revoked", "current", "standby"]);
    for bad in ["", "hush", r#"{"keys":[{"state":"current","key":"hush"}]}"#] {
        let refused = run(&["keys", "rotate"], &nothing, bad).await;
        assert!(!refused.status.success() && refused.stdout.is_empty() && !text(&refused).contains("hush"));
    }
}
