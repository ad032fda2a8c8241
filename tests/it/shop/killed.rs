//! What was answered of carts and orders holds after SIGKILL at the next moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::address;
use crate::support::app::PASSWORD;
use crate::support::process::{Standalone, request, send, sized};

/// On a free port each time, by one name.
async fn started(data: &Path) -> Standalone {
    let name = BTreeMap::from([("PRAVIS_TOKEN_ISSUER".to_owned(), "https://api.example".to_owned())]);
    Standalone::start_with(data, &name).await
}

async fn killed_and_started(mut program: Standalone, data: &Path) -> Standalone {
    program.process.kill().await;
    started(data).await
}

async fn call(address: SocketAddr, method: Method, path: &str, token: &str, body: Value) -> Value {
    let request = request(method, &format!("/api/v1/{path}"), "shop.example")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let answer = send(address, request.body(sized(body.to_string())).unwrap()).await.unwrap();
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_cart_and_its_order_hold() {
    let data = tempfile::tempdir().unwrap();
    let program = started(data.path()).await;
    let asked = json!({ "email": "lakshmi@example.in", "password": PASSWORD });
    let register = request(Method::POST, "/api/v1/auth/register", "shop.example");
    let register = register.header("content-type", "application/json").body(sized(asked.to_string())).unwrap();
    let signed_in: Value = send(program.address, register).await.unwrap().json();
    let token = signed_in["access_token"].as_str().unwrap().to_owned();
    let list = call(program.address, Method::GET, "products?inStock=true&limit=1", &token, Value::Null).await;
    let product = list["products"][0].clone();
    let put = json!({ "productId": product["id"] });
    call(program.address, Method::POST, "cart/items", &token, put).await;

    let program = killed_and_started(program, data.path()).await;
    let cart = call(program.address, Method::GET, "cart", &token, Value::Null).await;
    assert_eq!(cart["itemCount"], 1);
    let order = json!({ "shippingAddress": address() });
    let placed = call(program.address, Method::POST, "orders", &token, order.clone()).await;

    let program = killed_and_started(program, data.path()).await;
    let path = format!("orders/{}", placed["orderId"].as_str().unwrap());
    let seen = call(program.address, Method::GET, &path, &token, Value::Null).await;
    assert_eq!(seen, placed["order"]);
    // Sent again, it is the same order.
    let again = call(program.address, Method::POST, "orders", &token, order).await;
    assert_eq!(again["orderId"], placed["orderId"]);
    call(program.address, Method::POST, &format!("{path}/cancel"), &token, json!({})).await;

    let program = killed_and_started(program, data.path()).await;
    let seen = call(program.address, Method::GET, &path, &token, Value::Null).await;
    assert_eq!(seen["status"], "cancelled");
}
