//! The catalogue for shoppers, compared with what the seed says.

use std::collections::BTreeSet;

use pravis::error::Code;
use pravis::seed::{self, SeedProduct};
use serde_json::Value;

use super::oracle::{has, is_of, is_woven, products, units};
use crate::support::app::TestApp;
use crate::support::client::Client;

fn skus(list: &Value) -> Vec<String> {
    list["products"].as_array().unwrap().iter().map(|product| product["sku"].as_str().unwrap().to_owned()).collect()
}

/// All pages of a list, followed by cursor.
async fn all(api: &Client, query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/api/v1/products?limit=100&{query}{cursor}")).await.expect(200).json();
        found.extend(skus(&page));
        assert!(found.len() <= 1000, "pages without end");
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                assert_eq!(page["total"], found.len(), "{query}");
                return found;
            }
        }
    }
}

async fn found(api: &Client, query: &str) -> BTreeSet<String> {
    let listed = all(api, query).await;
    let set: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(set.len(), listed.len(), "{query}: a product came twice");
    set
}

#[tokio::test]
async fn pages_hold_each_product_exactly_once() {
    let app = TestApp::start().await;
    let api = app.client();
    let everything = units(|_| true);
    assert!(everything.len() > 200);
    for sort in ["", "&sort=newest", "&sort=price-low", "&sort=price-high", "&sort=popular", "&sort=rating"] {
        for limit in [7, 100] {
            let (mut by_page, mut by_cursor) = (Vec::new(), Vec::new());
            let mut cursor = String::new();
            for page in 1.. {
                let counted =
                    api.get(&format!("/api/v1/products?limit={limit}&page={page}{sort}")).await.expect(200).json();
                assert_eq!(
                    (counted["total"].as_u64(), counted["page"].as_u64()),
                    (Some(everything.len() as u64), Some(page))
                );
                by_page.extend(skus(&counted));
                let followed =
                    api.get(&format!("/api/v1/products?limit={limit}{sort}{cursor}")).await.expect(200).json();
                assert_eq!(followed["page"], page);
                by_cursor.extend(skus(&followed));
                match followed["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(by_page, by_cursor, "{sort} by {limit}");
            assert_eq!(by_page.len(), everything.len(), "{sort} by {limit}");
            assert_eq!(by_page.into_iter().collect::<BTreeSet<_>>(), everything, "{sort} by {limit}");
        }
    }
    let beyond = api.get("/api/v1/products?page=1000").await.expect(200).json();
    assert_eq!((skus(&beyond), beyond["total"].as_u64()), (vec![], Some(everything.len() as u64)));
    assert_eq!(skus(&api.get("/api/v1/products").await.expect(200).json()).len(), 12, "a page of 12 by default");
}

#[tokio::test]
async fn each_filter_finds_what_it_says() {
    let app = TestApp::start().await;
    let api = app.client();
    type Predicate = Box<dyn Fn(&SeedProduct) -> bool>;
    let mut asked: Vec<(String, Predicate)> = Vec::new();
    let samples = products();
    let values =
        |of: &dyn Fn(&SeedProduct) -> Vec<String>| -> BTreeSet<String> { samples.values().flat_map(of).collect() };
    for value in values(&|p| vec![p.category.clone()]) {
        asked.push((format!("category={value}"), Box::new(move |p| p.category == value)));
    }
    for value in values(&|p| vec![p.fabric.clone()]) {
        let fibre = value.clone();
        asked.push((format!("fabric={value}"), Box::new(move |p| is_of(p, &fibre))));
    }
    for value in values(&|p| vec![p.weave.clone()]) {
        asked.push((format!("weave={value}"), Box::new(move |p| is_woven(p, &value))));
    }
    for value in values(&|p| p.colors.clone()) {
        let excluded = value.clone();
        asked.push((format!("notColor={value}"), Box::new(move |p| !has(&p.colors, &excluded))));
        asked.push((format!("color={value}"), Box::new(move |p| has(&p.colors, &value))));
    }
    for value in values(&|p| p.occasions.clone()) {
        asked.push((format!("occasion={value}"), Box::new(move |p| has(&p.occasions, &value))));
    }
    for value in ["XS", "S", "M", "L", "XL", "XXL"] {
        asked.push((format!("size={value}"), Box::new(move |p| has(&p.sizes, value))));
    }
    for value in values(&|p| vec![p.origin.state.clone()]) {
        asked.push((format!("origin={value}"), Box::new(move |p| p.origin.state == value || p.origin.place == value)));
    }
    let origin = |p: &SeedProduct, place: &str| p.origin.place == place || p.origin.state == place;
    asked.extend([
        ("origin=Varanasi".to_owned(), Box::new(move |p: &SeedProduct| origin(p, "Varanasi")) as Predicate),
        ("origin=varanasi,TELANGANA".into(), Box::new(move |p| origin(p, "Varanasi") || origin(p, "Telangana"))),
        // The storefront's bands, in rupees.
        ("maxPrice=2000".into(), Box::new(|p| p.price_paise.0 <= 200_000)),
        ("minPrice=2000&maxPrice=5000".into(), Box::new(|p| (200_000..=500_000).contains(&p.price_paise.0))),
        ("minPrice=20000.01".into(), Box::new(|p| p.price_paise.0 >= 2_000_001)),
        ("minPrice=5000&maxPrice=4000".into(), Box::new(|_| false)),
        ("inStock=true".into(), Box::new(|p| p.stock > 0)),
        ("inStock=false".into(), Box::new(|_| true)),
        // The filter labels of the storefront are capitalised.
        ("color=Maroon, Gold".into(), Box::new(|p| has(&p.colors, "maroon") || has(&p.colors, "gold"))),
        ("size=m,xl".into(), Box::new(|p| has(&p.sizes, "M") || has(&p.sizes, "XL"))),
        ("category=all".into(), Box::new(|_| true)),
        ("category=sarees,kurtas".into(), Box::new(|p| p.category == "sarees" || p.category == "kurtas")),
        ("fabric=silk".into(), Box::new(|p| p.fabric.contains("silk"))),
        ("category=nonsense".into(), Box::new(|_| false)),
        (
            "category=sarees&fabric=silk&color=red&maxPrice=15000&inStock=true&occasion=wedding".into(),
            Box::new(|p| {
                p.category == "sarees"
                    && p.fabric.contains("silk")
                    && has(&p.colors, "red")
                    && p.price_paise.0 <= 1_500_000
                    && p.stock > 0
                    && has(&p.occasions, "wedding")
            }),
        ),
    ]);
    for (query, is_true) in asked {
        let encoded = query.replace(' ', "%20");
        assert_eq!(found(&api, &encoded).await, units(is_true), "{query}");
    }
}

#[tokio::test]
async fn words_find_the_products_that_have_them_all() {
    let app = TestApp::start().await;
    let api = app.client();
    let text = |p: &SeedProduct| {
        let parts =
            [&p.name.english, &p.category, &p.subcategory, &p.fabric, &p.weave, &p.origin.place, &p.origin.state];
        let lists = p.colors.iter().chain(&p.tags).chain(&p.occasions);
        let all: Vec<&str> =
            parts.into_iter().chain(lists).chain([&p.description.english]).map(String::as_str).collect();
        all.join(" ").to_lowercase()
    };
    // Words begin where a word of the text begins; a plural finds the singular.
    let begins = |text: &str, word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(word));
    for (query, words) in [
        ("kanjivaram", vec!["kanjivaram"]),
        ("KANJIVARAM", vec!["kanjivaram"]),
        ("sarees", vec!["saree"]),
        ("red silk saree", vec!["red", "silk", "saree"]),
        ("varanasi", vec!["varanasi"]),
        ("peacock", vec!["peacock"]),
        ("temple border", vec!["temple", "border"]),
        ("xyzzy", vec!["xyzzy"]),
    ] {
        let oracle = units(|p| words.iter().all(|word| begins(&text(p), word)));
        let encoded = query.replace(' ', "+");
        let listed = found(&api, &format!("q={encoded}")).await;
        // Other words for the same find a few more.
        assert!(listed.is_superset(&oracle) && listed.len() <= oracle.len() * 5 / 4, "{query}: {listed:?} {oracle:?}");
        let searched = api.get(&format!("/api/v1/products/search?limit=100&q={encoded}")).await.expect(200).json();
        assert_eq!(searched["total"], listed.len(), "{query}");
    }
    assert_eq!(api.get("/api/v1/products/search").await.refused_fields(), ["q"]);
    assert_eq!(api.get("/api/v1/products/search?q=%20").await.refused_fields(), ["q"]);
    let long = format!("/api/v1/products/search?q={}", "x".repeat(201));
    assert_eq!(api.get(&long).await.refused_fields(), ["q"]);
    let narrowed = api.get("/api/v1/products/search?limit=100&q=silk&category=dupattas&sort=price-low").await.json();
    assert!(!skus(&narrowed).is_empty());
    assert!(skus(&narrowed).iter().all(|sku| products()[sku].category == "dupattas"));
}

#[tokio::test]
async fn lists_come_in_the_order_asked_for() {
    let app = TestApp::start().await;
    let samples = products();
    let ordered = |listed: &[String], before: &dyn Fn(&SeedProduct, &SeedProduct) -> bool| {
        listed.windows(2).all(|two| before(&samples[&two[0]], &samples[&two[1]]))
    };
    type Before = fn(&SeedProduct, &SeedProduct) -> bool;
    let sorts: [(&str, Before); 5] = [
        ("newest", |a, b| a.added_on >= b.added_on),
        ("price-low", |a, b| a.price_paise <= b.price_paise),
        ("price-high", |a, b| a.price_paise >= b.price_paise),
        ("popular", |a, b| a.review_count >= b.review_count),
        ("rating", |a, b| a.rating >= b.rating),
    ];
    for (sort, before) in sorts {
        let listed = all(&app.client(), &format!("sort={sort}")).await;
        assert!(ordered(&listed, &before), "{sort}");
        let of_category = all(&app.client(), &format!("category=kurtas&sort={sort}")).await;
        assert!(of_category.len() == 16 && ordered(&of_category, &before), "kurtas by {sort}");
    }
}

#[tokio::test]
async fn a_product_is_shown_as_the_seed_has_it_in_rupees_and_paise() {
    let app = TestApp::start().await;
    let api = app.client();
    let samples = products();
    for sku in all(&api, "category=jackets").await.iter().chain(&all(&api, "category=shawls").await) {
        let listed = api
            .get(&format!("/api/v1/products?limit=100&q={}", samples[sku].name.english.replace(' ', "+")))
            .await
            .json();
        let product =
            listed["products"].as_array().unwrap().iter().find(|product| product["sku"] == sku.as_str()).unwrap();
        let id = product["id"].as_str().unwrap();
        let shown = api.get(&format!("/api/v1/products/{id}")).await.expect(200).json();
        assert_eq!(&shown, product, "the list and the page agree");
        let sample = &samples[sku];
        for (rupees, paise, right) in [
            ("price", "pricePaise", sample.price_paise.0),
            ("originalPrice", "originalPricePaise", sample.original_price_paise.0),
        ] {
            assert_eq!(shown[paise], right);
            assert_eq!(shown[rupees].as_f64().unwrap(), right as f64 / 100.0);
        }
        assert_eq!(shown["currency"], "INR");
        assert_eq!(shown["name"], sample.name.english);
        assert_eq!(shown["inStock"], sample.stock > 0);
        assert_eq!(shown["stockCount"], sample.stock);
        assert_eq!(shown["onSale"], sample.price_paise < sample.original_price_paise);
        assert_eq!(shown["reviews"], sample.review_count);
        assert_eq!(shown["colors"], serde_json::json!(sample.colors));
        assert_eq!(shown["careInstructions"], serde_json::json!(sample.care));
        assert!(id.starts_with("prd_"));
    }
    api.get("/api/v1/products/prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S").await.problem(404, Code::NotFound);
    api.get("/api/v1/products/prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S/related").await.problem(404, Code::NotFound);
}

#[tokio::test]
async fn featured_products_are_those_that_the_shop_puts_forward() {
    let app = TestApp::start().await;
    let api = app.client();
    let featured = units(|product| product.featured);
    let all = skus(&api.get("/api/v1/products/featured?limit=100").await.expect(200).json());
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), featured);
    let six = skus(&api.get("/api/v1/products/featured").await.expect(200).json());
    assert!(six.len() == 6 && six.iter().all(|sku| featured.contains(sku)));
    assert_eq!(skus(&api.get("/api/v1/products/featured?limit=2").await.json()).len(), 2);
}

