use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::types::Language;

const SIZES: [&str; 6] = ["XS", "S", "M", "L", "XL", "XXL"];
const FREE_SIZE: [&str; 4] = ["sarees", "dupattas", "stoles", "shawls"];
const OCCASIONS: &str = "wedding, festive, office, party, daily";
const FABRICS: &str = "\
    chanderi silk, cotton, cotton silk, eri silk, georgette, khadi cotton, linen, muga silk, organza, pashmina, pure \
    silk, raw silk, tussar silk, velvet, wool";
const WEAVES: &str = "\
    ajrakh, baluchari, banarasi, bandhani, bhujodi, block print, bomkai, chanderi, chikankari, dharmavaram, gadwal, \
    gota patti, hand embroidered, handloom, handspun, ikat, ilkal, jamdani, kala cotton, kalamkari, kani, \
    kanjivaram, kantha, kasavu, kinnauri, kota doria, kullu, kutch, leheriya, maheshwari, mangalagiri, mashru, naga, \
    narayanpet, paithani, patola, phulkari, pochampally, sambalpuri, shibori, sozni, sungudi, tant, uppada, \
    venkatagiri, zardozi";
const COLORS: &str = "\
    beige, black, blue, brown, cream, gold, green, grey, indigo, lavender, magenta, maroon, multi, mustard, natural, \
    navy, olive, orange, peach, pink, purple, red, rust, saffron, silver, teal, terracotta, turquoise, white, wine, \
    yellow";
const CARE: &str = "\
    dry clean only, dry clean preferred, dry in shade, gentle wash, hand wash, machine wash cold, starch lightly, \
    store with neem leaves, store wrapped in muslin, wash dark colours separately";

fn all() -> Vec<SeedProduct> {
    products().expect("products.json parses")
}

fn is_slug(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The first word of `text` that does not belong to `language`'s script, if any. Size letters
/// are the only Latin words that Hindi and Telugu texts may hold.
fn foreign_word(text: &str, language: Language) -> Option<&str> {
    let script = match language {
        Language::English => ' '..='~',
        Language::Hindi => '\u{0900}'..='\u{097F}',
        Language::Telugu => '\u{0C00}'..='\u{0C7F}',
    };
    let joiner = |letter: char| matches!(letter, '\u{200C}' | '\u{200D}');
    // The danda ends a Hindi sentence; Telugu, as written today, ends one with a full stop.
    let mark = |letter: char| letter.is_ascii_digit() || letter.is_ascii_punctuation();
    let belongs = |word: &&str| {
        SIZES.contains(&word.trim_matches(|letter: char| letter.is_ascii_punctuation()))
            || word.chars().all(|letter| script.contains(&letter) || mark(letter) || joiner(letter))
    };
    text.split_whitespace().find(|word| !belongs(word))
}

/// Asserts that `text` is there, tidy, and in the right script in every language.
fn assert_localised(text: &LocalisedText, place: &str) {
    for language in Language::ALL {
        let text = text.get(language);
        assert!(text.chars().count() >= 2, "{place} {language} is missing");
        assert!(text.trim() == text && !text.contains("  "), "{place} {language} has stray spaces");
        assert_eq!(foreign_word(text, language), None, "{place} {language}");
        let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
        assert!(letters * 2 > text.chars().count(), "{place} {language} is hardly a text");
    }
}

/// Asserts that no two of `texts` are alike, capitals and spaces aside.
fn assert_distinct<'a>(what: &str, texts: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for text in texts {
        let bare: String = text.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
        assert!(!bare.is_empty() && seen.insert(bare), "{what} is there twice: {text}");
    }
}

fn assert_words(product: &SeedProduct, what: &str, words: &[String], vocabulary: &str) {
    assert!(!words.is_empty(), "{}: no {what}", product.key);
    assert_distinct(&format!("{}: {what}", product.key), words.iter().map(String::as_str));
    for word in words {
        assert!(vocabulary.split(", ").any(|known| known == word), "{}: {what} {word:?}", product.key);
    }
}

#[test]
fn the_script_check_sees_strangers() {
    assert_eq!(foreign_word("लाल saree है", Language::Hindi), Some("saree"));
    assert_eq!(foreign_word("ఎర్ర साड़ी", Language::Telugu), Some("साड़ी"));
    assert_eq!(foreign_word("चौड़ाई ఎరుపు", Language::Hindi), Some("ఎరుపు"));
    assert_eq!(foreign_word("naïve", Language::English), Some("naïve"));
    assert_eq!(foreign_word("नाप: XS 32, XXL 42 इंच।", Language::Hindi), None);
}

