//! What is shown follows what authors and staff did, however their events are told.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use pravis::containers::REVIEWS;
use pravis::ports::Condition;
use pravis::ports::documents::Filter;

use super::*;

/// Every event of reviews that is in the outbox.
async fn events(app: &TestApp) -> Vec<Value> {
    let query = Query { filters: vec![Filter::Equal("kind", json!("outbox"))], limit: 1000, ..Query::default() };
    let found = app.state.documents.query(&CUSTOMERS, Scope::Container, query).await.unwrap();
    let all = found.items.iter().map(|document| document.read::<Value>().unwrap());
    all.filter(|document| document["event"]["type"].as_str().unwrap().starts_with("review.")).collect()
}

async fn documents(app: &TestApp, product: &str) -> BTreeMap<String, Value> {
    let partition = PartitionKey::of(["pravis", product]);
    let all = Query { limit: 1000, ..Query::default() };
    let found = app.state.documents.query(&REVIEWS, Scope::Partition(&partition), all).await.unwrap();
    found.items.iter().map(|document| (document.id.clone(), document.read().unwrap())).collect()
}

/// Fails unless everything that is shown of a product is what the authors' copies say.
async fn is_true(app: &TestApp, product: &str, authors: &[Person], when: &str) {
    let shown = documents(app, product).await;
    let mut counts = [0_u64; 5];
    for author in authors {
        for own in author.get(OWN).await.expect(200).json()["items"].as_array().unwrap() {
            let entry = &shown[own["id"].as_str().unwrap()];
            assert_eq!(entry["part"] == "shown", own["status"] == "approved", "{when}: {own} is {entry}");
            if entry["part"] == "shown" {
                for field in ["rating", "content", "author", "verifiedPurchase"] {
                    assert_eq!(entry[field], own[field], "{when}: {field}");
                }
                counts[own["rating"].as_u64().unwrap() as usize - 1] += 1;
            }
        }
    }
    let told: u64 = shown.values().filter(|entry| entry["part"] == "shown").count() as u64;
    assert_eq!(told, counts.iter().sum::<u64>(), "{when}: something is shown that nobody says");
    let summary = shown.get("summary").map_or(json!([0, 0, 0, 0, 0]), |summary| summary["counts"].clone());
    assert_eq!(summary, json!(counts), "{when}");
}

/// A generator of numbers that are the same each time (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
        items
    }
}

#[tokio::test]
async fn events_that_come_twice_late_and_in_any_order_leave_what_is_true() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let product = id(&product(&staff, 0).await);
    let mut numbers = Numbers(7);
    let mut authors = Vec::new();
    for _ in 0..4 {
        authors.push(app.customer().await);
    }
    for round in 0..8 {
        for author in &authors {
            let stars = numbers.below(5) as u64 + 1;
            let review = write(author, &product, stars, &format!("{stars} stars in round {round}")).await;
            match numbers.below(4) {
                0 => drop(author.delete(&format!("{OWN}/{}", id(&review))).await.expect(200)),
                1 => {}
                _ => drop(approve(&staff, &review).await),
            }
        }
        // Some of all that was ever told, in any order, some of it several times, by two hosts at once.
        let all = numbers.shuffled(&events(&app).await);
        let some = all.iter().take(all.len() / 2 + 1).cloned().collect::<Vec<_>>();
        for chunk in some.chunks(3) {
            let again = numbers.shuffled(chunk);
            join_all([app.changed("ShopReviewsProject", chunk.to_vec()), app.changed("ShopReviewsProject", again)])
                .await;
        }
    }
    let all = numbers.shuffled(&events(&app).await);
    app.changed("ShopReviewsProject", all).await;
    is_true(&app, &product, &authors, "at the end").await;
    let all = numbers.shuffled(&events(&app).await);
    assert_eq!(app.changed("ShopReviewsProject", all).await, "0 reviews followed");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_stops_nothing() {
    let app = TestApp::start_idle(&[]).await;
    let event = |kind: &str, data: Value| {
        json!({ "kind": "outbox", "id": "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "event": {
            "id": "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "type": kind, "tenantId": "pravis", "subject": "x",
            "occurredAt": "2026-01-15T06:30:00Z", "data": data,
        } })
    };
    let told = vec![
        event("review.submitted", json!({})),
        event("review.approved", json!({ "userId": "x", "reviewId": 5 })),
        event("order.delivered", json!({ "userId": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S" })),
        event("order.placed", json!({})),
        json!({ "kind": "review" }),
    ];
    assert_eq!(app.changed("ShopReviewsProject", told).await, "0 reviews followed");
}

/// The product's document.
async fn stored(app: &TestApp, product: &str) -> pravis::ports::documents::Document {
    let partition = PartitionKey::of(["pravis", "product"]);
    app.state.documents.read(&CATALOGUE, &partition, product).await.unwrap().unwrap()
}

#[tokio::test]
async fn figures_and_what_staff_writes_of_a_product_never_undo_each_other() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let before = product(&staff, 0).await;
    let product = id(&before);
    let count = before["reviewCount"].as_u64().unwrap();
    for number in 1..=6_u64 {
        let person = app.customer().await;
        let review = write(&person, &product, 1, "Poor").await;
        approve(&staff, &review).await;
        app.changed("ShopReviewsProject", events(&app).await).await;
        let summary = documents(&app, &product).await["summary"].clone();
        // Somebody changes the stock as often as they can meanwhile, in the version that they read.
        let stock = async {
            let mut written = 0;
            for _ in 0..20 {
                let document = stored(&app, &product).await;
                let mut body: serde_json::Map<String, Value> = document.read().unwrap();
                let now = body["stock"].as_u64().unwrap();
                body.insert("stock".into(), json!(now + 1));
                let partition = PartitionKey::of(["pravis", "product"]);
                let new = NewDocument::new(product.as_str(), &body).unwrap();
                let condition = Condition::IfMatch(document.etag.clone());
                written += u64::from(app.state.documents.replace(&CATALOGUE, &partition, new, condition).await.is_ok());
            }
            written
        };
        let from: u64 = stored(&app, &product).await.read::<Value>().unwrap()["stock"].as_u64().unwrap();
        let (written, _) = tokio::join!(stock, async {
            // Told again where the others win every turn, as the host does.
            let trigger = &app.registry.get("ShopReviewsSummed").unwrap().trigger;
            let pravis::function::Trigger::ChangeFeed { handler, .. } = trigger else { panic!("it hears of changes") };
            for _ in 0..50 {
                let documents = vec![summary.clone()];
                let told = pravis::function::DocumentsChanged { documents };
                if handler(app.state.clone(), told).await.is_ok() {
                    return;
                }
            }
            panic!("the figures never got their turn");
        });
        let now: Value = stored(&app, &product).await.read().unwrap();
        assert_eq!(now["stock"], from + written, "a change of the stock is lost");
        assert_eq!(now["reviewCount"], count + number);
    }
}
