//! What holds of every search.

use proptest::prelude::*;

use super::{catalogue, ids, typed};
use crate::catalogue::{Dimension, Facets, Matches, Product, ProductFilter, Search};
use crate::types::Paise;

/// Words that meet each other in every order.
const WORDS: [&str; 48] = [
    "saree",
    "sarees",
    "sari",
    "silk",
    "raw",
    "pure",
    "cotton",
    "red",
    "navy",
    "blue",
    "golden",
    "thread",
    "half",
    "block",
    "print",
    "temple",
    "border",
    "banarasi",
    "kanji",
    "varam",
    "kanchi",
    "puram",
    "shikragah",
    "zanzibar",
    "the",
    "for",
    "work",
    "wear",
    "ready",
    "to",
    "dress",
    "material",
    "salwar",
    "kameez",
    "kurta",
    "set",
    "s",
    "xl",
    "kal",
    "साड़ी",
    "लाल",
    "मंदिर",
    "बॉर्डर",
    "చీరలలో",
    "పట్టు",
    "ఎర్ర",
    "laal",
    "3",
];

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), 0..6)
}

fn some(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let chosen = prop::sample::subsequence(values, 0..=values.len().min(2));
    // Half of the filters leave the dimension open.
    (any::<bool>(), chosen)
        .prop_map(|(set, chosen)| if set { chosen.into_iter().map(str::to_owned).collect() } else { Vec::new() })
}

fn filters() -> impl Strategy<Value = ProductFilter> {
    let lists = (
        some(&["sarees", "kurtas", "shawls", "nonsense"]),
        some(&["silk", "cotton", "raw silk"]),
        some(&["banarasi", "ikat", "handloom"]),
        some(&["red", "gold", "white", "black"]),
        some(&["green", "gold"]),
        some(&["M", "XL", "free size"]),
        some(&["wedding", "office"]),
        some(&["telangana", "Varanasi", "gujarat"]),
    );
    let price = || prop::option::of((0_u64..3_000_000).prop_map(Paise));
    (lists, price(), price(), any::<bool>()).prop_map(|(lists, min_price, max_price, in_stock)| {
        let (categories, fabrics, weaves, colors, not_colors, sizes, occasions, origins) = lists;
        ProductFilter {
            categories,
            fabrics,
            weaves,
            colors,
            not_colors,
            sizes,
            occasions,
            origins,
            min_price,
            max_price,
            in_stock,
        }
    })
}

/// The facets of what words find, counted one by one.
fn counted(found: &[&Product], filter: &ProductFilter) -> Facets {
    let without = |left_out: Dimension| {
        let others = Dimension::ALL.into_iter().filter(move |dimension| *dimension != left_out);
        let others: Vec<Dimension> = others.collect();
        Facets::count(
            found.iter().copied().filter(|product| others.iter().all(|&other| filter.fits_in(other, product))),
        )
    };
    Facets {
        category: without(Dimension::Category).category,
        fabric: without(Dimension::Fabric).fabric,
        weave: without(Dimension::Weave).weave,
        color: without(Dimension::Color).color,
        size: without(Dimension::Size).size,
        occasion: without(Dimension::Occasion).occasion,
        state: without(Dimension::Origin).state,
        price: without(Dimension::Price).price,
        in_stock: without(Dimension::Stock).in_stock,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_safe(text in "\\PC{0,200}") {
        let catalogue = catalogue();
        let found = catalogue.search(&typed(&text));
        prop_assert!(ids(&found.products).len() == found.products.len());
        prop_assert!(found.ignored.iter().all(|word| text.contains(word.as_str())));
    }

    #[test]
    fn results_fit_the_filter_and_facets_are_what_one_would_count(words in words(), filter in filters()) {
        let catalogue = catalogue();
        let search = Search { filter: filter.clone(), ..typed(&words.join(" ")) };
        let Matches { products, facets, ignored, .. } = catalogue.search(&search);
        prop_assert!(products.iter().all(|product| filter.fits(product)));
        prop_assert_eq!(ids(&products).len(), products.len());
        let all = catalogue.search(&typed(&words.join(" ")));
        if ignored.is_empty() && all.ignored.is_empty() {
            let right = all.products.iter().copied().filter(|product| filter.fits(product)).collect::<Vec<_>>();
            prop_assert_eq!(ids(&products), ids(&right));
            prop_assert_eq!(facets, counted(&all.products, &filter));
        }
    }

    #[test]
    fn a_further_word_never_finds_more(words in words(), further in prop::sample::select(&WORDS[..])) {
        let catalogue = catalogue();
        let before = words.join(" ");
        let after = format!("{before} {further}");
        let (before, after) = (catalogue.search(&typed(&before)), catalogue.search(&typed(&after)));
        prop_assert!(ids(&after.of_all_words()).is_subset(&ids(&before.of_all_words())));
    }

    #[test]
    fn near_misses_are_what_one_would_count(filter in filters()) {
        let catalogue = catalogue();
        for (dimension, count) in catalogue.near_misses(&filter) {
            let alone = |product: &&Product| {
                !filter.fits_in(dimension, product)
                    && Dimension::ALL.into_iter().filter(|other| *other != dimension).all(|other| filter.fits_in(other, product))
            };
            prop_assert_eq!(count, catalogue.products().iter().filter(alone).count());
        }
    }
}
