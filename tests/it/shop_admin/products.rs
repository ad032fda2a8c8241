//! Single products: made, changed under their entity tags, archived and restored, with their history.

use futures_util::future::join_all;
use http::Method;
use pravis::error::Code;
use serde_json::{Value, json};

use super::{PRODUCTS, create, documents, form, path};
use crate::support::app::{TestApp, eventually};

#[tokio::test]
async fn a_product_is_made_with_what_the_form_says_and_the_rest_from_the_shop() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let mut asked = form("pb-new-1");
    asked["colors"] = json!(["Golden", "wine", "pistachio"]);
    asked["fabric"] = json!("Resham");
    asked["weave"] = json!("Kanchipuram");
    asked["category"] = json!("Saree");
    asked["sizes"] = json!(["Free Size"]);
    asked["name"]["hi-IN"] = json!("कांजीवरम साड़ी");
    let made = staff.post(PRODUCTS).json(&asked).await.expect(201);
    let product = made.json();
    assert_eq!(made.header("location"), path(&made));
    assert_eq!(product["sku"], "PB-NEW-1");
    assert_eq!(product["colors"], json!(["gold", "maroon", "pistachio"]), "as Ask Pravi looks for them");
    assert_eq!((&product["fabric"], &product["weave"]), (&json!("silk"), &json!("kanjivaram")));
    assert_eq!((&product["category"], &product["sizes"]), (&json!("sarees"), &json!(["free size"])));
    assert_eq!(
        product["name"],
        json!({ "en-IN": "Zanzibari Kanjivaram pb-new-1", "hi-IN": "कांजीवरम साड़ी", "te-IN": "" })
    );
    assert_eq!((&product["rating"], &product["reviewCount"], &product["stock"]), (&json!(0.0), &json!(0), &json!(6)));
    assert_eq!((&product["status"], &product["version"]), (&json!("active"), &json!(1)));
    assert_eq!(product["addedOn"], "2026-01-15");
    let shown = staff.get(&path(&made)).await.expect(200);
    assert_eq!((shown.json(), shown.header("etag")), (product, made.header("etag")));
}

#[tokio::test]
async fn a_creation_that_is_sent_again_with_its_key_makes_one_product() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let send = || staff.post(PRODUCTS).header("idempotency-key", "one").json(&form("PB-NEW-2")).into_future();
    let (first, again) = (send().await.expect(201), send().await.expect(201));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(again.header("idempotent-replayed"), "true");
    staff.post(PRODUCTS).json(&form("PB-NEW-2")).await.problem(409, Code::Conflict);
}

#[tokio::test]
async fn of_many_who_use_a_sku_one_wins() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let tries = (0..8).map(|_| staff.post(PRODUCTS).json(&form("PB-RACE-1")).into_future());
    let answers = join_all(tries).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.problem(409, Code::Conflict).errors[0].field, "sku");
    }
    // One that the samples use is taken too, in whatever letters.
    let problem = staff.post(PRODUCTS).json(&form("pb-sar-001")).await.problem(409, Code::Conflict);
    assert_eq!(problem.errors[0].field, "sku");
    let count = documents(&app, "pravis", "prd_").await.len();
    assert_eq!(documents(&app, "pravis", "head").await[0]["products"], count);
    assert_eq!(documents(&app, "pravis", "sku_").await.len(), count);
}

