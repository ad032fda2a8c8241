//! The form in which things are stored, old and new, and the bounds of a catalogue.

use pravis::catalogue::Product;
use pravis::containers::CATALOGUE;
use pravis::error::Code;
use pravis::ports::documents::{NewDocument, Operation, PartitionKey};
use pravis::services::shop;
use pravis::types::TenantId;
use serde_json::{Value, json};

use super::{PRODUCTS, create, documents, form};
use crate::support::app::TestApp;

/// As the first version of the product stored it.
const OLD: &str = r#"{
    "id": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "tenantId": "pravis", "kind": "product", "sku": "PB-OLD-1",
    "category": "sarees", "subcategory": "banarasi", "fabric": "pure silk", "weave": "banarasi",
    "origin": { "place": "Varanasi", "state": "Uttar Pradesh" }, "colors": ["gold"], "sizes": ["free size"],
    "occasions": ["wedding"], "care": ["dry clean only"], "pricePaise": 1599900, "originalPricePaise": 1999900,
    "stock": 12, "rating": 4.8, "reviewCount": 124, "featured": true, "isNew": false, "addedOn": "2025-10-14",
    "tags": ["banarasi"], "images": ["/media/products/x-1.webp"],
    "name": { "en-IN": "Banarasi Silk Saree", "hi-IN": "बनारसी सिल्क साड़ी", "te-IN": "బనారసీ పట్టు చీర" },
    "description": { "en-IN": "Handwoven.", "hi-IN": "हथकरघे की।", "te-IN": "చేనేత." }
}"#;

#[test]
fn a_product_that_was_stored_before_staff_could_write_is_read() {
    let product: Product = serde_json::from_str(OLD).unwrap();
    assert_eq!((product.version, product.changed_at, product.archived_at), (0, None, None));
    // And is written again as it was.
    let mut old: Value = serde_json::from_str(OLD).unwrap();
    for field in ["tenantId", "kind"] {
        old.as_object_mut().unwrap().remove(field);
    }
    let written = serde_json::to_value(&product).unwrap();
    assert_eq!(written["name"], old["name"]);
    assert_eq!(
        written.as_object().unwrap().keys().collect::<Vec<_>>(),
        old.as_object().unwrap().keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn what_stands_beside_products_is_not_taken_for_products() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let before = shop::snapshot(&app.state, &TenantId::pravis()).await.unwrap().products().len();
    create(&staff, "PB-KEPT-1").await;
    let all = documents(&app, "pravis", "").await;
    let beside = all.iter().filter(|document| !document["id"].as_str().unwrap().starts_with("prd_")).count();
    assert_eq!(beside, (before + 1) + 3, "a claim for each, the head, an entry of history, an event");
    let catalogue = shop::snapshot(&app.state, &TenantId::pravis()).await.unwrap();
    assert_eq!(catalogue.products().len(), before + 1);
    // The samples are not planted again into a catalogue that is there.
    assert_eq!(shop::seed(app.state.documents.as_ref(), &TenantId::pravis()).await.unwrap(), 0);
}

/// Fills a catalogue to `count` products as its head counts them.
async fn counted(app: &TestApp, count: usize) {
    let partition = PartitionKey::of(["pravis", "product"]);
    let head = NewDocument::new("head", &json!({ "products": count })).unwrap();
    app.state.documents.batch(&CATALOGUE, &partition, vec![Operation::Upsert(head)]).await.unwrap();
}

#[tokio::test]
async fn a_full_catalogue_takes_no_more() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    counted(&app, 9_999).await;
    create(&staff, "PB-KEPT-2").await;
    let problem = staff.post(PRODUCTS).json(&form("PB-KEPT-3")).await.problem(409, Code::Conflict);
    assert!(problem.detail.contains("10000"), "{}", problem.detail);
    let lines = json!([form("PB-KEPT-3"), { "sku": "PB-KEPT-2", "featured": true }]);
    let report = staff.post(&format!("{PRODUCTS}/import")).json(&lines).await.expect(200).json();
    assert_eq!((&report["refused"], &report["updated"]), (&json!(1), &json!(1)), "{report}");
    counted(&app, 9_998).await;
    let lines = json!([form("PB-KEPT-4"), form("PB-KEPT-5"), form("PB-KEPT-6")]);
    let report = staff.post(&format!("{PRODUCTS}/import")).json(&lines).await.expect(200).json();
    assert_eq!((&report["created"], &report["lines"][2]["outcome"]), (&json!(2), &json!("refused")), "{report}");
}