#[test]
fn every_category_has_its_share() {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let products = all();
    for product in &products {
        *counts.entry(product.category.clone()).or_default() += 1;
    }
    assert!(products.len() >= 220);
    let categories = categories().unwrap();
    for category in &categories {
        let least = if category.id == "sarees" { 80 } else { 12 };
        assert!(counts.get(&category.id).is_some_and(|&count| count >= least), "{} in {counts:?}", category.id);
    }
    assert_eq!(counts.len(), categories.len(), "a product stands in no category: {counts:?}");
}

#[test]
fn categories_are_the_canonical_ones_in_menu_order() {
    let categories = categories().unwrap();
    let ids: BTreeSet<&str> = categories.iter().map(|category| category.id.as_str()).collect();
    let canonical =
        ["sarees", "kurtas", "dupattas", "suits", "stoles", "jackets", "shirts", "lehengas", "shawls", "blouses"];
    assert_eq!(ids, BTreeSet::from(canonical));
    for (category, position) in categories.iter().zip(1..) {
        assert_eq!(category.position, position);
        assert!(is_slug(&category.group));
        assert_localised(&category.name, &category.id);
    }
    for language in Language::ALL {
        assert_distinct("category", categories.iter().map(|category| category.name.get(language)));
    }
}

#[test]
fn sarees_come_from_every_region_we_speak_of() {
    let products = all();
    let known: BTreeSet<&str> = products
        .iter()
        .filter(|product| product.category == "sarees")
        .flat_map(|product| [product.subcategory.as_str(), &product.weave])
        .collect();
    let traditions = "\
        banarasi, kanjivaram, chanderi, maheshwari, pochampally, gadwal, uppada, mangalagiri, venkatagiri, \
        narayanpet, dharmavaram, paithani, patola, sambalpuri, bomkai, jamdani, tant, baluchari, tussar, muga, kota \
        doria, bandhani, kalamkari, ajrakh, chikankari, linen, ilkal, kasavu, madurai sungudi";
    for tradition in traditions.split(", ") {
        assert!(known.contains(tradition), "no {tradition} saree");
    }
}

#[test]
fn keys_skus_names_and_descriptions_are_unique() {
    let products = all();
    assert_distinct("key", products.iter().map(|product| product.key.as_str()));
    assert_distinct("sku", products.iter().map(|product| product.sku.as_str()));
    for language in Language::ALL {
        assert_distinct("name", products.iter().map(|product| product.name.get(language)));
        assert_distinct("description", products.iter().map(|product| product.description.get(language)));
    }
    for product in &products {
        assert!(is_slug(&product.key) && product.key.len() <= 80, "{}", product.key);
        let number = product.sku.strip_prefix("PB-").and_then(|rest| rest.split_once('-'));
        assert!(number.is_some_and(|(_, number)| number.parse::<u16>().is_ok()), "{}", product.sku);
    }
}

#[test]
fn filters_use_the_canonical_words() {
    for product in all() {
        assert_words(&product, "fabric", std::slice::from_ref(&product.fabric), FABRICS);
        assert_words(&product, "weave", std::slice::from_ref(&product.weave), WEAVES);
        assert_words(&product, "colour", &product.colors, COLORS);
        assert_words(&product, "occasion", &product.occasions, OCCASIONS);
        assert_words(&product, "care", &product.care, CARE);
        assert_distinct(&format!("{}: tag", product.key), product.tags.iter().map(String::as_str));
        for word in product.tags.iter().chain([&product.subcategory]) {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b" -".contains(&byte);
            assert!(!word.is_empty() && word.bytes().all(plain), "{}: {word:?}", product.key);
        }
        assert!(product.tags.contains(&product.weave), "{}: its weave is no tag", product.key);
        assert!(!product.origin.place.is_empty() && !product.origin.state.is_empty(), "{}", product.key);
    }
}

