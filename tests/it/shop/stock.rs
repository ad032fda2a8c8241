//! Who gets the last pieces, and what the catalogue says of them.

use std::sync::Arc;

use futures_util::future::join_all;
use pravis::containers::STOCK;
use pravis::error::Code;
use pravis::ordering::stock::{Refusal, Step, Stock};
use pravis::ports::documents::{Query, Scope};
use pravis::services::shop::stock;
use pravis::types::{OrderId, ProductId, TenantId};
use serde_json::{Value, json};

use crate::support::app::{TestApp, eventually};
use crate::support::client::Answer;
use crate::support::steps::{Steps, stepped};

/// Some product, of which there are `pieces`.
pub async fn product_with(app: &TestApp, pieces: u32) -> ProductId {
    let list = app.client().get("/api/v1/products?limit=1&inStock=true").await.expect(200).json();
    let id: ProductId = list["products"][0]["id"].as_str().unwrap().parse().unwrap();
    set(app, &id, pieces).await.expect(200);
    id
}

pub async fn set(app: &TestApp, product: &ProductId, pieces: u32) -> Answer {
    let asked = json!({ "quantity": pieces, "reason": "stocktaking" });
    app.staff().await.put(&address(product)).header("if-match", "*").json(&asked).await
}

fn address(product: &ProductId) -> String {
    format!("/api/v1/admin/products/{product}/stock")
}

pub async fn figures(app: &TestApp, product: &ProductId) -> Stock {
    stock::current(app.state.documents.as_ref(), &TenantId::pravis(), product).await.unwrap()
}

async fn step(app: &TestApp, product: &ProductId, order: &OrderId, step: Step) -> Result<Stock, Refusal> {
    stock::step(&app.state, &TenantId::pravis(), product, order, step, 1).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_the_last_pieces_as_many_get_one_as_there_are() {
    let app = Arc::new(TestApp::start_idle(&[]).await);
    let product = product_with(&app, 10).await;
    let orders: Vec<OrderId> = (0..200).map(|_| OrderId::generate()).collect();
    let tries = orders.iter().map(|order| step(&app, &product, order, Step::Reserve));
    let got: Vec<_> = join_all(tries).await;
    assert_eq!(got.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert!(got.iter().filter_map(|outcome| outcome.err()).all(|refusal| refusal == Refusal::Short { free: 0 }));
    assert_eq!(figures(&app, &product).await, Stock { on_hand: 10, reserved: 10, sold: 0, counts: 1 });
    // Whoever got one gets no second one by asking again, and gives it back once.
    let winner = orders.iter().zip(&got).find(|(_, outcome)| outcome.is_ok()).unwrap().0;
    for wanted in [Step::Reserve, Step::Sell, Step::Sell, Step::Release, Step::Release] {
        step(&app, &product, winner, wanted).await.unwrap();
    }
    assert_eq!(step(&app, &product, winner, Step::Reserve).await, Err(Refusal::Ended));
    assert_eq!(figures(&app, &product).await, Stock { on_hand: 10, reserved: 9, sold: 0, counts: 1 });
}

#[tokio::test]
async fn a_process_that_dies_anywhere_leaves_all_or_nothing_of_a_step() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 5).await;
    for number in 0..8 {
        let order = OrderId::generate();
        let steps = Steps::fail_from(number);
        let dying = stepped(&app, &steps).await;
        let outcome = stock::step(&dying, &TenantId::pravis(), &product, &order, Step::Reserve, 1).await;
        let before = figures(&app, &product).await.reserved;
        assert_eq!(before, u32::from(outcome.is_ok()), "{number}");
        step(&app, &product, &order, Step::Reserve).await.unwrap();
        assert_eq!(figures(&app, &product).await.reserved, 1, "{number}");
        step(&app, &product, &order, Step::Release).await.unwrap();
        assert_eq!(figures(&app, &product).await.free(), 5, "{number}");
    }
}

