//! What was answered holds after SIGKILL at the next moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::support::app::PASSWORD;
use crate::support::process::{Answer, Standalone, request, send, sized};

const NEW: &str = "pochampally-7";

async fn call(address: SocketAddr, method: Method, path: &str, token: Option<&Value>, body: Value) -> Answer {
    let mut request = request(method, &format!("/api/v1/auth/{path}"), "shop.example");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {}", token.as_str().unwrap()));
    }
    let request = request.header("content-type", "application/json").body(sized(body.to_string())).unwrap();
    send(address, request).await.unwrap()
}

async fn sign_in(address: SocketAddr, password: &str) -> Answer {
    let asked = json!({ "email": "lakshmi@example.in", "password": password });
    call(address, Method::POST, "login", None, asked).await
}

async fn refresh(address: SocketAddr, signed_in: &Value) -> Answer {
    let asked = json!({ "refresh_token": signed_in["refresh_token"] });
    call(address, Method::POST, "refresh", None, asked).await
}

/// On a free port each time, by one name.
async fn started(data: &Path) -> Standalone {
    let name = BTreeMap::from([("PRAVIS_TOKEN_ISSUER".to_owned(), "https://api.example".to_owned())]);
    Standalone::start_with(data, &name).await
}

async fn killed_and_started(mut program: Standalone, data: &Path) -> Standalone {
    program.process.kill().await;
    started(data).await
}

#[tokio::test]
async fn registration_a_new_password_and_signing_out_hold() {
    let data = tempfile::tempdir().unwrap();
    let program = started(data.path()).await;
    let asked = json!({ "email": "lakshmi@example.in", "password": PASSWORD });
    let registered = call(program.address, Method::POST, "register", None, asked.clone()).await;
    assert_eq!(registered.status, 201, "{registered:?}");

    let program = killed_and_started(program, data.path()).await;
    let own: Value = registered.json();
    let other: Value = sign_in(program.address, PASSWORD).await.json();
    let again = call(program.address, Method::POST, "register", None, asked).await;
    assert_eq!(again.status, 409, "{again:?}");
    let change = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
    let changed = call(program.address, Method::PUT, "password", Some(&own["access_token"]), change).await;
    assert_eq!(changed.status, 200, "{changed:?}");

    let program = killed_and_started(program, data.path()).await;
    assert_eq!(sign_in(program.address, PASSWORD).await.status, 401);
    assert_eq!(refresh(program.address, &other).await.status, 401);
    let me = async |signed_in: &Value| {
        call(program.address, Method::GET, "me", Some(&signed_in["access_token"]), Value::Null).await.status
    };
    assert_eq!((me(&other).await.as_u16(), me(&own).await.as_u16()), (401, 200));
    let newer: Value = sign_in(program.address, NEW).await.json();
    let out = call(program.address, Method::POST, "logout", Some(&newer["access_token"]), Value::Null).await;
    assert_eq!(out.status, 200, "{out:?}");

    let program = killed_and_started(program, data.path()).await;
    assert_eq!(refresh(program.address, &newer).await.status, 401);
    let me = call(program.address, Method::GET, "me", Some(&newer["access_token"]), Value::Null).await;
    assert_eq!(me.status, 401, "{me:?}");
    assert_eq!(refresh(program.address, &own).await.status, 200);
}
