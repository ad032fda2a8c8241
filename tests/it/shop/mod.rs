//! Stock, carts and orders.

mod cart;
mod killed;
mod model;
mod orders;
pub mod payments;
mod race;
mod staff;
pub mod stock;
mod voice;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Method};
use pravis::http::{Body, Request};
use pravis::identity::Caller;
use pravis::state::AppState;
use pravis::types::ProductId;
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::client::{Answer, Client};

/// Somebody in Hyderabad.
pub fn address() -> Value {
    json!({
        "name": "Lakshmi Rao", "phone": "+91 98480 12345", "addressLine1": "12, Temple Street", "city": "Hyderabad",
        "state": "Telangana", "postalCode": "500001"
    })
}

/// Puts pieces of a product into the caller's cart.
pub async fn put_in(caller: &Client, product: &ProductId, quantity: u32) -> Answer {
    let asked = json!({ "productId": product, "quantity": quantity });
    caller.post("/api/v1/cart/items").json(&asked).await
}

/// Orders what is in the cart.
pub async fn order_cart(caller: &Client) -> Answer {
    caller.post("/api/v1/orders").json(&json!({ "shippingAddress": address() })).await
}

/// Orders pieces of a product as the storefront does, with prices of its own.
pub async fn order_directly(caller: &Client, product: &ProductId, quantity: u32) -> Answer {
    let item = json!({ "id": product, "name": "Saree", "price": 1, "image": "x.webp", "quantity": quantity });
    let mut asked = json!({ "items": [item], "subtotal": 1, "tax": 0.08, "total": 1.08 });
    asked.as_object_mut().unwrap().extend(address().as_object().unwrap().clone());
    caller.post("/api/v1/orders").json(&asked).await
}

/// Products in stock, as lists show them.
pub async fn products(app: &TestApp, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/products?inStock=true&{query}");
    app.client().get(&path).await.expect(200).json()["products"].as_array().unwrap().clone()
}

pub fn id(product: &Value) -> ProductId {
    product["id"].as_str().unwrap().parse().unwrap()
}

/// Calls a function past the server, in this application or one that dies; gives its answer in JSON.
pub async fn invoke(
    app: &TestApp,
    state: &AppState,
    function: &str,
    person: &Person,
    id: &str,
    headers: &[(&'static str, String)],
    body: &Value,
) -> pravis::error::Result<Value> {
    let trigger = app.registry.get(function).unwrap().http_trigger().unwrap();
    let json = (CONTENT_TYPE, "application/json".parse().unwrap());
    let given = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let request = Request {
        id: "req_1".into(),
        method: Method::POST,
        path: format!("/api/{}", trigger.route),
        params: vec![("id".into(), id.into())],
        query: String::new(),
        headers: HeaderMap::from_iter(given.chain([json])),
        caller: Caller::Known(person.principal.clone()),
        client: Default::default(),
        body: body.to_string().into(),
    };
    let response = (trigger.handler)(state.clone(), request).await?;
    let Body::Full(body) = response.into_body() else { panic!("a stream") };
    Ok(serde_json::from_slice(&body).unwrap())
}
