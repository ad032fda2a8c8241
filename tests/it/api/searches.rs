//! What a search finds through the API, what it says of words that do not fit, what the facets count, and that
//! it knows of changes.

use std::collections::{BTreeMap, BTreeSet};

use pravis::containers::CATALOGUE;
use pravis::ports::documents::{NewDocument, PartitionKey};
use pravis::seed::SeedProduct;
use serde_json::{Value, json};

use super::oracle::{has, products};
use crate::support::app::{TestApp, eventually};
use crate::support::client::Client;

const PATH: &str = "/api/v1/products/search?limit=100";

async fn search(api: &Client, words: &str, filters: &str) -> Value {
    let encoded: String = url::form_urlencoded::byte_serialize(words.as_bytes()).collect();
    api.get(&format!("{PATH}&q={encoded}{filters}")).await.expect(200).json()
}

fn skus(list: &Value) -> Vec<String> {
    list["products"].as_array().unwrap().iter().map(|product| product["sku"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn one_search_in_three_scripts_finds_the_same() {
    let app = TestApp::start().await;
    let api = app.client();
    let wanted = |p: &&SeedProduct| p.weave == "banarasi" && p.category == "sarees";
    let samples = products();
    let there = samples.values().filter(wanted).count();
    for words in ["banarasi saree", "banarsi sari", "बनारसी साड़ी", "బనారసీ చీర", "बनारसी saree", "banrasi sare"]
    {
        let list = search(&api, words, "").await;
        let first: Vec<String> = skus(&list).into_iter().take(there).collect();
        assert!(first.len() == there && first.iter().all(|sku| wanted(&&samples[sku])), "{words}: {first:?}");
        assert_eq!(list["ignored"], json!([]), "{words}");
    }
}

#[tokio::test]
async fn slips_are_corrected_and_told() {
    let app = TestApp::start().await;
    let api = app.client();
    let right = search(&api, "shikargah border", "").await;
    assert_eq!(right["didYouMean"], Value::Null);
    let slipped = search(&api, "shikragah bordre", "").await;
    assert_eq!(slipped["didYouMean"], "shikargah border");
    assert_eq!(skus(&slipped), skus(&right));
}

#[tokio::test]
async fn what_does_not_fit_is_named_and_the_rest_is_found() {
    let app = TestApp::start().await;
    let api = app.client();
    let list = search(&api, "zanzibar silk saree", "").await;
    assert_eq!(list["ignored"], json!(["zanzibar"]));
    assert_eq!(skus(&list), skus(&search(&api, "silk saree", "").await));
    let nothing = search(&api, "xyzzyx", "").await;
    assert_eq!((nothing["total"].as_u64(), &nothing["ignored"]), (Some(0), &json!(["xyzzyx"])));
    assert_eq!(nothing["facets"]["category"], json!({}));
}

#[tokio::test]
async fn a_search_keeps_to_the_filters_and_the_order() {
    let app = TestApp::start().await;
    let api = app.client();
    let list = search(&api, "silk", "&category=dupattas,stoles&maxPrice=6000&inStock=true&sort=price-low").await;
    let samples = products();
    let listed: Vec<&SeedProduct> = skus(&list).iter().map(|sku| &samples[sku]).collect();
    assert!(listed.len() > 2);
    assert!(listed.iter().all(|p| ["dupattas", "stoles"].contains(&p.category.as_str()) && p.stock > 0));
    assert!(listed.iter().all(|p| p.price_paise.0 <= 600_000));
    assert!(listed.is_sorted_by_key(|p| p.price_paise));
    // Page by page it is the same list.
    let whole = skus(&search(&api, "silk saree", "").await);
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/products/search?limit=7&q=silk+saree{cursor}");
        let page = api.get(&path).await.expect(200).json();
        paged.extend(skus(&page));
        match page["next"].as_str() {
            Some(next) if paged.len() < 500 => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(paged, whole);
}

fn counted(of: impl Fn(&SeedProduct) -> Vec<String>, is_true: impl Fn(&SeedProduct) -> bool) -> Value {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in products().values().filter(|p| is_true(p)).flat_map(of) {
        *counts.entry(value).or_default() += 1;
    }
    json!(counts)
}

#[tokio::test]
async fn facets_count_all_that_fit_and_each_leaves_its_own_filter_aside() {
    let app = TestApp::start().await;
    let path = "/api/v1/products?category=sarees&color=red&inStock=true&limit=1";
    let facets = app.client().get(path).await.expect(200).json()["facets"].clone();
    let (saree, red, there) = (
        |p: &SeedProduct| p.category == "sarees",
        |p: &SeedProduct| has(&p.colors, "red"),
        |p: &SeedProduct| p.stock > 0,
    );
    let all = |p: &SeedProduct| saree(p) && red(p) && there(p);
    assert_eq!(facets["category"], counted(|p| vec![p.category.clone()], |p| red(p) && there(p)));
    assert_eq!(facets["color"], counted(|p| p.colors.clone(), |p| saree(p) && there(p)));
    assert_eq!(facets["fabric"], counted(|p| vec![p.fabric.clone()], all));
    assert_eq!(facets["weave"], counted(|p| vec![p.weave.clone()], all));
    assert_eq!(facets["size"], counted(|p| p.sizes.clone(), all));
    assert_eq!(facets["occasion"], counted(|p| p.occasions.clone(), all));
    assert_eq!(facets["state"], counted(|p| vec![p.origin.state.clone()], all));
    assert_eq!(facets["inStock"], products().values().filter(|p| saree(p) && red(p) && there(p)).count());
}

#[tokio::test]
async fn choosing_a_value_finds_as_many_as_its_facet_says() {
    let app = TestApp::start().await;
    let api = app.client();
    let facets = search(&api, "silk", "&category=sarees&maxPrice=15000").await["facets"].clone();
    for (facet, parameter) in [("color", "color"), ("size", "size"), ("occasion", "occasion"), ("state", "origin")] {
        for (value, count) in facets[facet].as_object().unwrap() {
            let list = search(
                &api,
                "silk",
                &format!("&category=sarees&maxPrice=15000&{parameter}={}", value.replace(' ', "+")),
            )
            .await;
            assert_eq!(list["total"], *count, "{facet} {value}");
        }
    }
    let bands = facets["price"].as_array().unwrap();
    assert_eq!(bands.len(), 5);
    for band in bands {
        let limit = |name: &str| band[name].as_f64().map(|rupees| format!("&{name}={rupees}")).unwrap_or_default();
        let list = search(&api, "silk", &format!("&category=sarees{}{}", limit("minPrice"), limit("maxPrice"))).await;
        assert_eq!(list["total"], band["count"], "{band}");
    }
}

#[tokio::test]
async fn a_changed_product_is_found_by_its_new_words_and_not_by_its_old_ones() {
    let app = TestApp::start().await;
    let api = app.client();
    let list = search(&api, "shikargah", "").await;
    let (id, others) = (list["products"][0]["id"].as_str().unwrap().to_owned(), list["total"].as_u64().unwrap());
    assert_eq!(others, 1);
    assert_eq!(search(&api, "moonbeam", "").await["total"], 0);
    let partition = PartitionKey::of(["pravis", "product"]);
    let document = app.state.documents.read(&CATALOGUE, &partition, &id).await.unwrap().unwrap();
    let mut body: serde_json::Map<String, Value> = document.read().unwrap();
    let told = json!({ "en-IN": "Moonbeam Shawl", "hi-IN": "चाँदनी शॉल", "te-IN": "వెన్నెల శాలువా" });
    for (field, value) in
        [("name", told.clone()), ("description", told), ("category", json!("shawls")), ("tags", json!([]))]
    {
        body.insert(field.into(), value);
    }
    app.state.documents.upsert(&CATALOGUE, &partition, NewDocument::new(&id, &body).unwrap()).await.unwrap();
    let ids = |list: &Value| -> BTreeSet<String> {
        list["products"].as_array().unwrap().iter().map(|product| product["id"].as_str().unwrap().to_owned()).collect()
    };
    let after = eventually("the new words", || async {
        let list = search(&api, "moonbeam", "").await;
        (list["total"] == 1).then_some(list)
    })
    .await;
    assert_eq!(ids(&after), BTreeSet::from([id.clone()]));
    assert_eq!(after["facets"]["category"], json!({ "shawls": 1 }));
    assert!(!ids(&search(&api, "shikargah", "").await).contains(&id));
    assert!(!ids(&search(&api, "banaras saree", "").await).contains(&id), "its category is another, too");
    // What shoppers say finds it, too.
    let said =
        api.post("/api/v1/voice/command").json(&json!({ "text": "show me moonbeam shawls" })).await.expect(200).json();
    assert_eq!(said["products"][0]["id"], id.as_str(), "{said}");
}
