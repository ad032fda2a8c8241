//! Orders as their customers place, see and cancel them.

use chrono::Duration;
use pravis::error::Code;
use pravis::ordering::stock::Stock;
use pravis::types::ProductId;
use serde_json::{Value, json};

use super::stock::{figures, product_with, set};
use super::{address, id, invoke, order_cart, order_directly, products, put_in};
use crate::support::app::{Person, TestApp};
use crate::support::steps::{Steps, stepped};

fn order_id(answer: &Value) -> String {
    answer["orderId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cart_becomes_an_order() {
    let app = TestApp::start_idle(&[("PRAVIS_WHATSAPP_NUMBER", "919848012345")]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    put_in(&customer, &product, 2).await.expect(200);
    let placed = order_cart(&customer).await.expect(201);
    let body = placed.json();
    assert_eq!(body["success"], true);
    let order = &body["order"];
    assert_eq!(order["status"], "confirmed");
    assert_eq!(order["payment"], json!({ "method": "onDelivery", "status": "onDelivery", "page": null }));
    let shown = app.client().get(&format!("/api/v1/products/{product}")).await.expect(200).json();
    assert_eq!(order["items"][0]["pricePaise"], shown["pricePaise"]);
    assert_eq!(order["subtotalPaise"].as_u64().unwrap(), shown["pricePaise"].as_u64().unwrap() * 2);
    assert_eq!((&order["contact"]["postalCode"], &order["contact"]["country"]), (&json!("500001"), &json!("IN")));
    let id = order_id(&body);
    let link = order["enquiryUrl"].as_str().unwrap();
    assert!(link.starts_with("https://wa.me/919848012345?text=Hello") && link.contains(&id[4..]), "{link}");
    let link = shown["enquiryUrl"].as_str().unwrap();
    assert!(link.starts_with("https://wa.me/919848012345?text=Hello") && !link.contains(' '), "{link}");
    assert_eq!(figures(&app, &product).await.free(), 3);
    assert_eq!(customer.get("/api/v1/cart").await.expect(200).json()["items"], json!([]));
    let path = placed.header("location").to_owned();
    let seen = customer.get(&path).await.expect(200);
    assert_eq!((seen.json(), seen.header("etag")), (order.clone(), placed.header("etag")));
    let steps: Vec<&Value> = order["history"].as_array().unwrap().iter().map(|step| &step["status"]).collect();
    assert_eq!(steps, ["placed", "confirmed"]);
    let listed = customer.get("/api/v1/orders").await.expect(200).json();
    assert_eq!(listed["items"], json!([order]));
    // Nobody else has such an order.
    let other = app.customer().await;
    other.get(&path).await.problem(404, Code::NotFound);
    other.post(&format!("{path}/cancel")).await.problem(404, Code::NotFound);
    assert_eq!(other.get("/api/v1/orders").await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn the_storefronts_order_costs_what_the_catalogue_says() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    let body = order_directly(&customer, &product, 1).await.expect(201).json();
    assert!(body["success"] == true && body["orderId"].is_string(), "{body}");
    let shown = app.client().get(&format!("/api/v1/products/{product}")).await.expect(200).json();
    assert_eq!(body["order"]["items"][0]["price"], shown["price"]);
    assert_eq!(body["order"]["items"][0]["name"], shown["name"]);
    assert!(body["order"].get("enquiryUrl").is_none() && shown.get("enquiryUrl").is_none(), "no number is set");
}

#[tokio::test]
async fn a_cart_that_is_ordered_twice_is_one_order() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    put_in(&customer, &product, 1).await.expect(200);
    let first = order_id(&order_cart(&customer).await.expect(201).json());
    // The answer was lost, so the shopper clicks again.
    assert_eq!(order_id(&order_cart(&customer).await.expect(201).json()), first);
    put_in(&customer, &product, 1).await.expect(200);
    let tries = (0..8).map(|_| async { order_cart(&customer).await });
    let answers = futures_util::future::join_all(tries).await;
    let mut ids: Vec<String> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| order_id(&answer.json())).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{answers:#?}");
    assert_ne!(ids[0], first);
    assert_eq!(customer.get("/api/v1/orders").await.expect(200).json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(figures(&app, &product).await.reserved, 2);
}

#[tokio::test]
async fn a_key_makes_one_order_also_where_its_answer_was_lost() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    let mut asked = json!({ "items": [{ "productId": product, "quantity": 1 }], "shippingAddress": address() });
    let send = async |asked: &Value| customer.post("/api/v1/orders").header("idempotency-key", "k").json(asked).await;
    let first = order_id(&send(&asked).await.expect(201).json());
    let again = send(&asked).await.expect(201);
    assert_eq!((order_id(&again.json()), again.header("idempotent-replayed")), (first.clone(), "true"));
    // As if the process had died before it kept its answer.
    let query = pravis::ports::documents::Query {
        filters: vec![pravis::ports::documents::Filter::Equal("kind", json!("idempotency"))],
        ..Default::default()
    };
    let partition = pravis::containers::customer(&customer.principal.tenant, customer.id.as_str());
    let container = &pravis::containers::CUSTOMERS;
    let scope = pravis::ports::documents::Scope::Partition(&partition);
    for document in app.state.documents.query(container, scope, query).await.unwrap().items {
        let any = pravis::ports::Condition::None;
        app.state.documents.delete(container, &partition, &document.id, any).await.unwrap();
    }
    let again = send(&asked).await.expect(201);
    assert_eq!((order_id(&again.json()), again.header("idempotent-replayed")), (first, ""));
    assert_eq!(figures(&app, &product).await.reserved, 1);
    asked["items"][0]["quantity"] = json!(2);
    send(&asked).await.problem(422, Code::IdempotencyKeyReused);
}

#[tokio::test]
async fn what_is_out_of_stock_is_refused_with_what_is_like_it() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let (product, other) = {
        let many = products(&app, "limit=2").await;
        (id(&many[0]), id(&many[1]))
    };
    set(&app, &product, 1).await.expect(200);
    set(&app, &other, 5).await.expect(200);
    put_in(&customer, &other, 1).await.expect(200);
    put_in(&customer, &product, 2).await.expect(200);
    let shortage = order_cart(&customer).await.problem(409, Code::OutOfStock).shortage.unwrap();
    let short = &shortage.items[0];
    assert_eq!((shortage.items.len(), short.product_id.as_str()), (1, product.as_str()));
    assert_eq!((short.requested, short.available), (2, 1));
    assert!(!shortage.alternatives.is_empty());
    for alternative in &shortage.alternatives {
        let path = format!("/api/v1/products/{}", alternative.product_id);
        let shown = app.client().get(&path).await.expect(200).json();
        assert_eq!((&shown["inStock"], &shown["pricePaise"]), (&json!(true), &json!(alternative.price_paise)));
        assert_ne!(alternative.product_id, product.as_str());
    }
    // All or nothing: what was there of the other product is free again, and the cart is as it was.
    assert_eq!((figures(&app, &other).await.free(), figures(&app, &product).await.free()), (5, 1));
    let cart = customer.get("/api/v1/cart").await.expect(200).json();
    assert_eq!(cart["itemCount"], 3);
    assert_eq!(customer.get("/api/v1/orders").await.expect(200).json()["items"], json!([]));
    let line = cart["items"].as_array().unwrap().iter().find(|line| line["productId"] == product.as_str()).unwrap();
    let path = format!("/api/v1/cart/items/{}", line["id"].as_str().unwrap());
    customer.put(&path).json(&json!({ "quantity": 1 })).await.expect(200);
    order_cart(&customer).await.expect(201);
}

#[tokio::test]
async fn what_is_no_order_is_refused_by_name() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 30).await;
    let send = async |asked: Value| customer.post("/api/v1/orders").json(&asked).await;
    let item = json!({ "id": product });
    let mut no_pin = address();
    no_pin["postalCode"] = json!("1");
    for (asked, fields) in [
        (json!({ "items": [item], "shippingAddress": no_pin }), vec!["shippingAddress.postalCode"]),
        (json!({ "items": [item] }), vec!["name", "phone", "addressLine1", "city", "state", "postalCode"]),
        (
            json!({ "items": [{ "id": product, "quantity": 0 }], "shippingAddress": address() }),
            vec!["items[0].quantity"],
        ),
        (
            json!({ "items": [{ "id": product, "quantity": 20 }, item], "shippingAddress": address() }),
            vec!["items[1].quantity"],
        ),
        (json!({ "items": [{}], "shippingAddress": address() }), vec!["items[0].productId"]),
        (json!({ "items": vec![&item; 51], "shippingAddress": address() }), vec!["items"]),
        (json!({ "items": [item], "shippingAddress": address(), "note": "x".repeat(501) }), vec!["note"]),
        (json!({ "items": [item], "shippingAddress": address(), "paymentMethod": "online" }), vec!["paymentMethod"]),
    ] {
        assert_eq!(send(asked.clone()).await.refused_fields(), fields, "{asked}");
    }
    send(json!({ "shippingAddress": address() })).await.problem(409, Code::Conflict);
    send(json!({ "items": [], "shippingAddress": address() })).await.problem(409, Code::Conflict);
    let nothing = json!({ "id": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S" });
    send(json!({ "items": [nothing], "shippingAddress": address() })).await.problem(404, Code::NotFound);
    app.client().post("/api/v1/orders").json(&json!({})).await.problem(401, Code::NotAuthenticated);
    assert_eq!(figures(&app, &product).await.free(), 30);
}

#[tokio::test]
async fn a_customer_cancels_before_it_is_packed() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    let placed = order_directly(&customer, &product, 2).await.expect(201);
    let path = format!("{}/cancel", placed.header("location"));
    customer.post(&path).header("if-match", "\"other\"").await.problem(412, Code::PreconditionFailed);
    let reason = json!({ "reason": "wrong size" });
    let cancelled =
        customer.post(&path).header("if-match", placed.header("etag")).json(&reason).await.expect(200).json();
    assert_eq!((&cancelled["status"], &cancelled["canCancel"]), (&json!("cancelled"), &json!(false)));
    assert_eq!(cancelled["history"][2]["reason"], "wrong size");
    assert_eq!(figures(&app, &product).await, Stock { on_hand: 5, reserved: 0, sold: 0, counts: 1 });
    // Again, it is as it was.
    assert_eq!(customer.post(&path).await.expect(200).json(), cancelled);
    assert_eq!(figures(&app, &product).await.free(), 5);
    customer.post(&path).json(&json!({ "reason": "x".repeat(201) })).await.refused_fields();
}