#[tokio::test]
async fn categories_come_in_the_shops_order_with_counts() {
    let app = TestApp::start().await;
    let listed = app.client().get("/api/v1/products/categories").await.expect(200).json();
    let mut right = seed::categories().unwrap();
    right.sort_by_key(|category| category.position);
    let listed = listed["categories"].as_array().unwrap();
    assert_eq!(listed.len(), right.len());
    for (category, right) in listed.iter().zip(right) {
        assert_eq!(category["id"], right.id);
        assert_eq!(category["name"], right.name.english);
        assert_eq!(category["group"], right.group);
        assert_eq!(category["count"], units(|product| product.category == right.id).len());
    }
}

#[tokio::test]
async fn related_products_are_others_and_like_it() {
    let app = TestApp::start().await;
    let api = app.client();
    let samples = products();
    let list = api.get("/api/v1/products?limit=100&category=sarees").await.json();
    for product in list["products"].as_array().unwrap().iter().take(10) {
        let (id, own) = (product["id"].as_str().unwrap(), &samples[product["sku"].as_str().unwrap()]);
        let related = skus(&api.get(&format!("/api/v1/products/{id}/related")).await.expect(200).json());
        assert_eq!(related.len(), 4);
        for sku in &related {
            assert_ne!(*sku, own.sku);
            let other = &samples[sku];
            let shares_color = own.colors.iter().any(|color| other.colors.contains(color));
            assert!(
                own.category == other.category
                    || own.weave == other.weave
                    || own.fabric == other.fabric
                    || shares_color
            );
        }
        assert_eq!(skus(&api.get(&format!("/api/v1/products/{id}/related?limit=9")).await.json()).len(), 9);
    }
}