#[tokio::test]
async fn where_nobody_has_asked_yet_the_catalogue_says_how_many_there_are() {
    let app = TestApp::start_idle(&[]).await;
    let shown =
        app.client().get("/api/v1/products?limit=1&inStock=true").await.expect(200).json()["products"][0].clone();
    let product: ProductId = shown["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(figures(&app, &product).await, Stock::of(shown["stockCount"].as_u64().unwrap() as u32));
    step(&app, &product, &OrderId::generate(), Step::Reserve).await.unwrap();
    assert_eq!(u64::from(figures(&app, &product).await.free()), shown["stockCount"].as_u64().unwrap() - 1);
    let nothing = ProductId::generate();
    assert_eq!(step(&app, &nothing, &OrderId::generate(), Step::Reserve).await, Err(Refusal::Short { free: 0 }));
}

#[tokio::test]
async fn lists_follow_the_stock() {
    let app = TestApp::start().await;
    let product = product_with(&app, 1).await;
    let shows = async |count: u64| {
        let path = format!("/api/v1/products/{product}");
        eventually("the figure in the catalogue", || async {
            let shown = app.client().get(&path).await.expect(200).json();
            (shown["stockCount"] == count && shown["inStock"] == (count > 0)).then_some(())
        })
        .await;
    };
    shows(1).await;
    let order = OrderId::generate();
    step(&app, &product, &order, Step::Reserve).await.unwrap();
    shows(0).await;
    step(&app, &product, &order, Step::Release).await.unwrap();
    shows(1).await;
}

#[tokio::test]
async fn changes_told_twice_and_out_of_order_end_in_the_same_figure() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 4).await;
    let documents = async || {
        let query = Query { limit: 100, ..Query::default() };
        let page = app.state.documents.query(&STOCK, Scope::Container, query).await.unwrap();
        page.items.iter().map(|document| document.read().unwrap()).collect::<Vec<Value>>()
    };
    let old = documents().await;
    step(&app, &product, &OrderId::generate(), Step::Reserve).await.unwrap();
    let new = documents().await;
    assert!(app.changed("ShopStockChanged", new.clone()).await.starts_with("1 of 1"));
    for documents in [old.clone(), new, old] {
        assert!(app.changed("ShopStockChanged", documents).await.starts_with("0 of 1"));
    }
    app.changed("ShopCatalogueChanged", vec![json!({ "tenantId": "pravis" })]).await;
    let shown = app.client().get(&format!("/api/v1/products/{product}")).await.expect(200).json();
    assert_eq!(shown["stockCount"], 3);
}

#[tokio::test]
async fn the_staff_counts_what_is_there() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 5).await;
    let (staff, path) = (app.staff().await, address(&product));
    let seen = staff.get(&path).await.expect(200);
    let body = seen.json();
    assert_eq!((&body["onHand"], &body["available"], &body["reserved"]), (&json!(5), &json!(5), &json!(0)));
    let order = OrderId::generate();
    step(&app, &product, &order, Step::Reserve).await.unwrap();
    let put = async |tag: &str, quantity: u32, reason: &str| {
        let asked = json!({ "quantity": quantity, "reason": reason });
        staff.put(&path).header("if-match", tag).json(&asked).await
    };
    // What is set aside is no other count; what left is.
    let counted = put(seen.header("etag"), 7, "two more came").await.expect(200);
    let body = counted.json();
    assert_eq!((&body["onHand"], &body["available"], &body["reserved"]), (&json!(7), &json!(6), &json!(1)));
    let last = &body["history"][0];
    assert_eq!((&last["from"], &last["to"], &last["reason"]), (&json!(5), &json!(7), &json!("two more came")));
    assert_eq!(last["by"], staff.id.as_str());
    put(seen.header("etag"), 9, "late").await.problem(412, Code::PreconditionFailed);
    step(&app, &product, &order, Step::Sell).await.unwrap();
    put(counted.header("etag"), 9, "late").await.problem(412, Code::PreconditionFailed);
    assert_eq!(figures(&app, &product).await, Stock { on_hand: 6, reserved: 0, sold: 1, counts: 2 });
}

#[tokio::test]
async fn a_count_that_cannot_be_is_refused() {
    let app = TestApp::start_idle(&[]).await;
    let product = product_with(&app, 5).await;
    let (staff, path) = (app.staff().await, address(&product));
    staff.put(&path).json(&json!({ "quantity": 1, "reason": "x" })).await.problem(428, Code::PreconditionRequired);
    for (body, field) in [
        (json!({ "quantity": 1_000_001, "reason": "x" }), "quantity"),
        (json!({ "quantity": -1, "reason": "x" }), "quantity"),
        (json!({ "quantity": 1, "reason": " " }), "reason"),
        (json!({ "quantity": 1, "reason": "x".repeat(201) }), "reason"),
        (json!({ "quantity": 1, "reason": "a\u{0}b" }), "reason"),
    ] {
        assert_eq!(staff.put(&path).header("if-match", "*").json(&body).await.refused_fields(), [field], "{body}");
    }
    step(&app, &product, &OrderId::generate(), Step::Reserve).await.unwrap();
    set(&app, &product, 0).await.problem(409, Code::Conflict);
    let nothing = address(&ProductId::generate());
    staff.get(&nothing).await.problem(404, Code::NotFound);
    set(&app, &ProductId::generate(), 1).await.problem(404, Code::NotFound);
    // Another boutique has no such product.
    app.staff_of("rival").await.get(&path).await.problem(404, Code::NotFound);
    for _ in 0..55 {
        set(&app, &product, 5).await.expect(200);
    }
    assert_eq!(staff.get(&path).await.expect(200).json()["history"].as_array().unwrap().len(), 50);
}