#[tokio::test]
async fn orders_are_listed_page_by_page_the_newest_first() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 20).await;
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.insert(0, order_id(&order_directly(&customer, &product, 1).await.expect(201).json()));
        app.clock.advance(Duration::seconds(1));
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/orders?limit=2".to_owned());
    loop {
        let page = customer.get(&path).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/orders?limit=2&cursor={next}");
    }
    assert_eq!(seen, placed);
    customer.get("/api/v1/orders?limit=101").await.refused_fields();
    customer.get("/api/v1/orders?cursor=x").await.refused_fields();
}

#[tokio::test]
async fn what_is_placed_is_told_without_names() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    let placed = order_directly(&customer, &product, 2).await.expect(201);
    customer.post(&format!("{}/cancel", placed.header("location"))).await.expect(200);
    let partition = pravis::containers::customer(&customer.principal.tenant, customer.id.as_str());
    let query = pravis::ports::documents::Query {
        filters: vec![pravis::ports::documents::Filter::Equal("kind", json!("outbox"))],
        limit: 100,
        ..Default::default()
    };
    let scope = pravis::ports::documents::Scope::Partition(&partition);
    let page = app.state.documents.query(&pravis::containers::CUSTOMERS, scope, query).await.unwrap();
    let events: Vec<Value> =
        page.items.iter().map(|document| document.read::<Value>().unwrap()["event"].clone()).collect();
    let mut told: Vec<&Value> =
        events.iter().filter(|event| event["type"].as_str().unwrap().starts_with("order.")).collect();
    told.sort_by_key(|event| event["id"].to_string());
    let mut kinds: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["order.cancelled", "order.confirmed", "order.placed"]);
    for event in told {
        assert_eq!(event["data"]["pieces"], json!([{ "productId": product, "quantity": 2 }]));
        let text = event.to_string();
        for private in ["Lakshmi", "98480", "Temple", "500001"] {
            assert!(!text.contains(private), "{text}");
        }
    }
}

