//! Answers to what is searched for: exactly the products for which the words are true.

use std::collections::BTreeSet;

use pravis::seed::SeedProduct;
use serde_json::Value;

use super::super::oracle::{by_id, has, is_of, is_woven, products, units};
use super::say;
use crate::support::app::TestApp;

type Truth = fn(&SeedProduct) -> bool;

fn is(product: &SeedProduct, category: &str) -> bool {
    product.category == category
}

fn costs(product: &SeedProduct, rupees: std::ops::RangeInclusive<u64>) -> bool {
    (rupees.start() * 100..=rupees.end() * 100).contains(&product.price_paise.0)
}

const ANY: u64 = 10_000_000;

/// What is said, and when it is true of a product.
const SAID: [(&str, Truth); 44] = [
    ("cotton saree", |p| is(p, "sarees") && is_of(p, "cotton")),
    ("red saree", |p| is(p, "sarees") && has(&p.colors, "red")),
    ("show me stoles", |p| is(p, "stoles")),
    ("do you sell pashmina shawls", |p| is(p, "shawls") && is_of(p, "pashmina")),
    ("is there any linen saree", |p| is(p, "sarees") && is_of(p, "linen")),
    ("show me silk sarees under 5000", |p| is(p, "sarees") && is_of(p, "silk") && costs(p, 0..=5_000)),
    ("show me red silk sarees under ten thousand", |p| {
        is(p, "sarees") && is_of(p, "silk") && has(&p.colors, "red") && costs(p, 0..=10_000)
    }),
    ("i want a banarasi silk saree", |p| is(p, "sarees") && is_of(p, "silk") && is_woven(p, "banarasi")),
    ("banarsi sari", |p| is(p, "sarees") && is_woven(p, "banarasi")),
    ("pochampalli saree", |p| is(p, "sarees") && is_woven(p, "pochampally")),
    ("ikat dupatta", |p| is(p, "dupattas") && is_woven(p, "ikat")),
    ("kanchipuram pattu saree", |p| is(p, "sarees") && is_of(p, "silk") && is_woven(p, "kanjivaram")),
    ("find a maroon silk saree", |p| is(p, "sarees") && is_of(p, "silk") && has(&p.colors, "maroon")),
    ("show me something in blue", |p| has(&p.colors, "blue")),
    ("can you show me some green dupattas", |p| is(p, "dupattas") && has(&p.colors, "green")),
    ("i need a kurta in size medium", |p| is(p, "kurtas") && has(&p.sizes, "M")),
    ("kurtas in double xl", |p| is(p, "kurtas") && has(&p.sizes, "XXL")),
    ("shirts in x l", |p| is(p, "shirts") && has(&p.sizes, "XL")),
    ("sarees between two thousand and five thousand", |p| is(p, "sarees") && costs(p, 2_000..=5_000)),
    ("kurtas 1000 to 3000", |p| is(p, "kurtas") && costs(p, 1_000..=3_000)),
    ("lehengas above fifteen thousand rupees", |p| is(p, "lehengas") && costs(p, 15_000..=ANY)),
    ("stoles less than 1500 rupees", |p| is(p, "stoles") && costs(p, 0..=1_500)),
    ("saree within two thousand five hundred", |p| is(p, "sarees") && costs(p, 0..=2_500)),
    ("my budget is ten thousand show me silk sarees", |p| is(p, "sarees") && is_of(p, "silk") && costs(p, 0..=10_000)),
    ("lehengas under one lakh", |p| is(p, "lehengas") && costs(p, 0..=100_000)),
    ("sarees under 5k", |p| is(p, "sarees") && costs(p, 0..=5_000)),
    ("sarees below ₹3,000", |p| is(p, "sarees") && costs(p, 0..=3_000)),
    ("sarees not less than seven thousand", |p| is(p, "sarees") && costs(p, 7_000..=ANY)),
    ("silk saree but not red", |p| is(p, "sarees") && is_of(p, "silk") && !has(&p.colors, "red")),
    ("kurtas in any colour except black", |p| is(p, "kurtas") && !has(&p.colors, "black")),
    ("i don't want green show me yellow sarees", |p| {
        is(p, "sarees") && has(&p.colors, "yellow") && !has(&p.colors, "green")
    }),
    ("show me lehengas but no red or maroon", |p| {
        is(p, "lehengas") && !has(&p.colors, "red") && !has(&p.colors, "maroon")
    }),
    ("red or maroon silk sarees", |p| {
        is(p, "sarees") && is_of(p, "silk") && (has(&p.colors, "red") || has(&p.colors, "maroon"))
    }),
    ("off white kurta for office", |p| is(p, "kurtas") && has(&p.colors, "cream") && has(&p.occasions, "office")),
    ("golden saree for wedding", |p| is(p, "sarees") && has(&p.colors, "gold") && has(&p.occasions, "wedding")),
    ("tussar silk shirt", |p| is(p, "shirts") && is_of(p, "tussar")),
    ("khadi kurtas for men", |p| is(p, "kurtas") && is_of(p, "khadi")),
    ("georgette sarees for party", |p| is(p, "sarees") && is_of(p, "georgette") && has(&p.occasions, "party")),
    ("block print lehenga", |p| is(p, "lehengas") && is_woven(p, "block print")),
    ("gadwal sarees under twelve thousand", |p| is(p, "sarees") && is_woven(p, "gadwal") && costs(p, 0..=12_000)),
    ("kota doria saree", |p| is(p, "sarees") && is_woven(p, "kota doria")),
    ("salwar kameez in cotton", |p| is(p, "suits") && is_of(p, "cotton")),
    ("i need something for a wedding", |p| has(&p.occasions, "wedding")),
    ("white cotton shirts in size large under two thousand", |p| {
        is(p, "shirts") && is_of(p, "cotton") && has(&p.colors, "white") && has(&p.sizes, "L") && costs(p, 0..=2_000)
    }),
];

