//! Orders that are paid before they are sent, and the provider's news.

use aws_lc_rs::hmac;
use chrono::Duration;
use pravis::error::Code;
use pravis::ports::clock::Clock;
use serde_json::{Value, json};

use super::address;
use super::stock::{figures, product_with};
use crate::support::app::{Person, TestApp};
use crate::support::client::Answer;

pub const KEY: &str = "whsec-kalamkari";
pub const SETTINGS: [(&str, &str); 2] =
    [("PRAVIS_PAYMENT_PAGE", "https://pay.example/pravis"), ("PRAVIS_SECRET_PAYMENT_WEBHOOK_KEY", KEY)];

/// An order that waits for its payment.
struct Awaited {
    id: String,
    reference: String,
    total: u64,
}

async fn order_online(customer: &Person, product: &pravis::types::ProductId) -> Awaited {
    let asked =
        json!({ "items": [{ "id": product, "quantity": 2 }], "shippingAddress": address(), "paymentMethod": "online" });
    let body = customer.post("/api/v1/orders").json(&asked).await.expect(201).json();
    let order = &body["order"];
    assert_eq!((&order["status"], &order["payment"]["status"]), (&json!("placed"), &json!("awaited")));
    let page: url::Url = order["payment"]["page"].as_str().unwrap().parse().unwrap();
    let query: std::collections::BTreeMap<_, _> = page.query_pairs().into_owned().collect();
    let total = order["totalPaise"].as_u64().unwrap();
    assert_eq!((page.host_str(), query["amountPaise"].as_str()), (Some("pay.example"), total.to_string().as_str()));
    Awaited { id: body["orderId"].as_str().unwrap().to_owned(), reference: query["reference"].clone(), total }
}

fn news(order: &Awaited, id: &str, kind: &str) -> Value {
    json!({ "id": id, "type": kind, "reference": order.reference, "amountPaise": order.total, "currency": "INR" })
}

