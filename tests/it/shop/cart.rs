//! Carts of customers and strangers.

use std::sync::Arc;

use futures_util::future::join_all;
use pravis::containers::CATALOGUE;
use pravis::error::Code;
use pravis::ports::documents::{NewDocument, PartitionKey};
use pravis::types::ProductId;
use serde_json::{Value, json};

use super::stock::{product_with, set};
use super::{id, invoke, products, put_in};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::steps::{Steps, stepped};

const CART: &str = "/api/v1/cart";

async fn cart(caller: &Client) -> Value {
    caller.get(CART).await.expect(200).json()
}

fn line(cart: &Value, position: usize) -> String {
    format!("{CART}/items/{}", cart["items"][position]["id"].as_str().unwrap())
}

/// Writes fields of a product over, and has the catalogue read anew; `None` deletes it.
async fn alter(app: &TestApp, product: &ProductId, fields: Option<Value>) {
    let partition = PartitionKey::of(["pravis", "product"]);
    let documents = &app.state.documents;
    let read = documents.read(&CATALOGUE, &partition, product.as_str()).await.unwrap().unwrap();
    match fields {
        None => {
            let any = pravis::ports::Condition::None;
            documents.delete(&CATALOGUE, &partition, product.as_str(), any).await.unwrap();
        }
        Some(fields) => {
            let mut body: Value = read.read().unwrap();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let document = NewDocument::new(product.as_str(), &body).unwrap();
            documents.upsert(&CATALOGUE, &partition, document).await.unwrap();
        }
    }
    app.changed("ShopCatalogueChanged", vec![json!({ "tenantId": "pravis" })]).await;
}

#[tokio::test]
async fn things_go_in_and_out() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let empty = cart(&customer).await;
    assert_eq!((&empty["items"], &empty["total"], &empty["canCheckOut"]), (&json!([]), &json!(0.0), &json!(false)));
    let kurta = products(&app, "category=kurtas&limit=1").await.remove(0);
    let put = async |size: &str, quantity: u32| {
        let asked = json!({ "id": id(&kurta), "size": size, "quantity": quantity, "price": 1 });
        customer.post("/api/v1/cart/items").json(&asked).await
    };
    let sizes: Vec<&str> = kurta["sizes"].as_array().unwrap().iter().map(|size| size.as_str().unwrap()).collect();
    put(&sizes[0].to_lowercase(), 1).await.expect(200);
    put(sizes[1], 2).await.expect(200);
    let seen = put(sizes[0], 1).await.expect(200).json();
    let quantities: Vec<&Value> = seen["items"].as_array().unwrap().iter().map(|line| &line["quantity"]).collect();
    assert_eq!(quantities, [2, 2], "the same size is the same line");
    assert_eq!(seen["items"][0]["pricePaise"], kurta["pricePaise"]);
    let goods = kurta["pricePaise"].as_u64().unwrap() * 4;
    let shipping = if goods < 200_000 { 9_900 } else { 0 };
    assert_eq!((&seen["subtotalPaise"], &seen["totalPaise"]), (&json!(goods), &json!(goods + shipping)));
    assert_eq!(seen["total"].as_f64().unwrap(), (goods + shipping) as f64 / 100.0);
    assert_eq!((&seen["tax"], &seen["currency"], &seen["itemCount"]), (&json!(0.0), &json!("INR"), &json!(4)));
    let fewer = customer.put(&line(&seen, 0)).json(&json!({ "quantity": 1 })).await.expect(200).json();
    assert_eq!(fewer["items"][0]["quantity"], 1);
    let gone = customer.put(&line(&seen, 0)).json(&json!({ "quantity": 0 })).await.expect(200).json();
    assert_eq!(gone["items"].as_array().unwrap().len(), 1);
    customer.delete(&line(&seen, 0)).await.problem(404, Code::NotFound);
    let one = customer.delete(&line(&gone, 0)).await.expect(200).json();
    assert_eq!(one["items"], json!([]));
    put(sizes[0], 1).await.expect(200);
    assert_eq!(customer.delete(CART).await.expect(200).json()["items"], json!([]));
    assert_eq!(cart(&customer).await["items"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_put_in_is_refused_by_name() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let kurta = id(&products(&app, "category=kurtas&limit=1").await[0]);
    let put = async |asked: Value| customer.post("/api/v1/cart/items").json(&asked).await;
    for (asked, field) in [
        (json!({ "quantity": 1 }), "productId"),
        (json!({ "productId": kurta, "quantity": 0 }), "quantity"),
        (json!({ "productId": kurta, "quantity": 21 }), "quantity"),
        (json!({ "productId": kurta, "quantity": 1.5 }), "quantity"),
        (json!({ "productId": kurta, "size": "XXXXL" }), "size"),
        (json!({ "productId": kurta, "color": "octarine" }), "color"),
    ] {
        assert_eq!(put(asked.clone()).await.refused_fields(), [field], "{asked}");
    }
    for nothing in [json!("prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S"), json!("1"), json!("../x")] {
        put(json!({ "productId": nothing })).await.problem(404, Code::NotFound);
    }
    put_in(&customer, &kurta, 20).await.expect(200);
    assert_eq!(put_in(&customer, &kurta, 1).await.refused_fields(), ["quantity"]);
    let many = products(&app, "limit=60").await;
    let others: Vec<&Value> = many.iter().filter(|product| id(product) != kurta).collect();
    for product in &others[..49] {
        put_in(&customer, &id(product), 1).await.expect(200);
    }
    put_in(&customer, &id(others[49]), 1).await.problem(409, Code::Conflict);
    let bad = app.client().get(CART).header("x-cart-id", "gct_guess").await;
    assert_eq!(bad.refused_fields(), ["X-Cart-Id"]);
}

#[tokio::test]
async fn a_version_that_is_named_is_the_only_one_that_changes() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    let asked = json!({ "productId": product });
    let put = async |tag: &str| customer.post("/api/v1/cart/items").header("if-match", tag).json(&asked).await;
    let empty = customer.get(CART).await.expect(200);
    let first = put(empty.header("etag")).await.expect(200);
    put(empty.header("etag")).await.problem(412, Code::PreconditionFailed);
    put("\"nonsense\"").await.problem(412, Code::PreconditionFailed);
    let shown = customer.get(CART).await.expect(200);
    assert_eq!(shown.header("etag"), first.header("etag"));
    customer.get(CART).header("if-none-match", shown.header("etag")).await.expect(304);
    // Another price is another answer, and no other cart.
    alter(&app, &product, Some(json!({ "pricePaise": 123_400 }))).await;
    let dearer = customer.get(CART).header("if-none-match", shown.header("etag")).await.expect(200);
    assert_eq!(dearer.json()["items"][0]["problem"], "priceChanged");
    put(shown.header("etag")).await.expect(200);
}