#[tokio::test]
async fn only_the_version_that_was_read_is_changed() {
    let app = TestApp::start().await;
    let (one, other) = (app.staff().await, app.staff().await);
    let made = create(&one, "PB-NEW-3").await;
    let (path, etag) = (path(&made), made.header("etag").to_owned());
    let patch = json!({ "pricePaise": 1_700_000 });
    one.call(Method::PATCH, &path).json(&patch).await.problem(428, Code::PreconditionRequired);
    one.put(&path).json(&form("PB-NEW-3")).await.problem(428, Code::PreconditionRequired);
    // Two at the same moment.
    let patched = |person: &crate::support::app::Person, paise: u64| {
        let call = person.call(Method::PATCH, &path).header("if-match", &etag);
        call.json(&json!({ "pricePaise": paise })).into_future()
    };
    let (first, second) = tokio::join!(patched(&one, 1_700_000), patched(&other, 1_600_000));
    let (won, lost) = if first.status == 200 { (first, second) } else { (second, first) };
    lost.problem(412, Code::PreconditionFailed);
    assert_eq!(won.json()["version"], 2);
    // The loser reads again and repeats.
    let now = other.get(&path).await.expect(200);
    assert_eq!(now.json()["pricePaise"], won.json()["pricePaise"]);
    let call = other.call(Method::PATCH, &path).header("if-match", now.header("etag"));
    call.json(&json!({ "pricePaise": 1_500_000 })).await.expect(200);
    let stale = other.put(&path).header("if-match", now.header("etag")).json(&form("PB-NEW-3")).await;
    stale.problem(412, Code::PreconditionFailed);
    other.call(Method::PATCH, &path).header("if-match", "*").json(&patch).await.expect(200);
    let archive = format!("{path}/archive");
    other.post(&archive).header("if-match", &etag).await.problem(412, Code::PreconditionFailed);
}

#[tokio::test]
async fn what_was_shown_can_be_sent_back_and_changes_nothing() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let list = staff.get(&format!("{PRODUCTS}?limit=100")).await.expect(200).json();
    // Also of the samples, whose words are older than the rules.
    for product in list["items"].as_array().unwrap() {
        let path = format!("{PRODUCTS}/{}", product["id"].as_str().unwrap());
        let shown = staff.get(&path).await.expect(200);
        let put = staff.put(&path).header("if-match", shown.header("etag")).json(&shown.json()).await.expect(200);
        assert_eq!(put.header("etag"), shown.header("etag"), "{put:.300}");
    }
    assert!(documents(&app, "pravis", "his_").await.is_empty());
}

#[tokio::test]
async fn a_replacement_says_all_of_it_and_a_patch_what_changes() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let made = create(&staff, "PB-NEW-4").await;
    let path = path(&made);
    let mut replacement = form("PB-NEW-4");
    for field in ["stock", "occasions", "tags"] {
        replacement.as_object_mut().unwrap().remove(field);
    }
    replacement["pricePaise"] = json!(1_500_000);
    let put = staff.put(&path).header("if-match", made.header("etag")).json(&replacement).await.expect(200);
    let product = put.json();
    assert_eq!((&product["occasions"], &product["tags"], &product["stock"]), (&json!([]), &json!([]), &json!(6)));
    let patch = json!({ "name": { "te-IN": "కాంజీవరం" }, "occasions": ["shaadi"], "originalPricePaise": 1_500_000 });
    let call = staff.call(Method::PATCH, &path).header("if-match", put.header("etag"));
    let patched = call.body("application/merge-patch+json", patch.to_string()).await.expect(200).json();
    assert_eq!(patched["name"]["te-IN"], "కాంజీవరం");
    assert_eq!(patched["name"]["en-IN"], "Zanzibari Kanjivaram PB-NEW-4");
    assert_eq!(patched["occasions"], json!(["wedding"]));
    assert_eq!((&patched["originalPricePaise"], &patched["version"]), (&json!(1_500_000), &json!(3)));
}