#[tokio::test]
async fn names_follow_the_language_of_the_caller() {
    let app = TestApp::start().await;
    let api = app.client();
    let samples = products();
    let first = |answer: crate::support::client::Answer| {
        let product = answer.expect(200).json()["products"][0].clone();
        (product["name"].as_str().unwrap().to_owned(), samples[product["sku"].as_str().unwrap()].name.clone())
    };
    let path = "/api/v1/products?limit=1&sort=newest";
    for (lang, accept, right) in [
        ("", "", 0),
        ("", "te-IN", 2),
        ("", "hi", 1),
        ("", "fr-FR, hi-IN;q=0.8", 1),
        ("", "en;q=0.2, te;q=0.9, hi;q=0.5", 2),
        ("", "hi;q=0, te;q=0.1", 2),
        ("", "fr, *;q=0.5", 0),
        ("", ";;q=x,,", 0),
        ("&lang=te", "hi", 2),
        ("&lang=hi-IN", "te", 1),
        ("&lang=en-US", "te", 0),
    ] {
        let (shown, name) = first(api.get(&format!("{path}{lang}")).header("accept-language", accept).await);
        assert_eq!(
            shown,
            [&name.english, &name.hindi, &name.telugu][right].as_str(),
            "lang {lang}, Accept-Language {accept}"
        );
    }
    let vary: Vec<String> =
        api.get(path).await.headers.get_all("vary").iter().map(|v| v.to_str().unwrap().to_lowercase()).collect();
    assert!(vary.join(",").contains("accept-language"));
    // What was just said in another language is not what a cache may serve for this one.
    let categories = api.get("/api/v1/products/categories?lang=te").await.expect(200).json();
    assert_eq!(categories["categories"][0]["name"], seed::categories().unwrap()[0].name.telugu);
}
