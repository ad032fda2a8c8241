//! What clients and caches outside see of the caches, and what operators do with them.

use std::io::Read;

use http::StatusCode;
use pravis::containers::CATALOGUE;
use pravis::error::Code;
use pravis::ports::documents::{NewDocument, PartitionKey};
use serde_json::{Value, json};

use crate::support::app::{TestApp, eventually};
use crate::support::client::{Answer, Client};

const LIST: &str = "/api/v1/products?lang=en-IN";

/// An answer that a cache served: the change feed still tells of the sample catalogue when the test begins.
async fn hit(api: &Client, path: &str) -> Answer {
    eventually("an answer from memory", || async {
        let answer = api.get(path).await.expect(200);
        (answer.header("x-cache") == "HIT").then_some(answer)
    })
    .await
}

async fn first_product(api: &Client) -> Value {
    api.get(LIST).await.expect(200).json()["products"][0].clone()
}

/// Changes a product's price as its document says it.
async fn set_price(app: &TestApp, id: &str, paise: u64) {
    let partition = PartitionKey::of(["pravis", "product"]);
    let document = app.state.documents.read(&CATALOGUE, &partition, id).await.unwrap().unwrap();
    let mut body: serde_json::Map<String, Value> = document.read().unwrap();
    body.insert("pricePaise".into(), paise.into());
    app.state.documents.upsert(&CATALOGUE, &partition, NewDocument::new(id, &body).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_second_reading_comes_from_memory_and_a_known_one_is_not_sent() {
    let app = TestApp::start().await;
    let api = app.client();
    let paths =
        [LIST, "/api/v1/products/categories?lang=hi-IN", "/api/v1/products/search?q=silk", "/api/v1/products/featured"];
    for path in paths {
        let first = api.get(path).await.expect(200);
        assert_eq!(hit(&api, path).await.body, first.body);
        let known = eventually("an answer that needs no reading", || async {
            let known = api.get(path).header("if-none-match", first.header("etag")).await.expect(304);
            (known.header("x-cache") == "HIT").then_some(known)
        })
        .await;
        // No service behind a port was called.
        assert!(!known.header("server-timing").contains(','), "{}", known.header("server-timing"));
    }
}

#[tokio::test]
async fn a_changed_document_is_seen_by_the_next_readers() {
    let app = TestApp::start().await;
    let api = app.client();
    let product = first_product(&api).await;
    let id = product["id"].as_str().unwrap();
    let before = hit(&api, LIST).await;
    set_price(&app, id, 123_400).await;
    let after = eventually("the new price", || async {
        let seen = api.get(&format!("/api/v1/products/{id}")).await.expect(200).json();
        (seen["pricePaise"] == 123_400).then_some(seen)
    })
    .await;
    assert_eq!(after["price"], 1234.0);
    let list = api.get(LIST).header("if-none-match", before.header("etag")).await.expect(200);
    assert_ne!(list.header("etag"), before.header("etag"));
}

#[tokio::test]
async fn only_what_the_url_alone_determines_is_everybodys() {
    let app = TestApp::start().await;
    let (stranger, customer) = (app.client(), app.customer().await);
    let control = async |api: &Client, path: &str, header: Option<(&str, &str)>| {
        let call = api.get(path);
        let call = match header {
            Some((name, value)) => call.header(name, value),
            None => call,
        };
        call.await.expect(200).header("cache-control").split(',').next().unwrap().to_owned()
    };
    assert_eq!(control(&stranger, LIST, None).await, "public");
    assert_eq!(control(&stranger, "/api/v1/products", None).await, "private", "the language came from no URL");
    assert_eq!(control(&stranger, LIST, Some(("save-data", "on"))).await, "private");
    assert_eq!(control(&stranger, &format!("{LIST}&lean=true"), Some(("save-data", "on"))).await, "public");
    assert_eq!(control(&customer, LIST, None).await, "private", "the boutique came from the token");
    let answer = stranger.get(LIST).await.expect(200);
    assert_eq!(answer.header("cache-tag"), "catalogue:pravis:");
    assert_eq!(answer.header("surrogate-key"), "catalogue:pravis:");
    assert_eq!(answer.header("accept-ch"), "Save-Data, ECT");
    customer.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(customer.get("/api/v1/auth/me").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_poor_connection_gets_less() {
    let app = TestApp::start().await;
    let api = app.client();
    let whole = api.get(LIST).await.expect(200);
    for (name, value) in [("save-data", "on"), ("ect", "2g"), ("ect", "slow-2g")] {
        let lean = api.get(LIST).header(name, value).await.expect(200);
        assert!(lean.body.len() * 10 < whole.body.len() * 9, "{} of {}", lean.body.len(), whole.body.len());
        let (lean, whole) = (lean.json(), whole.json());
        assert_eq!(lean["total"], whole["total"]);
        for (lean, whole) in lean["products"].as_array().unwrap().iter().zip(whole["products"].as_array().unwrap()) {
            for field in ["id", "name", "price", "image", "inStock", "category"] {
                assert_eq!(lean[field], whole[field]);
            }
            assert_eq!((&lean["description"], &lean["tags"]), (&json!(""), &json!([])));
        }
    }
    for (name, value) in [("save-data", "off"), ("ect", "4g"), ("ect", "nonsense")] {
        assert_eq!(api.get(LIST).header(name, value).await.expect(200).body, whole.body);
    }
    assert_eq!(api.get(&format!("{LIST}&lean=false")).header("save-data", "on").await.expect(200).body, whole.body);
    assert_eq!(api.get(&format!("{LIST}&lean=perhaps")).await.refused_fields(), ["lean"]);
}

#[tokio::test]
async fn public_answers_are_compressed_for_who_takes_it() {
    let app = TestApp::start().await;
    let api = app.client();
    let plain = api.get(LIST).await.expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    let gzip = api.get(LIST).header("accept-encoding", "gzip").await.expect(200);
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let brotli = api.get(LIST).header("accept-encoding", "gzip, br").await.expect(200);
    assert_eq!(brotli.header("content-encoding"), "br");
    assert!(brotli.body.len() * 3 < plain.body.len());
    let mut text = Vec::new();
    brotli::BrotliDecompress(&mut &brotli.body[..], &mut text).unwrap();
    assert_eq!(text, plain.body);
    let tags = [plain.header("etag"), gzip.header("etag"), brotli.header("etag")];
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
    for answer in [&plain, &gzip, &brotli] {
        let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|vary| vary.to_str().unwrap()).collect();
        assert!(vary.contains(&"Accept-Encoding"), "{vary:?}");
        // Each form is known again by its own tag.
        let again = api.get(LIST).header("accept-encoding", "br").header("if-none-match", answer.header("etag")).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert_eq!(again.header("etag"), answer.header("etag"));
    }
}

#[tokio::test]
async fn what_is_somebodys_own_is_never_compressed() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    let said = customer
        .post("/api/v1/voice/command")
        .header("accept-encoding", "gzip, br")
        .json(&json!({ "text": "silk sarees" }))
        .await
        .expect(200);
    assert!(said.body.len() > 1024);
    assert_eq!(said.header("content-encoding"), "");
    let list = customer.get(LIST).header("accept-encoding", "gzip, br").await.expect(200);
    assert_eq!(list.header("content-encoding"), "", "this caller's own, as the boutique comes from the token");
}

#[tokio::test]
async fn operators_see_the_caches_and_clear_them() {
    let app = TestApp::start().await;
    let (api, staff) = (app.client(), app.admin().await);
    hit(&api, LIST).await;
    let caches =
        async || staff.get("/api/v1/admin/caches").await.expect(200).json()["caches"].as_array().unwrap().clone();
    let of = |caches: &[Value], name: &str| caches.iter().find(|cache| cache["name"] == name).unwrap().clone();
    let count = |cache: &Value, what: &str| cache[what].as_u64().unwrap();
    let seen = caches().await;
    let (catalogue, answers) = (of(&seen, "catalogue"), of(&seen, "product-answers"));
    assert_eq!((count(&catalogue, "entries"), &catalogue["invalidatedBy"]), (1, &json!(["catalogue"])));
    assert!(count(&answers, "hits") >= 1 && count(&answers, "misses") >= 1, "{answers}");
    assert!((0.0..=1.0).contains(&answers["hitRatio"].as_f64().unwrap()), "{answers}");
    assert!(count(&catalogue, "bytes") <= count(&catalogue, "maxBytes"));
    for what in [json!({ "cache": "product-answers" }), json!({ "tag": "catalogue:pravis:" })] {
        let cleared = staff.post("/api/v1/admin/caches/clear").json(&what).await.expect(200).json();
        assert!(what.as_object().unwrap().values().any(|name| *name == cleared["cleared"]));
    }
    assert_eq!(count(&of(&caches().await, "product-answers"), "entries"), 0);
    assert_eq!(api.get(LIST).await.expect(200).header("x-cache"), "MISS");
    assert!(count(&of(&caches().await, "catalogue"), "misses") > count(&catalogue, "misses"));
}

#[tokio::test]
async fn clearing_refuses_what_is_not_there_and_what_is_not_ones_own() {
    let app = TestApp::start().await;
    let staff = app.admin().await;
    let clear = async |what: Value| staff.post("/api/v1/admin/caches/clear").json(&what).await;
    assert_eq!(clear(json!({ "cache": "weather" })).await.refused_fields(), ["cache"]);
    assert_eq!(clear(json!({ "tag": "weather:pravis:" })).await.refused_fields(), ["tag"]);
    assert_eq!(clear(json!({})).await.refused_fields(), ["cache"]);
    assert_eq!(clear(json!({ "cache": "speech", "tag": "catalogue:pravis:" })).await.refused_fields(), ["cache"]);
    clear(json!({ "tag": "catalogue:elsewhere:" })).await.expect(200);
    app.customer().await.get("/api/v1/admin/caches").await.problem(403, Code::NotPermitted);
    app.client().get("/api/v1/admin/caches").await.problem(401, Code::NotAuthenticated);
}

#[tokio::test]
async fn staff_of_a_partner_boutique_clear_their_own_only() {
    let app = TestApp::start().await;
    let staff = app.staff_of("partner").await;
    let clear = async |what: Value| staff.post("/api/v1/admin/caches/clear").json(&what).await;
    clear(json!({ "tag": "catalogue:partner:" })).await.expect(200);
    clear(json!({ "tag": "catalogue:pravis:" })).await.problem(403, Code::NotPermitted);
    clear(json!({ "cache": "catalogue" })).await.problem(403, Code::NotPermitted);
}
