//! Shoppers, staff, payments and time at once, in processes that die at random calls of their stores. Whatever
//! happened, in the end the pieces are where the orders say, and no piece was made, lost or promised twice.

use std::collections::BTreeMap;

use chrono::Duration;
use futures_util::future::join_all;
use pravis::ordering::order::{Order, Status};
use pravis::ordering::stock::Step;
use pravis::ports::clock::Clock;
use pravis::ports::documents::{Filter, Query, Scope};
use pravis::types::ProductId;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::payments::{KEY, SETTINGS, signature};
use super::stock::{figures, set};
use super::{address, id, invoke, products};
use crate::support::app::{Person, TestApp};
use crate::support::steps::{Steps, stepped};

const CASES: u32 = 16;
const INITIAL: u32 = 4;

/// What somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Put {
        product: usize,
        quantity: u32,
    },
    /// Orders the cart, or `times` it again.
    OrderCart {
        online: bool,
        times: usize,
    },
    Cancel,
    /// The provider tells of the last order, `times` it.
    Pay {
        succeeded: bool,
        times: usize,
    },
    /// The staff brings the last order on.
    Bring {
        to: usize,
    },
    /// Minutes pass, and the timer looks after the orders.
    Wait {
        minutes: i64,
    },
}

/// A deed, and after how many calls of the stores its process dies.
type Fate = (Deed, Option<usize>);

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..2_usize, 1..3_u32).prop_map(|(product, quantity)| Deed::Put { product, quantity }),
        5 => (any::<bool>(), 1..3_usize).prop_map(|(online, times)| Deed::OrderCart { online, times }),
        2 => Just(Deed::Cancel),
        3 => (prop::bool::weighted(0.7), 1..3_usize).prop_map(|(succeeded, times)| Deed::Pay { succeeded, times }),
        3 => (0..5_usize).prop_map(|to| Deed::Bring { to }),
        1 => (1..40_i64).prop_map(|minutes| Deed::Wait { minutes }),
    ]
}

fn script() -> impl Strategy<Value = Vec<Fate>> {
    prop::collection::vec((deed(), prop::option::weighted(0.4, 0..30_usize)), 4..14)
}

/// Pieces that somebody put in: for certain, and perhaps, where the process died over it.
#[derive(Clone, Copy, Debug, Default)]
struct PutIn {
    certain: u32,
    perhaps: u32,
}

struct Shop<'a> {
    app: &'a TestApp,
    staff: Person,
    products: Vec<ProductId>,
}

