//! What is refused: forms that break a rule, callers who may not, products of others.

use http::Method;
use pravis::error::Code;
use pravis::identity::Role;
use serde_json::{Value, json};

use super::{PRODUCTS, create, form, path};
use crate::support::app::TestApp;

/// The form with one field in another way.
fn with(field: &str, value: Value) -> Value {
    let mut form = form("PB-BAD-1");
    let pointer = format!("/{}", field.replace('.', "/"));
    match form.pointer_mut(&pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            form.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    form
}

#[tokio::test]
async fn each_field_has_its_rule() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let long = |count: usize| "x".repeat(count);
    for (field, value, told) in [
        ("sku", json!("a b"), "sku"),
        ("sku", json!("-A"), "sku"),
        ("sku", json!(long(41)), "sku"),
        ("sku", json!(7), "sku"),
        ("sku", json!("सा-1"), "sku"),
        ("category", json!("carpets"), "category"),
        ("category", Value::Null, "category"),
        ("subcategory", json!(""), "subcategory"),
        ("fabric", json!("silk, cotton"), "fabric"),
        ("weave", json!(long(41)), "weave"),
        ("origin", json!("Varanasi"), "origin"),
        ("origin.place", json!(""), "origin.place"),
        ("origin.country", json!("India"), "origin"),
        ("colors", json!([]), "colors"),
        ("colors", json!("red"), "colors"),
        ("colors", json!(["red", 5]), "colors[1]"),
        ("colors", json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"]), "colors"),
        ("sizes", json!(["XXXL"]), "sizes[0]"),
        ("sizes", json!(["free size", "M"]), "sizes"),
        ("occasions", json!([""]), "occasions[0]"),
        ("care", json!(["wash\u{7}"]), "care[0]"),
        ("pricePaise", json!(0), "pricePaise"),
        ("pricePaise", json!(-5), "pricePaise"),
        ("pricePaise", json!(99.5), "pricePaise"),
        ("pricePaise", json!("100"), "pricePaise"),
        ("pricePaise", json!(1_000_000_001), "pricePaise"),
        ("originalPricePaise", json!(5), "originalPricePaise"),
        ("featured", json!("yes"), "featured"),
        ("tags", json!(vec!["t"; 21]), "tags"),
        ("images", json!(["https://elsewhere.example/x.webp"]), "images[0]"),
        ("images", json!(["/media/../secret.webp"]), "images[0]"),
        ("images", json!(["/media/x.svg"]), "images[0]"),
        ("images", json!(["/media/x.webp?y=.webp"]), "images[0]"),
        ("name", json!("A saree"), "name"),
        ("name.en-IN", json!(""), "name.en-IN"),
        ("name.en-IN", json!(long(121)), "name.en-IN"),
        ("name.fr-FR", json!("Un sari"), "name.fr-FR"),
        ("description.en-IN", json!("a\u{0}b"), "description.en-IN"),
        ("description.hi-IN", json!("सा".repeat(301)), "description.hi-IN"),
        ("stock", json!(1_000_001), "stock"),
        ("stock", json!(1.5), "stock"),
        ("rating", json!(5), "rating"),
        ("reviewCount", json!(1000), "reviewCount"),
        ("id", json!("prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S"), "id"),
        ("status", json!("archived"), "status"),
        ("discount", json!(5), "discount"),
    ] {
        let answer = staff.post(PRODUCTS).json(&with(field, value.clone())).await;
        assert_eq!(answer.refused_fields(), [told], "{field}: {value}");
    }
    staff.post(PRODUCTS).json(&json!([])).await.problem(422, Code::ValidationFailed);
    staff.post(PRODUCTS).body("text/plain", "{}").await.problem(415, Code::UnsupportedMediaType);
    staff.post(PRODUCTS).body("application/json", "{").await.problem(400, Code::MalformedRequest);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let fields = staff.post(PRODUCTS).json(&json!({ "pricePaise": 0, "colour": "red" })).await.refused_fields();
    for field in [
        "sku",
        "category",
        "fabric",
        "weave",
        "origin",
        "colors",
        "sizes",
        "pricePaise",
        "name",
        "description",
        "colour",
    ] {
        assert!(fields.iter().any(|told| told == field), "{field} is not in {fields:?}");
    }
}

#[tokio::test]
async fn what_staff_does_not_write_is_refused_with_where_it_is_written() {
    let app = TestApp::start_idle(&[]).await;
    let staff = app.staff().await;
    let made = create(&staff, "PB-BAD-2").await;
    let path = path(&made);
    let patch = async |patch: Value| {
        staff.call(Method::PATCH, &path).header("if-match", made.header("etag")).json(&patch).await
    };
    let problem = patch(json!({ "stock": 5 })).await.problem(422, Code::ValidationFailed);
    assert_eq!(problem.errors[0].field, "stock");
    assert!(problem.errors[0].message.contains("/stock"), "{problem:?}");
    for field in ["rating", "reviewCount", "id", "version", "addedOn", "status"] {
        assert_eq!(patch(json!({ field: 3 })).await.refused_fields(), [field]);
    }
    assert_eq!(patch(json!({ "sku": "PB-BAD-3" })).await.refused_fields(), ["sku"]);
    assert_eq!(patch(json!({ "name": null })).await.refused_fields(), ["name"]);
    assert_eq!(patch(json!({ "pricePaise": 9_000_000 })).await.refused_fields(), ["pricePaise"]);
    let mut replacement = form("PB-BAD-2");
    replacement["stock"] = json!(7);
    let put = staff.put(&path).header("if-match", "*").json(&replacement).await;
    assert_eq!(put.refused_fields(), ["stock"]);
    let unchanged = staff.get(&path).await.expect(200);
    assert_eq!(unchanged.header("etag"), made.header("etag"));
}

#[tokio::test]
async fn only_staff_and_programs_with_the_scope_write() {
    let app = TestApp::start_idle(&[]).await;
    let made = create(&app.staff().await, "PB-BAD-4").await;
    let paths = [PRODUCTS.to_owned(), path(&made), format!("{}/history", path(&made))];
    for path in &paths {
        app.client().get(path).await.problem(401, Code::NotAuthenticated);
        app.customer().await.get(path).await.problem(403, Code::NotPermitted);
        app.person(Role::Service).await.get(path).await.problem(403, Code::NotPermitted);
    }
    app.customer().await.post(PRODUCTS).json(&form("PB-BAD-5")).await.problem(403, Code::NotPermitted);
    let key = json!({ "name": "Warehouse sync", "scopes": ["manageCatalogue"] });
    let key = app.admin().await.post("/api/v1/admin/api-keys").json(&key).await.expect(201).json();
    let program = app.client().with_token(key["key"].as_str().unwrap());
    let made = program.post(PRODUCTS).json(&form("PB-BAD-6")).await.expect(201);
    let history = program.get(&format!("{}/history", path(&made))).await.expect(200).json();
    assert_eq!(history["items"][0]["actor"], key["id"]);
}

#[tokio::test]
async fn products_of_another_boutique_do_not_exist() {
    let app = TestApp::start_idle(&[]).await;
    let (ours, theirs) = (app.staff().await, app.staff_of("rival").await);
    let made = create(&ours, "PB-BAD-7").await;
    let path = path(&made);
    let any = |person: &crate::support::app::Person, method: Method, path: &str| {
        person.call(method, path).header("if-match", "*").json(&json!({ "featured": true })).into_future()
    };
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::PUT, path.clone()),
        (Method::PATCH, path.clone()),
        (Method::GET, format!("{path}/history")),
        (Method::POST, format!("{path}/archive")),
        (Method::POST, format!("{path}/restore")),
        (Method::GET, format!("{PRODUCTS}/x")),
    ] {
        any(&theirs, method, &path).await.problem(404, Code::NotFound);
    }
    assert_eq!(theirs.get(PRODUCTS).await.expect(200).json()["items"], json!([]));
    // A sku is taken within a boutique; this one has no categories yet.
    let category = json!({ "name": { "en-IN": "Sarees" }, "group": "sarees", "position": 1 });
    theirs.put("/api/v1/admin/categories/sarees").json(&category).await.expect(201);
    create(&theirs, "PB-BAD-7").await;
    assert_eq!(ours.get(&path).await.expect(200).header("etag"), made.header("etag"));
}