/// Orders the cart of a new customer in a process that dies at a call of its stores; `None` when it lived.
async fn half_placed(app: &TestApp, product: &ProductId, calls: usize) -> Option<Person> {
    let customer = app.customer().await;
    put_in(&customer, product, 2).await.expect(200);
    let steps = Steps::fail_from(calls);
    let dying = stepped(app, &steps).await;
    let asked = json!({ "shippingAddress": address() });
    let outcome = invoke(app, &dying, "ShopOrdersCreate", &customer, "", &[], &asked).await;
    assert_eq!(outcome.is_err(), steps.was_reached(), "{calls}");
    outcome.is_err().then_some(customer)
}

#[tokio::test]
async fn an_order_that_was_left_half_placed_is_finished_by_who_sends_it_again() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 1000).await;
    let mut placed = 0;
    for calls in 0.. {
        let Some(customer) = half_placed(&app, &product, calls).await else { break };
        let order = order_cart(&customer).await.expect(201).json();
        assert_eq!(order["order"]["items"][0]["quantity"], 2);
        let listed = customer.get("/api/v1/orders").await.expect(200).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{calls}");
        assert_eq!(customer.get("/api/v1/cart").await.expect(200).json()["itemCount"], 0, "{calls}");
        placed += 2;
        assert_eq!(figures(&app, &product).await.reserved, placed, "{calls}");
    }
    assert!(placed > 16, "only {placed} pieces");
}

#[tokio::test]
async fn an_order_that_nobody_sends_again_is_given_up_in_time() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 1000).await;
    let mut left = Vec::new();
    for calls in 0.. {
        let Some(customer) = half_placed(&app, &product, calls).await else { break };
        left.push(customer);
    }
    // The last of them may have been placed before its process died, and the one that lived was.
    app.clock.advance(Duration::minutes(4));
    app.tick("ShopOrdersReconcile").await;
    assert!(app.tick("ShopOrdersReconcile").await.starts_with("0 "));
    let mut reserved = 2;
    for customer in left {
        let cart = customer.get("/api/v1/cart").await.expect(200).json();
        let orders = customer.get("/api/v1/orders").await.expect(200).json()["items"].as_array().unwrap().len();
        assert_eq!(cart["itemCount"], 2 - 2 * orders);
        reserved += 2 * orders as u32;
    }
    assert_eq!(figures(&app, &product).await.reserved, reserved);
}
