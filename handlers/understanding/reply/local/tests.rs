use super::super::*;
use super::{hindi, rupees, telugu};
use crate::types::{Language, Paise};
use crate::understanding::{Context, understand};

fn product(name: &str, rupees: u64) -> FoundProduct {
    FoundProduct { id: ProductId::generate(), name: name.to_owned(), price: Paise::from_rupees(rupees) }
}

fn some(total: u64) -> Found {
    let names = ["मधुबनी", "कांथा", "इकत"];
    let products = names.iter().take(total.min(3) as usize).map(|name| product(name, 4_499)).collect();
    Found { total, products, ..Found::default() }
}

fn reply(text: &str, found: &Found) -> Reply {
    compose(&understand(text, &Context::default()), found)
}

#[test]
fn a_search_is_answered_in_the_language_in_which_it_was_asked() {
    for (say, total, text) in [
        ("पाँच हज़ार तक की लाल सिल्क साड़ियाँ दिखाओ", 4, "मुझे 4 लाल रंग की सिल्क साड़ियाँ, 5,000 रुपये तक, मिलीं।"),
        ("नीला कुर्ता दिखाओ", 1, "मुझे 1 नीले रंग का कुर्ता मिला। मधुबनी, 4,499 रुपये।"),
        ("शादी के लिए लहंगा दिखाओ", 0, "यह नहीं मिला: लहंगे, शादी के लिए।"),
        ("ఐదు వేల లోపు సిల్క్ చీరలు చూపించు", 4, "5,000 రూపాయల లోపు,"),
    ] {
        let reply = reply(say, &some(total));
        assert!(reply.text.starts_with(text), "{say}: {}", reply.text);
        assert!(reply.ssml.contains(text.split('।').next().unwrap()), "{}", reply.ssml);
    }
    assert!(reply("5000 tak ki silk saree dikhao", &some(4)).text.starts_with("I found 4 silk sarees"));
}

#[test]
fn every_reply_has_its_words() {
    let target = product("इकत", 2_499);
    let facts = ProductFacts {
        product: target.clone(),
        description: "हाथ से बुना।".into(),
        fabric: "silk".into(),
        origin: "Pochampally".into(),
        care: "Dry clean only.".into(),
        colors: vec!["red".into()],
        sizes: vec!["M".into()],
        in_stock: true,
        rating: 4.5,
        reviews: 12,
    };
    let cart = CartSummary { lines: vec![CartLine { product: target.clone(), quantity: 2 }], total: Paise(499_800) };
    let found = Found {
        total: 5,
        products: some(5).products,
        target: Some(target),
        cart: Some(cart),
        policy: Some("७ दिन ౭ రోజులు".into()),
        facts: Some(facts),
        relaxations: Vec::new(),
    };
    let sentences = [
        "show me silk sarees",
        "add two of these to my cart",
        "remove this from my cart",
        "empty my cart",
        "make it three",
        "what is in my cart",
        "check out",
        "how much is this",
        "what do the reviews say",
        "is it in stock",
        "how do i wash it",
        "what is it made of",
        "where was it made",
        "what sizes does it come in",
        "what colours does it come in",
        "tell me about this",
        "how long does delivery take",
        "open the first product",
        "open my cart",
        "open sarees page",
        "go back",
        "help",
        "stop",
        "what is the weather in delhi",
    ];
    for (language, script) in [(Language::Hindi, '\u{900}'..='\u{97F}'), (Language::Telugu, '\u{C00}'..='\u{C7F}')] {
        for found in [&found, &Found::default()] {
            for say in sentences {
                let understood = understand(say, &Context::default());
                let english = compose(&understood, found);
                let local = compose(&Understood { language, ..understood }, found);
                assert_eq!((&local.action, local.question), (&english.action, english.question), "{say}");
                assert_eq!(local.suggestions.len(), english.suggestions.len());
                assert!(local.text.chars().any(|c| script.contains(&c)), "{say}: {}", local.text);
                let foreign = local.text.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_lowercase()));
                assert!(foreign.count() <= 2, "{say}: {}", local.text);
                assert!(local.ssml.starts_with("<speak><s>"), "{}", local.ssml);
            }
        }
    }
}

#[test]
fn suggestions_mean_the_same_in_every_language() {
    let products: Vec<ProductId> = (0..3).map(|_| ProductId::generate()).collect();
    let context = Context { current_product: products.first().cloned(), products, ..Context::default() };
    let mut checked = 0;
    for english in [
        "tell me more",
        "add it to my cart",
        "tell me about the first one",
        "add the second one to my cart",
        "show me the cheapest first",
        "what is in my cart",
        "check out",
        "remove the last one",
        "show me new arrivals",
        "what do the reviews say",
        "show me silk sarees under five thousand rupees",
        "how long does delivery take",
        "contact us",
    ] {
        let meant = understand(english, &context);
        for local in [hindi::suggestion(english), telugu::suggestion(english)] {
            let local = local.expect("it has a wording");
            let understood = understand(local, &context);
            assert_eq!(understood.intent, meant.intent, "{english}: {local}");
            assert_eq!(understood.slots, meant.slots, "{english}: {local}");
            assert_eq!(understood.reference, meant.reference, "{english}: {local}");
            checked += 1;
        }
    }
    assert_eq!(checked, 26);
}

#[test]
fn amounts_are_grouped_as_in_india() {
    for (paise, text) in
        [(0, "0"), (99_900, "999"), (499_950, "4,999.50"), (12_345_600, "1,23,456"), (1_000_000_000, "1,00,00,000")]
    {
        assert_eq!(rupees(Paise(paise)), text);
    }
}