#[tokio::test]
async fn lines_say_what_became_of_their_products() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let kurtas = products(&app, "category=kurtas&limit=4").await;
    for kurta in &kurtas {
        let size = kurta["sizes"][0].as_str().unwrap();
        let asked = json!({ "productId": id(kurta), "size": size, "quantity": 2 });
        customer.post("/api/v1/cart/items").json(&asked).await.expect(200);
    }
    assert_eq!(cart(&customer).await["canCheckOut"], true);
    let [gone, other_sizes, none, few] = [0, 1, 2, 3].map(|position| id(&kurtas[position]));
    alter(&app, &gone, None).await;
    alter(&app, &other_sizes, Some(json!({ "sizes": ["XXS"] }))).await;
    alter(&app, &none, Some(json!({ "stock": 0 }))).await;
    alter(&app, &few, Some(json!({ "stock": 1 }))).await;
    let seen = cart(&customer).await;
    let problems: Vec<&Value> = seen["items"].as_array().unwrap().iter().map(|line| &line["problem"]).collect();
    assert_eq!(problems, ["gone", "optionGone", "outOfStock", "notEnough"]);
    assert_eq!(seen["canCheckOut"], false);
    assert_eq!((&seen["items"][0]["price"], &seen["items"][3]["available"]), (&json!(0.0), &json!(1)));
    // What is no longer in the shop is not ordered.
    let refused = super::order_cart(&customer).await.problem(409, Code::OutOfStock);
    let short: Vec<String> = refused.shortage.unwrap().items.into_iter().map(|item| item.product_id).collect();
    assert_eq!(short, [gone.to_string(), other_sizes.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_when_many_come_at_once() {
    let app = Arc::new(TestApp::start_idle(&[]).await);
    let customer = app.customer().await;
    let many = products(&app, "limit=12").await;
    let puts = many.iter().map(|product| async { put_in(&customer, &id(product), 1).await.expect(200) });
    join_all(puts).await;
    assert_eq!(cart(&customer).await["itemCount"], 12);
    let again = many.iter().cycle().take(24).map(|product| async {
        let answer = put_in(&customer, &id(product), 1).await;
        assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:.200}");
        u64::from(answer.status == 200)
    });
    let done: u64 = join_all(again).await.into_iter().sum();
    assert_eq!(cart(&customer).await["itemCount"], 12 + done);
}

#[tokio::test]
async fn a_request_with_a_key_counts_once() {
    let app = TestApp::start_idle(&[]).await;
    let customer = app.customer().await;
    let product = product_with(&app, 9).await;
    let put = async |key: &str, quantity: u32| {
        let asked = json!({ "productId": product, "quantity": quantity });
        customer.post("/api/v1/cart/items").header("idempotency-key", key).json(&asked).await
    };
    assert_eq!(put("a", 2).await.expect(200).header("idempotent-replayed"), "");
    let again = put("a", 2).await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.json()["itemCount"]), ("true", &json!(2)));
    put("a", 3).await.problem(422, Code::IdempotencyKeyReused);
    assert_eq!(put("b", 2).await.expect(200).json()["itemCount"], 4);
}

