//! What the staff does with orders, and what time does.

use chrono::Duration;
use pravis::error::Code;
use pravis::ordering::stock::Stock;
use serde_json::{Value, json};

use super::order_directly;
use super::stock::{figures, product_with};
use crate::support::app::{Person, TestApp};
use crate::support::client::Answer;

async fn bring(staff: &Person, order: &str, to: &str) -> Answer {
    let path = format!("/api/v1/admin/orders/{order}/transitions");
    staff.post(&path).json(&json!({ "to": to })).await
}

async fn ordered(app: &TestApp, customer: &Person, pieces: u32) -> (String, pravis::types::ProductId) {
    let product = product_with(app, 5).await;
    let placed = order_directly(customer, &product, pieces).await.expect(201).json();
    (placed["orderId"].as_str().unwrap().to_owned(), product)
}

#[tokio::test]
async fn an_order_goes_its_way_and_the_stock_with_it() {
    let app = TestApp::start_idle(&[]).await;
    let (customer, staff) = (app.customer().await, app.staff().await);
    let (order, product) = ordered(&app, &customer, 2).await;
    let stock = |on_hand, reserved, sold| Stock { on_hand, reserved, sold, counts: 1 };
    for (to, expected) in [
        ("packed", stock(5, 2, 0)),
        ("shipped", stock(3, 0, 2)),
        ("shipped", stock(3, 0, 2)),
        ("delivered", stock(3, 0, 2)),
        ("returned", stock(5, 0, 0)),
    ] {
        let moved = bring(&staff, &order, to).await.expect(200).json();
        assert_eq!(moved["status"], to);
        assert_eq!(figures(&app, &product).await, expected, "{to}");
    }
    let seen = customer.get(&format!("/api/v1/orders/{order}")).await.expect(200).json();
    let steps: Vec<&Value> = seen["history"].as_array().unwrap().iter().map(|step| &step["status"]).collect();
    assert_eq!(steps, ["placed", "confirmed", "packed", "shipped", "delivered", "returned"]);
    bring(&staff, &order, "packed").await.problem(409, Code::Conflict);
}

#[tokio::test]
async fn only_the_staff_moves_orders_and_only_forward() {
    let app = TestApp::start_idle(&[]).await;
    let (customer, staff) = (app.customer().await, app.staff().await);
    let (order, product) = ordered(&app, &customer, 1).await;
    bring(&customer, &order, "packed").await.problem(403, Code::NotPermitted);
    bring(&app.staff_of("rival").await, &order, "packed").await.problem(404, Code::NotFound);
    for to in ["shipped", "delivered", "returned"] {
        bring(&staff, &order, to).await.problem(409, Code::Conflict);
    }
    let path = format!("/api/v1/admin/orders/{order}/transitions");
    staff.post(&path).json(&json!({ "to": "lost" })).await.refused_fields();
    let seen = staff.get(&format!("/api/v1/admin/orders/{order}")).await.expect(200);
    bring(&staff, &order, "packed").await.expect(200);
    let asked = json!({ "to": "cancelled", "reason": "a stain" });
    staff.post(&path).header("if-match", seen.header("etag")).json(&asked).await.problem(412, Code::PreconditionFailed);
    let cancel = format!("/api/v1/orders/{order}/cancel");
    let refused = customer.post(&cancel).await.problem(409, Code::Conflict);
    assert!(refused.detail.contains("packed"), "{}", refused.detail);
    staff.post(&path).json(&asked).await.expect(200);
    assert_eq!(figures(&app, &product).await.free(), 5);
}

#[tokio::test]
async fn the_staff_sees_the_orders_of_all_customers_of_its_boutique() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let customer = app.customer().await;
        orders.insert(0, ordered(&app, &customer, 1).await.0);
        app.clock.advance(Duration::seconds(1));
    }
    let list = async |path: &str| {
        let page = staff.get(&format!("/api/v1/admin/orders{path}")).await.expect(200).json();
        let ids = page["items"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<String>>(), page["next"].as_str().map(str::to_owned))
    };
    let (first, next) = list("?limit=2").await;
    let (rest, end) = list(&format!("?limit=2&cursor={}", next.unwrap())).await;
    assert_eq!(([first, rest].concat(), end), (orders.clone(), None));
    bring(&staff, &orders[1], "packed").await.expect(200);
    assert_eq!(list("?status=packed").await.0, [orders[1].clone()]);
    staff.get("/api/v1/admin/orders?status=lost").await.refused_fields();
    let rival = app.staff_of("rival").await;
    assert_eq!(rival.get("/api/v1/admin/orders").await.expect(200).json()["items"], json!([]));
    rival.get(&format!("/api/v1/admin/orders/{}", orders[0])).await.problem(404, Code::NotFound);
}