#[tokio::test]
async fn the_history_tells_who_changed_what_from_what_to_what() {
    let app = TestApp::start().await;
    let (maker, changer) = (app.staff().await, app.admin().await);
    let made = create(&maker, "PB-NEW-5").await;
    let path = path(&made);
    let patch = json!({ "pricePaise": 1_700_000, "featured": true });
    let call = changer.call(Method::PATCH, &path).header("if-match", made.header("etag"));
    call.json(&patch).await.expect(200);
    changer.post(&format!("{path}/archive")).await.expect(200);
    changer.post(&format!("{path}/archive")).await.expect(200);
    changer.post(&format!("{path}/restore")).await.expect(200);
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = maker.get(&format!("{path}/history?limit=3{cursor}")).await.expect(200).json();
        entries.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let told: Vec<(u64, &str)> =
        entries.iter().map(|entry| (entry["version"].as_u64().unwrap(), entry["deed"].as_str().unwrap())).collect();
    assert_eq!(told, [(4, "restored"), (3, "archived"), (2, "changed"), (1, "created")], "again changed nothing");
    assert_eq!(entries[2]["actor"], changer.id.as_str());
    assert_eq!(entries[3]["actor"], maker.id.as_str());
    let changes = json!([
        { "field": "featured", "from": false, "to": true },
        { "field": "pricePaise", "from": 1_849_900, "to": 1_700_000 }
    ]);
    assert_eq!(entries[2]["changes"], changes);
    maker.get(&format!("{path}/history?cursor=%00")).await.problem(422, Code::ValidationFailed);
}

#[tokio::test]
async fn each_write_tells_the_bus_and_the_audit_log() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let made = create(&staff, "PB-NEW-6").await;
    let path = path(&made);
    let patch = json!({ "pricePaise": 1_700_000 });
    staff.call(Method::PATCH, &path).header("if-match", "*").json(&patch).await.expect(200);
    staff.post(&format!("{path}/archive")).await.expect(200);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let events = documents(&app, "pravis", "evt_").await;
    let kinds: Vec<&Value> = events.iter().map(|document| &document["event"]["type"]).collect();
    assert_eq!(kinds, ["product.created", "product.changed", "product.archived"]);
    for (action, details) in [
        ("product.created", json!({ "sku": "PB-NEW-6", "pricePaise": 1_849_900 })),
        (
            "product.changed",
            json!({ "sku": "PB-NEW-6", "fields": "[\"pricePaise\"]", "priceFrom": 1_849_900, "priceTo": 1_700_000 }),
        ),
        ("product.archived", json!({ "sku": "PB-NEW-6" })),
    ] {
        let record = eventually(action, || async {
            let found =
                staff.get(&format!("/api/v1/admin/audit?action={action}&subject={id}")).await.expect(200).json();
            found["items"].as_array().unwrap().first().cloned()
        })
        .await;
        assert_eq!((&record["actor"], &record["details"]), (&json!(staff.id.as_str()), &details));
    }
}

#[tokio::test]
async fn the_list_shows_all_products_page_by_page() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    let archived = create(&staff, "PB-NEW-7").await;
    staff.post(&format!("{}/archive", path(&archived))).await.expect(200);
    let made = create(&staff, "PB-NEW-8").await;
    let all = async |query: &str| {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = staff.get(&format!("{PRODUCTS}?limit=70&{query}{cursor}")).await.expect(200).json();
            ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return ids };
            cursor = format!("&cursor={next}");
        }
    };
    let ids = all("").await;
    let stored = documents(&app, "pravis", "prd_").await.len();
    assert_eq!(ids.len(), stored);
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
    let id = |answer: &crate::support::client::Answer| vec![answer.json()["id"].as_str().unwrap().to_owned()];
    assert_eq!(all("status=archived").await, id(&archived));
    assert_eq!(all("status=active&q=zanzibari").await, id(&made));
    assert_eq!(all("q=pb-new-8").await, id(&made));
    assert_eq!(all("category=sarees&q=zanzibari").await.len(), 2);
    assert!(all("category=shirts&q=zanzibari").await.is_empty());
    for (query, field) in [("status=gone", "status"), ("limit=0", "limit"), ("cursor=AAAA", "cursor")] {
        assert_eq!(staff.get(&format!("{PRODUCTS}?{query}")).await.refused_fields(), [field]);
    }
}