/// A spelling slip in a state would make a filter miss its products.
#[test]
fn origins_are_states_of_india() {
    let states = "\
        Andhra Pradesh, Assam, Bihar, Gujarat, Himachal Pradesh, Jammu and Kashmir, Jharkhand, Karnataka, Kerala, \
        Madhya Pradesh, Maharashtra, Manipur, Nagaland, Odisha, Punjab, Rajasthan, Tamil Nadu, Telangana, Uttar \
        Pradesh, Uttarakhand, West Bengal";
    let mut state_of_place = BTreeMap::new();
    for product in all() {
        assert!(
            states.split(", ").any(|state| state == product.origin.state),
            "{}: {}",
            product.key,
            product.origin.state
        );
        let state = state_of_place.entry(product.origin.place.clone()).or_insert(product.origin.state.clone());
        assert_eq!(*state, product.origin.state, "{} lies in two states", product.origin.place);
    }
}

#[test]
fn sizes_fit_the_category() {
    for product in all() {
        let sizes: Vec<&str> = product.sizes.iter().map(String::as_str).collect();
        if FREE_SIZE.contains(&product.category.as_str()) {
            assert_eq!(sizes, ["free size"], "{}", product.key);
        } else {
            let ranges = (0..SIZES.len()).flat_map(|from| (from + 3..=SIZES.len()).map(move |to| &SIZES[from..to]));
            assert!(ranges.into_iter().any(|range| range == sizes), "{}: {sizes:?}", product.key);
        }
    }
}

#[test]
fn names_and_descriptions_are_in_their_scripts() {
    for product in all() {
        assert_localised(&product.name, &product.key);
        assert_localised(&product.description, &product.key);
        for language in Language::ALL {
            let description = product.description.get(language);
            let length = description.chars().count();
            assert!((20..=220).contains(&length), "{} {language}: {length} letters", product.key);
            assert!(description.ends_with(['.', '।']), "{} {language}: no full stop", product.key);
        }
    }
}

#[test]
fn prices_are_whole_rupees_that_fall() {
    for product in all() {
        let (price, original) = (product.price_paise, product.original_price_paise);
        assert!(price <= original, "{}", product.key);
        assert!(Paise::from_rupees(500) <= price && price <= Paise::from_rupees(50_000), "{}", product.key);
        assert!(price.0 % 100 == 0 && original.0 % 100 == 0, "{}", product.key);
    }
}

#[test]
fn every_price_filter_leaves_something_to_choose() {
    let products = all();
    let bounds = [0, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000].map(Paise::from_rupees);
    for band in bounds.windows(2) {
        let inside = products.iter().filter(|product| band[0] < product.price_paise && product.price_paise <= band[1]);
        assert!(inside.count() >= 8, "{band:?}");
    }
    let affordable_silk = products.iter().filter(|product| {
        product.category == "sarees"
            && product.fabric.contains("silk")
            && product.price_paise <= Paise::from_rupees(5_000)
    });
    assert!(affordable_silk.count() >= 6);
}

#[test]
fn ratings_and_dates_are_plausible() {
    let new_from = NaiveDate::from_ymd_opt(2026, 9, 1).unwrap();
    let years = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap()..=NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
    for product in all() {
        assert!((0.0..=5.0).contains(&product.rating), "{}", product.key);
        let tenths = f64::from(product.rating) * 10.0;
        assert!((tenths - tenths.round()).abs() < 1e-4, "{}: {}", product.key, product.rating);
        assert_eq!(product.rating == 0.0, product.review_count == 0, "{}", product.key);
        assert!(years.contains(&product.added_on), "{}", product.key);
        assert_eq!(product.is_new, product.added_on >= new_from, "{}", product.key);
    }
}

#[test]
fn some_pieces_are_sold_out_and_about_ten_are_featured() {
    let products = all();
    let sold_out = products.iter().filter(|product| product.stock == 0).count();
    let featured = products.iter().filter(|product| product.featured).count();
    let new = products.iter().filter(|product| product.is_new).count();
    assert!((3..=15).contains(&sold_out), "{sold_out}");
    assert!((8..=12).contains(&featured), "{featured}");
    assert!((10..=60).contains(&new), "{new}");
}

#[test]
fn pictures_are_named_after_the_product() {
    for product in all() {
        assert!(!product.image.is_empty());
        for (path, number) in product.image.iter().zip(1..) {
            assert_eq!(*path, format!("/media/products/{}-{number}.webp", product.key));
        }
    }
}

