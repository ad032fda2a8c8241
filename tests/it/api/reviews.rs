//! Reviews: what customers write, staff decides and everybody reads.

mod followed;
mod listed;
mod refused;

use http::Method;
use pravis::containers::{CATALOGUE, CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::documents::{NewDocument, PartitionKey, Query, Scope};
use pravis::types::{OrderId, TenantId};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, eventually};
use crate::support::client::Client;

const OWN: &str = "/api/v1/users/me/reviews";
const STAFF: &str = "/api/v1/admin/reviews";

fn reviews_of(product: &str) -> String {
    format!("/api/v1/products/{product}/reviews")
}

/// A product of the samples, as the catalogue shows it.
async fn product(api: &Client, number: usize) -> Value {
    api.get("/api/v1/products?limit=100").await.expect(200).json()["products"][number].clone()
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

fn said(stars: u64, content: &str) -> Value {
    json!({ "rating": stars, "title": "As I found it", "content": content })
}

/// Writes a review; gives it.
async fn write(person: &Person, product: &str, stars: u64, content: &str) -> Value {
    let answer = person.post(&reviews_of(product)).json(&said(stars, content)).await;
    assert!(matches!(answer.status.as_u16(), 200 | 201), "{answer}");
    answer.json()["review"].clone()
}

/// The review as staff sees it.
async fn as_staff(staff: &Person, review: &Value) -> Value {
    for status in ["pending", "approved", "rejected"] {
        let listed = staff.get(&format!("{STAFF}?limit=100&status={status}")).await.expect(200).json();
        let found = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == review["id"]).cloned();
        if let Some(found) = found {
            return found;
        }
    }
    panic!("staff does not see {review}")
}

/// Has staff approve a review as it is.
async fn approve(staff: &Person, review: &Value) -> Value {
    let revision = as_staff(staff, review).await["revision"].clone();
    let path = format!("{STAFF}/{}/approve", id(review));
    staff.post(&path).json(&json!({ "revision": revision })).await.expect(200).json()
}

/// What everybody reads, once it holds so many reviews.
async fn shown(api: &Client, product: &str, count: u64) -> Value {
    eventually("the reviews that are shown", || async {
        let list = api.get(&reviews_of(product)).await.expect(200).json();
        (list["summary"]["count"] == count).then_some(list)
    })
    .await
}

/// Puts an order of a customer's into the store, as the shop keeps them.
async fn order(app: &TestApp, person: &Person, status: &str, product: &str) -> OrderId {
    let order = OrderId::generate();
    let body = json!({ "kind": "order", "status": status, "lines": [{ "productId": product, "quantity": 1 }], "createdAt": "2026-01-10T06:30:00Z" });
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let document = NewDocument::new(order.as_str(), &body).unwrap();
    app.state.documents.upsert(&CUSTOMERS, &partition, document).await.unwrap();
    order
}

