//! Categories and policies.

use pravis::error::Code;
use serde_json::{Value, json};

use super::{PRODUCTS, form};
use crate::support::app::{TestApp, eventually};

const CATEGORIES: &str = "/api/v1/admin/categories";
const POLICIES: &str = "/api/v1/admin/policies";

fn policy(summary: &str) -> Value {
    json!({
        "title": { "en-IN": "Shipping" }, "summary": { "en-IN": summary },
        "body": { "en-IN": "We pack on Mondays." }
    })
}

#[tokio::test]
async fn a_shop_puts_its_own_policy_in_the_place_of_the_sample() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let sample = staff.get(&format!("{POLICIES}/shipping")).await.expect(200);
    assert_eq!((&sample.json()["sample"], &sample.json()["answered"]), (&json!(true), &json!(true)));
    let put = |etag: Option<&str>, summary: &str| {
        let call = staff.put(&format!("{POLICIES}/shipping")).json(&policy(summary));
        match etag {
            Some(etag) => call.header("if-match", etag).into_future(),
            None => call.into_future(),
        }
    };
    put(None, "Ours.").await.problem(428, Code::PreconditionRequired);
    let ours = put(Some(sample.header("etag")), "Parcels leave on Mondays.").await.expect(200);
    assert_eq!((&ours.json()["sample"], &ours.json()["notice"]["en-IN"]), (&json!(false), &json!("")));
    put(Some(sample.header("etag")), "Others.").await.problem(412, Code::PreconditionFailed);
    let again = put(Some("*"), "Parcels leave on Mondays.").await.expect(200);
    assert_eq!(again.header("etag"), ours.header("etag"), "the same again changes nothing");
    let asked = json!({ "text": "how long does delivery take" });
    eventually("our own answer", || async {
        let answer = app.client().post("/api/v1/voice/command").json(&asked).await.expect(200).json();
        answer["text"].as_str().unwrap().starts_with("Parcels leave on Mondays.").then_some(())
    })
    .await;
    let hindi = json!({ "text": "डिलीवरी में कितने दिन लगते हैं" });
    let answer = app.client().post("/api/v1/voice/command").json(&hindi).await.expect(200).json();
    assert!(answer["text"].as_str().unwrap().starts_with("Parcels leave"), "{answer:.300}");
    let list = staff.get(POLICIES).await.expect(200).json();
    let samples = list["items"].as_array().unwrap().iter().filter(|policy| policy["sample"] == true).count();
    assert_eq!(samples, list["items"].as_array().unwrap().len() - 1);
}

#[tokio::test]
async fn a_new_category_takes_products_and_stands_in_the_menu() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let mut saree = form("PB-CAT-1");
    saree["category"] = json!("bags");
    assert_eq!(staff.post(PRODUCTS).json(&saree).await.refused_fields(), ["category"]);
    let bags = json!({ "name": { "en-IN": "Bags", "te-IN": "సంచులు" }, "group": "more", "position": 11 });
    let path = format!("{CATEGORIES}/bags");
    staff.get(&path).await.problem(404, Code::NotFound);
    staff.put(&path).header("if-match", "*").json(&bags).await.problem(412, Code::PreconditionFailed);
    let made = staff.put(&path).json(&bags).await.expect(201);
    assert_eq!(staff.get(&path).await.expect(200).header("etag"), made.header("etag"));
    staff.post(PRODUCTS).json(&saree).await.expect(201);
    eventually("the category in the menu", || async {
        let list = app.client().get("/api/v1/products/categories?lang=hi-IN").await.expect(200).json();
        let bags = list["categories"].as_array().unwrap().last().cloned().unwrap();
        (bags == json!({ "id": "bags", "name": "Bags", "group": "more", "count": 1 })).then_some(())
    })
    .await;
    let list = staff.get(CATEGORIES).await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 11);
}

#[tokio::test]
async fn what_is_wrong_is_told_field_by_field() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let wrong = json!({ "name": { "hi-IN": "थैले" }, "group": "A b", "position": 0, "color": "red" });
    let refused = staff.put(&format!("{CATEGORIES}/bags")).json(&wrong).await.refused_fields();
    assert_eq!(refused, ["name.en-IN", "group", "position", "color"]);
    let wrong = json!({ "title": { "en-IN": "x".repeat(101) }, "sample": true, "summary": "yes" });
    let refused = staff.put(&format!("{POLICIES}/gifts")).json(&wrong).await.refused_fields();
    assert_eq!(refused, ["title.en-IN", "summary", "body", "sample"]);
    for name in ["Bags", "a_b", "-a", "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "%2e%2e"] {
        staff.put(&format!("{CATEGORIES}/{name}")).json(&json!({})).await.problem(404, Code::NotFound);
    }
    let customer = app.customer().await;
    customer.get(POLICIES).await.problem(403, Code::NotPermitted);
    customer.put(&format!("{CATEGORIES}/bags")).json(&wrong).await.problem(403, Code::NotPermitted);
    let theirs = app.staff_of("rival").await;
    theirs.get(&format!("{POLICIES}/shipping")).await.problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_menu_has_its_bounds() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff_of("rival").await;
    for number in 0..30 {
        staff.put(&format!("{POLICIES}/topic-{number}")).json(&policy("Ours.")).await.expect(201);
    }
    staff.put(&format!("{POLICIES}/topic-30")).json(&policy("Ours.")).await.problem(409, Code::Conflict);
    staff.put(&format!("{POLICIES}/topic-0")).header("if-match", "*").json(&policy("Others.")).await.expect(200);
}