pub fn signature(key: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

async fn send(app: &TestApp, news: &Value) -> Answer {
    let body = news.to_string();
    let signature = signature(KEY, app.clock.now().timestamp(), &body);
    send_signed(app, &signature, body).await
}

async fn send_signed(app: &TestApp, signature: &str, body: String) -> Answer {
    let call = app.client().post("/api/v1/payments/webhook").header("x-payment-signature", signature);
    call.body("application/json", body).await
}

#[tokio::test]
async fn what_is_paid_is_confirmed_once() {
    let app = TestApp::start_idle(&SETTINGS).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    let order = order_online(&customer, &product).await;
    for _ in 0..2 {
        let heard = send(&app, &news(&order, "evt_1", "payment.succeeded")).await.expect(200).json();
        assert_eq!(heard, json!({ "orderId": order.id, "status": "confirmed", "payment": "paid" }));
    }
    assert_eq!(figures(&app, &product).await.free(), 3);
    // The time for paying passes, and nothing happens to it.
    app.clock.advance(Duration::minutes(40));
    app.tick("ShopOrdersReconcile").await;
    let seen = app.staff().await.get(&format!("/api/v1/admin/orders/{}", order.id)).await.expect(200).json();
    assert_eq!((&seen["status"], &seen["payment"]["page"]), (&json!("confirmed"), &json!(null)));
    // A second payment is paid back, and so is the first when the order is cancelled.
    let twice = send(&app, &news(&order, "evt_2", "payment.succeeded")).await.expect(200).json();
    assert_eq!(twice["payment"], "paid");
    let asked = json!({ "to": "cancelled" });
    let path = format!("/api/v1/admin/orders/{}/transitions", order.id);
    let cancelled = app.staff().await.post(&path).json(&asked).await.expect(200).json();
    assert_eq!(cancelled["payment"]["status"], "refundDue");
}

#[tokio::test]
async fn what_is_not_paid_is_cancelled_and_free_again() {
    let app = TestApp::start_idle(&SETTINGS).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    let failed = order_online(&customer, &product).await;
    let heard = send(&app, &news(&failed, "evt_1", "payment.failed")).await.expect(200).json();
    assert_eq!(heard, json!({ "orderId": failed.id, "status": "cancelled", "payment": "failed" }));
    assert_eq!(figures(&app, &product).await.free(), 5);
    let late = order_online(&customer, &product).await;
    app.clock.advance(Duration::minutes(29));
    app.tick("ShopOrdersReconcile").await;
    assert_eq!(figures(&app, &product).await.free(), 3);
    app.clock.advance(Duration::minutes(2));
    assert!(app.tick("ShopOrdersReconcile").await.starts_with("1 "));
    assert_eq!(figures(&app, &product).await.free(), 5);
    assert!(app.tick("ShopOrdersReconcile").await.starts_with("0 "));
    // Money that comes after all is the customer's.
    let heard = send(&app, &news(&late, "evt_2", "payment.succeeded")).await.expect(200).json();
    assert_eq!(heard, json!({ "orderId": late.id, "status": "cancelled", "payment": "refundDue" }));
    assert_eq!(figures(&app, &product).await.free(), 5);
}

#[tokio::test]
async fn news_that_the_provider_did_not_send_now_is_refused() {
    let app = TestApp::start_idle(&SETTINGS).await;
    let customer = app.customer().await;
    let product = product_with(&app, 5).await;
    let order = order_online(&customer, &product).await;
    let now = app.clock.now().timestamp();
    let body = news(&order, "evt_1", "payment.succeeded").to_string();
    let good = signature(KEY, now, &body);
    for bad in [
        signature("another key", now, &body),
        signature(KEY, now - 301, &body),
        signature(KEY, now + 301, &body),
        signature(KEY, now, "another body"),
        good.replace("t=", "t=1"),
        good[..good.len() - 2].to_owned(),
        String::new(),
        "t=,v1=".to_owned(),
    ] {
        let refused = send_signed(&app, &bad, body.clone()).await;
        assert_eq!(refused.refused_fields(), ["X-Payment-Signature"], "{bad}");
    }
    let unsigned = app.client().post("/api/v1/payments/webhook").body("application/json", body.clone()).await;
    assert_eq!(unsigned.refused_fields(), ["X-Payment-Signature"]);
    let mut wrong = news(&order, "evt_1", "payment.succeeded");
    wrong["amountPaise"] = json!(1);
    send(&app, &wrong).await.problem(409, Code::Conflict);
    wrong = news(&order, "evt_1", "payment.maybe");
    assert_eq!(send(&app, &wrong).await.refused_fields(), ["type"]);
    wrong = news(&order, "evt_1", "payment.succeeded");
    wrong["reference"] = json!("cHJhdmlz");
    send(&app, &wrong).await.problem(404, Code::NotFound);
    let seen = customer.get(&format!("/api/v1/orders/{}", order.id)).await.expect(200).json();
    assert_eq!(seen["payment"]["status"], "awaited");
    send_signed(&app, &good, body).await.expect(200);
    // Where no key is set, nobody is the provider.
    let other = TestApp::start_idle(&[]).await;
    let refused = send(&other, &news(&order, "evt_1", "payment.succeeded")).await;
    assert_eq!(refused.refused_fields(), ["X-Payment-Signature"]);
}

#[tokio::test]
async fn dear_orders_are_paid_in_advance_where_that_can_be_done() {
    let app = TestApp::start_idle(&SETTINGS).await;
    let customer = app.customer().await;
    let dear = super::products(&app, "minPrice=10001&limit=1").await;
    let asked = json!({ "items": [{ "id": super::id(&dear[0]) }], "shippingAddress": address() });
    assert_eq!(customer.post("/api/v1/orders").json(&asked).await.refused_fields(), ["paymentMethod"]);
    let other = TestApp::start_idle(&[]).await;
    other.customer().await.post("/api/v1/orders").json(&asked).await.expect(201);
}