/// The storefront's own sample products keep their prices (in rupees, before and after).
#[test]
fn the_storefronts_samples_are_here() {
    let by_key: HashMap<String, SeedProduct> =
        all().into_iter().map(|product| (product.key.clone(), product)).collect();
    for (key, category, price, original) in [
        ("banarasi-silk-saree-with-golden-thread", "sarees", 15_999, 19_999),
        ("indigo-khadi-cotton-kurta-set", "kurtas", 3_999, 4_999),
        ("odisha-ikat-dupatta-geometric", "dupattas", 2_499, 2_999),
        ("chanderi-silk-suit-floral", "suits", 8_999, 11_999),
        ("handwoven-cotton-stole-saffron-stripes", "stoles", 1_299, 1_599),
        ("kantha-embroidered-jacket", "jackets", 5_999, 7_999),
        ("madurai-cotton-saree-with-temple-border", "sarees", 4_999, 5_999),
        ("tussar-silk-shirt-natural", "shirts", 3_499, 4_299),
        ("banarasi-kadhwa-saree-in-bridal-red", "sarees", 15_999, 18_999),
        ("lucknow-cotton-kurta-set-with-chikan-yoke", "kurtas", 3_499, 3_499),
        ("kashmiri-pashmina-shawl", "shawls", 8_999, 10_999),
        ("chanderi-silk-dupatta-in-rose-gold", "dupattas", 2_799, 2_799),
        ("kerala-linen-saree-with-gold-border", "sarees", 4_999, 5_999),
        ("rajasthani-block-print-lehenga", "lehengas", 12_999, 15_999),
        ("floral-cotton-suit-set-three-pieces", "suits", 4_999, 5_999),
        ("banaras-silk-saree-with-shikargah-border", "sarees", 12_500, 12_500),
    ] {
        let product = by_key.get(key).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!(product.category, category, "{key}");
        assert_eq!(product.price_paise, Paise::from_rupees(price), "{key}");
        assert_eq!(product.original_price_paise, Paise::from_rupees(original), "{key}");
    }
    for key in [
        "banarasi-silk-saree-with-golden-thread",
        "indigo-khadi-cotton-kurta-set",
        "chanderi-silk-suit-floral",
        "kantha-embroidered-jacket",
    ] {
        assert!(by_key[key].featured, "{key}");
    }
    assert_eq!(by_key["kantha-embroidered-jacket"].stock, 0);
}

#[test]
fn policies_cover_what_shoppers_ask_and_say_that_they_are_samples() {
    let policies = policies().unwrap();
    assert_distinct("topic", policies.iter().map(|policy| policy.topic.as_str()));
    for topic in ["shipping", "returns", "exchanges", "sizes", "care", "payment", "privacy"] {
        assert!(policies.iter().any(|policy| policy.topic == topic), "{topic}");
    }
    for policy in &policies {
        let topic = &policy.topic;
        assert!(is_slug(topic) && policy.sample, "{topic}");
        assert!(policy.notice.english.contains("Sample"), "{topic}");
        assert!(policy.notice.hindi.contains("नमूना"), "{topic}");
        assert!(policy.notice.telugu.contains("నమూనా"), "{topic}");
        for text in [&policy.title, &policy.summary, &policy.body, &policy.notice] {
            assert_localised(text, topic);
        }
        for language in Language::ALL {
            let summary = policy.summary.get(language);
            let sentences = summary.split(['.', '।']).filter(|sentence| !sentence.trim().is_empty()).count();
            assert!((1..=2).contains(&sentences), "{topic} {language}: {sentences} sentences to speak");
            assert!(policy.body.get(language).len() > summary.len(), "{topic} {language}");
        }
    }
}

/// Numbers are what a translation gets wrong unnoticed.
#[test]
fn policies_name_the_same_numbers_in_every_language() {
    let numbers = |text: &str| {
        let mut found: Vec<String> = text
            .replace(',', "")
            .split(|letter: char| !letter.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .map(str::to_owned)
            .collect();
        found.sort();
        found
    };
    for policy in policies().unwrap() {
        for text in [&policy.summary, &policy.body] {
            let english = numbers(&text.english);
            assert_eq!(english, numbers(&text.hindi), "{} hi-IN", policy.topic);
            assert_eq!(english, numbers(&text.telugu), "{} te-IN", policy.topic);
        }
    }
}