#[tokio::test]
async fn a_stranger_has_a_cart_by_its_id_and_takes_it_to_the_account() {
    let app = TestApp::start_idle(&[]).await;
    let stranger = app.client();
    assert!(cart(&stranger).await.get("guestCartId").is_none());
    let many = products(&app, "limit=2").await;
    let (one, two) = (id(&many[0]), id(&many[1]));
    let first = put_in(&stranger, &one, 2).await.expect(200);
    let guest = first.json()["guestCartId"].as_str().unwrap().to_owned();
    assert_eq!(first.header("x-cart-id"), guest);
    let get = async |id: &str| stranger.get(CART).header("x-cart-id", id).await.expect(200).json();
    assert_eq!(get(&guest).await["itemCount"], 2);
    assert_eq!(cart(&stranger).await["itemCount"], 0, "without the id there is none");
    let asked = json!({ "productId": two });
    stranger.post("/api/v1/cart/items").header("x-cart-id", &guest).json(&asked).await.expect(200);

    let customer = app.customer().await;
    put_in(&customer, &one, 1).await.expect(200);
    let merge = async |who: &Client| {
        let asked = json!({ "guestCartId": guest });
        who.post("/api/v1/cart/merge").json(&asked).await.expect(200).json()
    };
    let merged = merge(&customer).await;
    assert_eq!(merged["itemCount"], 4);
    assert_eq!(merge(&customer).await["itemCount"], 4, "a second time there is nothing to take");
    assert_eq!(get(&guest).await["itemCount"], 0);
    assert_eq!(merge(&app.customer().await).await["itemCount"], 0);
    // An id that names nothing makes nothing under itself.
    let anew = stranger.post("/api/v1/cart/items").header("x-cart-id", &guest).json(&asked).await.expect(200).json();
    assert_ne!(anew["guestCartId"], json!(guest));
    assert_eq!(anew["itemCount"], 1);
    // What a stranger sends along does not reach into the account of who has signed in.
    let own = customer.get(CART).header("x-cart-id", anew["guestCartId"].as_str().unwrap()).await.expect(200).json();
    assert_eq!(own["itemCount"], 4);
    customer.post("/api/v1/cart/merge").json(&json!({ "guestCartId": "gct_x" })).await.refused_fields();
    stranger.post("/api/v1/cart/merge").json(&asked).await.problem(401, Code::NotAuthenticated);
}

#[tokio::test]
async fn a_merge_that_dies_anywhere_is_done_once_by_the_next() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 90).await;
    for number in 0..12 {
        let customer = app.customer().await;
        let guest = put_in(&app.client(), &product, 3).await.expect(200).json()["guestCartId"].clone();
        let steps = Steps::fail_from(number);
        let dying = stepped(&app, &steps).await;
        let asked = json!({ "guestCartId": guest });
        let outcome = invoke(&app, &dying, "ShopCartMerge", &customer, "", &[], &asked).await;
        assert_eq!(outcome.is_err(), steps.was_reached(), "{number}");
        let merged = customer.post("/api/v1/cart/merge").json(&asked).await.expect(200).json();
        assert_eq!(merged["itemCount"], 3, "{number}");
    }
}

#[tokio::test]
async fn another_boutique_has_another_cart() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 9).await;
    let customer = app.customer().await;
    put_in(&customer, &product, 1).await.expect(200);
    let rival = app.staff_of("rival").await;
    assert_eq!(cart(&rival).await["itemCount"], 0);
    put_in(&rival, &product, 1).await.problem(404, Code::NotFound);
    set(&app, &product, 3).await.expect(200);
}