impl Shop<'_> {
    async fn play(&self, shopper: &Person, script: &[Fate]) -> PutIn {
        let mut put_in = PutIn::default();
        for (deed, dies) in script {
            let state = match dies {
                Some(calls) => stepped(self.app, &Steps::fail_from(*calls)).await,
                None => self.app.state.clone(),
            };
            let call = async |function: &str, by: &Person, id: &str, body: Value| {
                invoke(self.app, &state, function, by, id, &[], &body).await
            };
            match deed {
                Deed::Put { product, quantity } => {
                    let asked = json!({ "productId": self.products[*product], "quantity": quantity });
                    match call("ShopCartItemsAdd", shopper, "", asked).await {
                        Ok(_) => put_in.certain += quantity,
                        Err(error) if error.field_errors().is_empty() => put_in.perhaps += quantity,
                        Err(_) => {}
                    }
                }
                Deed::OrderCart { online, times } => {
                    let method = if *online { "online" } else { "onDelivery" };
                    let asked = json!({ "shippingAddress": address(), "paymentMethod": method });
                    let calls = (0..*times).map(|_| call("ShopOrdersCreate", shopper, "", asked.clone()));
                    join_all(calls).await;
                }
                Deed::Cancel => {
                    if let Some(order) = self.last(shopper).await {
                        let _ = call("ShopOrdersCancel", shopper, order.id.as_str(), json!({})).await;
                    }
                }
                Deed::Pay { succeeded, times } => {
                    let Some(order) = self.last(shopper).await else { continue };
                    let news = self.news(shopper, &order, *succeeded);
                    let now = self.app.clock.now().timestamp();
                    let headers = [("x-payment-signature", signature(KEY, now, &news.to_string()))];
                    let calls = (0..*times)
                        .map(|_| invoke(self.app, &state, "ShopPaymentsWebhook", shopper, "", &headers, &news));
                    join_all(calls).await;
                }
                Deed::Bring { to } => {
                    let Some(order) = self.last(shopper).await else { continue };
                    let to = ["packed", "shipped", "delivered", "cancelled", "returned"][*to];
                    let _ = call("ShopAdminOrdersMove", &self.staff, order.id.as_str(), json!({ "to": to })).await;
                }
                Deed::Wait { minutes } => {
                    self.app.clock.advance(Duration::minutes(*minutes));
                    self.app.tick("ShopOrdersReconcile").await;
                }
            }
        }
        put_in
    }

    fn news(&self, shopper: &Person, order: &Order, succeeded: bool) -> Value {
        use base64::Engine;
        let reference = format!("pravis/{}/{}", shopper.id, order.id);
        json!({
            "id": format!("evt_{}_{succeeded}", order.id),
            "type": if succeeded { "payment.succeeded" } else { "payment.failed" },
            "reference": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(reference),
            "amountPaise": order.totals.total, "currency": "INR",
        })
    }

    /// Everybody's orders, also those that are no orders yet.
    async fn orders(&self, of: Option<&Person>) -> Vec<Order> {
        let kinds = vec![json!(Order::KIND), json!(Order::DRAFT)];
        let query = Query { filters: vec![Filter::In("kind", kinds)], limit: 1000, ..Query::default() };
        let page = self.app.state.documents.query(&pravis::containers::CUSTOMERS, Scope::Container, query).await;
        let found = page.unwrap().items.into_iter();
        let own = found.filter(|found| of.is_none_or(|person| found.partition.0[1] == person.id.as_str()));
        own.map(|document| document.read().unwrap()).collect()
    }

    async fn last(&self, shopper: &Person) -> Option<Order> {
        let orders = self.orders(Some(shopper)).await.into_iter();
        orders.filter(|order| order.status.is_shown()).max_by_key(|order| order.id.clone())
    }

    /// What holds when nothing is open any more.
    async fn check(&self, shoppers: &[Person], put_in: &[PutIn]) {
        let orders = self.orders(None).await;
        for order in &orders {
            assert_eq!(order.attention_at, None, "{order:?}");
            assert_ne!(order.status, Status::Placing, "{order:?}");
        }
        for product in &self.products {
            let stock = figures(self.app, product).await;
            let mut held: BTreeMap<&str, u64> = BTreeMap::new();
            for order in &orders {
                let pieces = order.pieces().into_iter().find(|(known, _)| *known == product).map_or(0, |(_, n)| n);
                let place = match order.status.stock() {
                    Step::Reserve => "reserved",
                    Step::Sell => "sold",
                    Step::Release => "free",
                };
                *held.entry(place).or_default() += u64::from(pieces);
            }
            let of = |place| held.get(place).copied().unwrap_or_default();
            assert_eq!((u64::from(stock.reserved), stock.sold), (of("reserved"), of("sold")), "{orders:#?}");
            assert_eq!(u64::from(stock.on_hand) + stock.sold, u64::from(INITIAL));
            assert!(stock.reserved <= stock.on_hand);
        }
        for (shopper, put_in) in shoppers.iter().zip(put_in) {
            let own = self.orders(Some(shopper)).await;
            let ordered = own.iter().filter(|order| order.status.is_shown()).flat_map(|order| &order.lines);
            let ordered: u32 = ordered.map(|line| line.quantity).sum();
            let cart = shopper.get("/api/v1/cart").await.expect(200).json()["itemCount"].as_u64().unwrap();
            let all = u64::from(ordered) + cart;
            let (least, most) = (u64::from(put_in.certain), u64::from(put_in.certain + put_in.perhaps));
            assert!((least..=most).contains(&all), "{all} pieces of {put_in:?}: {own:#?}");
        }
    }
}

async fn case(scripts: Vec<Vec<Fate>>) {
    let app = TestApp::start_idle(&SETTINGS).await;
    // Cheap enough to be paid on delivery.
    let cheap = products(&app, "sort=price-low&limit=2").await;
    let shop = Shop { app: &app, staff: app.staff().await, products: cheap.iter().map(id).collect() };
    for product in &shop.products {
        set(&app, product, INITIAL).await.expect(200);
    }
    let mut shoppers = Vec::new();
    for _ in &scripts {
        shoppers.push(app.customer().await);
    }
    let played = join_all(shoppers.iter().zip(&scripts).map(|(shopper, script)| shop.play(shopper, script))).await;
    // All that is open comes to its end.
    for _ in 0..2 {
        app.clock.advance(Duration::minutes(45));
        app.tick("ShopOrdersReconcile").await;
    }
    // The clock went on, and tokens end sooner.
    let mut again = Vec::new();
    for shopper in shoppers {
        again.push(signed_in_again(&app, shopper).await);
    }
    shop.check(&again, &played).await;
}

async fn signed_in_again(app: &TestApp, person: Person) -> Person {
    let token = app.state.keys.sign(&person.principal, app.clock.now()).unwrap().token;
    person.with_fresh(token)
}

#[test]
fn whatever_happens_no_piece_is_made_or_lost_or_promised_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases: CASES, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let scripts = prop::collection::vec(script(), 1..4);
    let outcome = runner.run(&scripts, |scripts| {
        let told = format!("{scripts:?}");
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(case(scripts))));
        played.map_err(|_| TestCaseError::fail(told))
    });
    outcome.unwrap();
}