#[tokio::test]
async fn what_is_found_is_what_was_said() {
    let app = TestApp::start().await;
    let ids = by_id();
    let samples = products();
    let mut with_results = 0;
    for (said, is_true) in SAID {
        let answer = say(&app.client(), said).await;
        let right = units(is_true);
        assert_eq!(answer["intent"], "search", "{said}");
        let shown = answer["products"].as_array().unwrap();
        let found: BTreeSet<String> =
            shown.iter().map(|product| ids[product["id"].as_str().unwrap()].clone()).collect();
        assert_eq!(answer["total"], right.len(), "{said}: {found:?}, not {right:?}; {}", answer["slots"]);
        assert_eq!(found.len(), shown.len(), "{said}: a product is shown twice");
        assert!(found.is_subset(&right), "{said}: {found:?}, not {right:?}");
        assert_eq!(found.len(), right.len().min(50), "{said}");
        for product in shown {
            let sample = &samples[&ids[product["id"].as_str().unwrap()]];
            assert_eq!(product["name"], sample.name.english);
            assert_eq!(product["pricePaise"], sample.price_paise.0);
            assert_eq!(product["price"].as_f64().unwrap(), sample.price_paise.0 as f64 / 100.0);
            assert_eq!(product["inStock"], sample.stock > 0);
        }
        with_results += usize::from(!right.is_empty());
        speaks(&answer, said);
    }
    assert!(with_results >= 38, "only {with_results} searches find anything");
}

/// The spoken side: the number found is in the words, and the SSML holds no loose mark-up.
fn speaks(answer: &Value, said: &str) {
    let (text, ssml) = (answer["text"].as_str().unwrap(), answer["ssml"].as_str().unwrap());
    assert!(!text.is_empty() && ssml.starts_with("<speak") && ssml.ends_with("</speak>"), "{said}: {ssml}");
    assert!(roxmltree::Document::parse(ssml).is_ok(), "{said}: {ssml}");
    assert_eq!(answer["action"]["type"], "search", "{said}");
    assert!(answer["action"]["path"].as_str().unwrap().starts_with("/shop"), "{said}");
    let confidence = answer["confidence"].as_f64().unwrap();
    assert!(confidence > 0.5 && confidence <= 1.0, "{said}: {confidence}");
}

#[tokio::test]
async fn sorted_answers_come_in_their_order() {
    let app = TestApp::start().await;
    let (ids, samples) = (by_id(), products());
    type Before = fn(&SeedProduct, &SeedProduct) -> bool;
    let said: [(&str, &str, Before); 5] = [
        ("show the cheapest sarees", "sarees", |a, b| a.price_paise <= b.price_paise),
        ("most expensive lehengas", "lehengas", |a, b| a.price_paise >= b.price_paise),
        ("latest sarees", "sarees", |a, b| a.added_on >= b.added_on),
        ("best selling sarees", "sarees", |a, b| a.review_count >= b.review_count),
        ("sarees with the best reviews", "sarees", |a, b| a.rating >= b.rating),
    ];
    for (said, category, before) in said {
        let answer = say(&app.client(), said).await;
        let shown = answer["products"].as_array().unwrap();
        let shown: Vec<_> = shown.iter().map(|product| &samples[&ids[product["id"].as_str().unwrap()]]).collect();
        assert_eq!(shown.len(), units(|p| p.category == category).len().min(50), "{said}");
        assert!(shown.iter().all(|product| product.category == category), "{said}");
        assert!(shown.windows(2).all(|two| before(two[0], two[1])), "{said}");
    }
}

#[tokio::test]
async fn what_the_shop_lacks_is_said_with_a_way_on() {
    let app = TestApp::start().await;
    let answer = say(&app.client(), "silk sarees under one hundred rupees").await;
    assert_eq!((answer["total"].as_u64(), answer["products"].as_array().unwrap().len()), (Some(0), 0));
    assert!(!answer["text"].as_str().unwrap().is_empty());
    assert!(!answer["suggestions"].as_array().unwrap().is_empty(), "{answer}");
}
