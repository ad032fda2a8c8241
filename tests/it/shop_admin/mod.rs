//! The catalogue as its staff writes it.

mod entries;
mod import;
mod killed;
mod products;
mod refused;
mod seen;
mod stored;

use pravis::containers::CATALOGUE;
use pravis::ports::documents::{PartitionKey, Query, Scope};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::client::Answer;

pub const PRODUCTS: &str = "/api/v1/admin/products";

/// A form that is taken.
pub fn form(sku: &str) -> Value {
    json!({
        "sku": sku, "category": "sarees", "subcategory": "kanjivaram", "fabric": "pure silk", "weave": "kanjivaram",
        "origin": { "place": "Kanchipuram", "state": "Tamil Nadu" }, "colors": ["maroon", "gold"],
        "sizes": ["free size"], "occasions": ["wedding"], "care": ["dry clean only"], "pricePaise": 1_849_900,
        "originalPricePaise": 2_099_900, "featured": false, "isNew": true, "tags": ["zanzibari"],
        "images": ["/media/products/temple-1.webp"], "name": { "en-IN": format!("Zanzibari Kanjivaram {sku}") },
        "description": { "en-IN": "Handwoven with a temple border." }, "stock": 6
    })
}

pub async fn create(staff: &Person, sku: &str) -> Answer {
    staff.post(PRODUCTS).json(&form(sku)).await.expect(201)
}

/// The address of the product of an answer.
pub fn path(answer: &Answer) -> String {
    format!("{PRODUCTS}/{}", answer.json()["id"].as_str().unwrap())
}

/// What the partition of a tenant's products holds, under ids that begin so.
pub async fn documents(app: &TestApp, tenant: &str, begin: &str) -> Vec<Value> {
    let partition = PartitionKey::of([tenant, "product"]);
    let (mut found, mut continuation) = (Vec::new(), None);
    loop {
        let query = Query { limit: 1000, continuation, ..Query::default() };
        let page = app.state.documents.query(&CATALOGUE, Scope::Partition(&partition), query).await.unwrap();
        found.extend(page.items.iter().filter(|item| item.id.starts_with(begin)).map(|item| item.read().unwrap()));
        continuation = page.next;
        if continuation.is_none() {
            return found;
        }
    }
}