#[tokio::test]
async fn a_review_is_read_by_everybody_once_staff_has_approved_it() {
    let app = TestApp::start().await;
    let (person, staff, anybody) = (app.customer().await, app.staff().await, app.client());
    let before = product(&anybody, 3).await;
    let product = id(&before);
    // The storefront says whose and of what it is, which is not believed, and drops the content type.
    let asked = json!({ "productId": "prd_other", "name": "Lakshmi R.", "email": "somebody@example.in", "rating": 2, "title": "Not for me", "content": "Two knots\r\nand <b>a stain</b>." });
    let call = person.post(&reviews_of(&product)).body("text/plain;charset=UTF-8", asked.to_string());
    let answer = call.await.expect(201);
    assert!(!answer.header("etag").is_empty());
    let answer = answer.json();
    let review = &answer["review"];
    assert_eq!(
        (&answer["success"], &review["status"], &review["productId"]),
        (&json!(true), &json!("pending"), &json!(product))
    );
    assert_eq!(review["content"], "Two knots\nand <b>a stain</b>.");
    assert_eq!(shown(&anybody, &product, 0).await["items"], json!([]));
    let waiting = as_staff(&staff, review).await;
    assert_eq!((&waiting["userId"], &waiting["flags"]), (&json!(person.id), &json!([])));
    let approved = approve(&staff, review).await;
    assert_eq!(approved["status"], "approved");
    let list = shown(&anybody, &product, 1).await;
    let expected = json!({
        "id": review["id"], "author": "Lakshmi R.", "rating": 2, "title": "Not for me",
        "content": "Two knots\nand <b>a stain</b>.", "date": "2026-01-15T06:30:00Z", "verifiedPurchase": false,
    });
    assert_eq!(list["items"], json!([expected]));
    assert_eq!(
        list["summary"],
        json!({ "average": 2.0, "count": 1, "histogram": { "1": 0, "2": 1, "3": 0, "4": 0, "5": 0 } })
    );
    assert!(!list.to_string().contains(&person.email) && !list.to_string().contains(person.id.as_str()));
    // The product's figures are what it came with and this one.
    let (rating, count) = (before["rating"].as_f64().unwrap(), before["reviewCount"].as_u64().unwrap());
    let mean = (rating * count as f64 + 2.0) / (count + 1) as f64;
    let after = eventually("the product's figures", || async {
        let seen = anybody.get(&format!("/api/v1/products/{product}")).await.expect(200).json();
        (seen["reviewCount"] == count + 1).then_some(seen)
    })
    .await;
    assert!((after["rating"].as_f64().unwrap() - mean).abs() < 0.006, "{} after {rating} of {count}", after["rating"]);
    assert_eq!(
        (&after["name"], &after["price"], &after["reviews"]),
        (&before["name"], &before["price"], &after["reviewCount"])
    );
    // Who approved it is on record, under its author.
    let record = eventually("a record", || async {
        let path = format!("/api/v1/admin/audit?action=review.approved&subject={}", person.id);
        staff.get(&path).await.expect(200).json()["items"].get(0).cloned()
    })
    .await;
    assert_eq!((&record["actor"], &record["details"]["productId"]), (&json!(staff.id), &json!(product)));
}

#[tokio::test]
async fn an_author_has_one_review_of_a_product_and_changes_it() {
    let app = TestApp::start().await;
    let (person, staff, anybody) = (app.customer().await, app.staff().await, app.client());
    let product = id(&product(&anybody, 5).await);
    let first = write(&person, &product, 5, "Lovely").await;
    assert_eq!(first["author"], "Lakshmi", "the first name where none is given");
    approve(&staff, &first).await;
    shown(&anybody, &product, 1).await;
    // The same again changes nothing.
    assert_eq!(write(&person, &product, 5, "Lovely").await["status"], "approved");
    let again = person.post(&reviews_of(&product)).json(&said(1, "It tore")).await.expect(200).json()["review"].clone();
    assert_eq!(
        (&again["id"], &again["status"], &again["createdAt"]),
        (&first["id"], &json!("pending"), &first["createdAt"])
    );
    shown(&anybody, &product, 0).await;
    approve(&staff, &again).await;
    assert_eq!(shown(&anybody, &product, 1).await["items"][0]["rating"], 1);
    let path = format!("{OWN}/{}", id(&first));
    let etag = person.get(&path).await.expect(200).header("etag").to_owned();
    let changed = person.put(&path).header("if-match", &etag).json(&said(4, "It was mended")).await.expect(200).json();
    assert_eq!((&changed["review"]["status"], &changed["review"]["rating"]), (&json!("pending"), &json!(4)));
    person.put(&path).header("if-match", &etag).json(&said(3, "late")).await.problem(412, Code::PreconditionFailed);
    person.delete(&path).header("if-match", &etag).await.problem(412, Code::PreconditionFailed);
    assert_eq!(person.get(OWN).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    approve(&staff, &first).await;
    shown(&anybody, &product, 1).await;
    person.delete(&path).await.expect(200);
    shown(&anybody, &product, 0).await;
    person.get(&path).await.problem(404, Code::NotFound);
    person.delete(&path).await.problem(404, Code::NotFound);
    person.put(&path).json(&said(3, "late")).await.problem(404, Code::NotFound);
    assert_eq!(person.get(OWN).await.expect(200).json()["items"], json!([]));
    // Written anew, it is one again, and later than what was told of the first.
    let anew = person.post(&reviews_of(&product)).json(&said(3, "Bought again")).await.expect(201).json();
    approve(&staff, &anew["review"]).await;
    assert_eq!(shown(&anybody, &product, 1).await["items"][0]["content"], "Bought again");
}

#[tokio::test]
async fn many_at_once_are_one_review() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let product = id(&product(&person, 0).await);
    let path = reviews_of(&product);
    let contents: Vec<Value> = (0..4).map(|number| said(3, &format!("version {number}"))).collect();
    let answers =
        futures_util::future::join_all(contents.iter().map(|body| person.post(&path).json(body).into_future()));
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 201 | 503)));
    assert_eq!(person.get(OWN).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    let sent = || person.post(&path).header("idempotency-key", "once").json(&said(2, "with a key"));
    let (one, two) = (sent().await.expect(200), sent().await.expect(200));
    assert_eq!((one.body, two.header("idempotent-replayed")), (two.body.clone(), "true"));
}

