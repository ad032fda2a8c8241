//! Five hundred shoppers and ten pieces.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use pravis::error::Code;
use pravis::ordering::stock::Stock;
use serde_json::json;

use super::stock::{figures, product_with};
use super::{order_cart, order_directly, put_in};
use crate::support::app::{Person, TestApp};
use crate::support::client::Answer;

const SHOPPERS: usize = 500;
const PIECES: u32 = 10;

/// One of the ways to an order.
async fn buys(shopper: &Person, product: &pravis::types::ProductId, way: usize) -> Answer {
    match way % 3 {
        0 => order_directly(shopper, product, 1).await,
        1 => {
            put_in(shopper, product, 1).await.expect(200);
            order_cart(shopper).await
        }
        _ => {
            let context = json!({ "currentProduct": product });
            let said = json!({ "text": "add this to my cart", "context": context, "apply": true });
            let answer = shopper.post("/api/v1/voice/command").json(&said).await.expect(200).json();
            assert_eq!(answer["applied"], true, "{answer}");
            order_cart(shopper).await
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_hundred_shoppers_ten_get_the_last_ten_pieces_by_whatever_way() {
    let app = Arc::new(TestApp::start_idle(&[]).await);
    let product = product_with(&app, PIECES).await;
    let people: Vec<Person> = stream::iter(0..SHOPPERS)
        .map(|_| {
            let app = app.clone();
            async move { app.person(pravis::identity::Role::Customer).await }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    let product = &product;
    let answers: Vec<Answer> = stream::iter(people.iter().enumerate())
        .map(|(way, shopper)| buys(shopper, product, way))
        .buffer_unordered(100)
        .collect()
        .await;
    let bought = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(bought, PIECES as usize);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let shortage = answer.problem(409, Code::OutOfStock).shortage.unwrap();
        assert_eq!((shortage.items[0].requested, shortage.items[0].available), (1, 0));
        assert!(!shortage.alternatives.is_empty());
    }
    assert_eq!(figures(&app, product).await, Stock { on_hand: PIECES, reserved: PIECES, sold: 0, counts: 1 });
    let list = app.staff().await.get("/api/v1/admin/orders?limit=100").await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), PIECES as usize);
}