#[tokio::test]
async fn what_is_rejected_is_its_authors_alone_who_is_told_why() {
    let app = TestApp::start().await;
    let (person, staff, anybody) = (app.customer().await, app.staff().await, app.client());
    let product = id(&product(&anybody, 1).await);
    let review = write(&person, &product, 5, "Buy at https://elsewhere.example or call 98480 22338").await;
    let waiting = as_staff(&staff, &review).await;
    assert_eq!(waiting["flags"], json!(["link", "phone"]));
    approve(&staff, &review).await;
    shown(&anybody, &product, 1).await;
    let decision = json!({ "revision": waiting["revision"], "reason": "It advertises another shop." });
    let path = format!("{STAFF}/{}/reject", id(&review));
    for _ in 0..2 {
        assert_eq!(staff.post(&path).json(&decision).await.expect(200).json()["status"], "rejected");
    }
    shown(&anybody, &product, 0).await;
    let own = person.get(&format!("{OWN}/{}", id(&review))).await.expect(200).json();
    assert_eq!((&own["status"], &own["reason"]), (&json!("rejected"), &decision["reason"]));
    // Its author mends it, and the reason is past.
    let mended = write(&person, &product, 5, "Fine silk").await;
    assert_eq!((&mended["status"], &mended["reason"]), (&json!("pending"), &Value::Null));
    // What staff read is not what is there now.
    staff.post(&path).json(&decision).await.problem(412, Code::PreconditionFailed);
}

#[tokio::test]
async fn where_nobody_has_to_look_a_review_is_shown_at_once() {
    let app = TestApp::start_with(&[("PRAVIS_REVIEW_APPROVAL", "automatic")]).await;
    let (one, other) = (app.customer().await, app.customer().await);
    let product = id(&product(&one, 2).await);
    assert_eq!(write(&one, &product, 4, "Fine silk").await["status"], "approved");
    assert_eq!(write(&other, &product, 1, "Ask me: a@b.example").await["status"], "pending");
    assert_eq!(shown(&app.client(), &product, 1).await["items"][0]["content"], "Fine silk");
}

#[tokio::test]
async fn a_buyer_is_known_before_and_after_the_order_arrives() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let product = id(&product(&staff, 4).await);
    let [before, after, never, at_approval] =
        [app.customer().await, app.customer().await, app.customer().await, app.customer().await];
    order(&app, &before, "delivered", &product).await;
    order(&app, &never, "shipped", &product).await;
    order(&app, &never, "delivered", "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S").await;
    for (person, verified) in [(&before, true), (&after, false), (&never, false), (&at_approval, false)] {
        let review = write(person, &product, 4, "Fine silk").await;
        assert_eq!(review["verifiedPurchase"], verified);
    }
    order(&app, &at_approval, "delivered", &product).await;
    for person in [&after, &at_approval] {
        let own = person.get(OWN).await.expect(200).json()["items"][0].clone();
        let approved = approve(&staff, &own).await;
        assert_eq!(approved["verifiedPurchase"], person.id == at_approval.id);
    }
    let order = order(&app, &after, "delivered", &product).await;
    let data =
        json!({ "userId": after.id, "orderId": order, "productIds": [product, "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S"] });
    let event = json!({ "kind": "outbox", "id": "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "event": {
        "id": "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "type": "order.delivered", "tenantId": "pravis", "subject": order,
        "occurredAt": "2026-01-15T06:30:00Z", "data": data,
    } });
    for expected in ["1 reviews followed", "0 reviews followed"] {
        assert_eq!(app.changed("ShopReviewsProject", vec![event.clone()]).await, expected);
    }
    eventually("both buyers", || async {
        let list = shown(&app.client(), &product, 2).await;
        list["items"].as_array().unwrap().iter().all(|item| item["verifiedPurchase"] == true).then_some(())
    })
    .await;
}
