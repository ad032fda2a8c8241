//! What searches find in the sample catalogue.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::sample_catalogue;
use crate::catalogue::{Dimension, Facets, Matches, Product, ProductFilter, Search, Snapshot, Wording};
use crate::types::Paise;

/// What is typed, and what the first three products must be then, or all if there are fewer: `field=value` for
/// a value, `field~text` for a part of it.
const FIRST: &[(&str, &str)] = &[
    // Words as the shop writes them, in any order and number.
    ("banarasi", "weave=banarasi"),
    ("Kanjivaram", "weave=kanjivaram"),
    ("silk saree", "fabric~silk category=sarees"),
    ("saree silk", "fabric~silk category=sarees"),
    ("cotton kurta", "fabric=cotton category=kurtas"),
    ("red banarasi saree", "weave=banarasi color=red category=sarees"),
    ("raw silk", "fabric=raw silk"),
    ("khadi shirt", "fabric=khadi cotton category=shirts"),
    ("block print lehenga", "weave=block print category=lehengas"),
    ("kota doria", "weave=kota doria"),
    ("half saree", "name~Half Saree"),
    ("velvet jacket", "fabric=velvet category=jackets"),
    ("shikargah", "name~Shikargah"),
    ("temple border", "name~Temple Border"),
    ("wedding lehenga", "occasion=wedding category=lehengas"),
    ("men's kurta", "name~Men category=kurtas"),
    ("short kurta", "name~Short category=kurtas"),
    ("suit set", "category=suits tag=set"),
    ("navy blue kurta", "name~Navy category=kurtas"),
    ("varanasi", "place=Varanasi"),
    ("telangana", "state=Telangana"),
    // Plurals, and what stands around the words.
    ("banarasi sarees", "weave=banarasi category=sarees"),
    ("shawls", "category=shawls"),
    ("show me the silk dupattas", "fabric~silk category=dupattas"),
    ("stoles of wool", "fabric=wool category=stoles"),
    ("scarves", "category=stoles"),
    // As it is typed.
    ("kanj", "weave=kanjivaram"),
    ("banar", "weave=banarasi"),
    ("pochamp", "weave=pochampally"),
    ("chande", "weave=chanderi"),
    ("silk sar", "fabric~silk category=sarees"),
    ("red banarasi sa", "weave=banarasi color=red"),
    ("pashm", "fabric=pashmina"),
    ("zardo", "weave=zardozi"),
    // Slips of the fingers.
    ("bnaarasi", "weave=banarasi"),
    ("slik saree", "fabric~silk category=sarees"),
    ("kanjivarma", "weave=kanjivaram"),
    ("kanjiavram", "weave=kanjivaram"),
    ("chadneri", "weave=chanderi"),
    ("pochampaly ikat", "weave=pochampally"),
    ("mangalgiri", "weave=mangalagiri"),
    ("pashmna shawl", "fabric=pashmina category=shawls"),
    ("dupata", "category=dupattas"),
    ("lehnga", "category=lehengas"),
    ("shikragah", "name~Shikargah"),
    ("rudrakhsa", "name~Rudraksha"),
    ("embroidry", "tag=embroidery"),
    ("gadwall", "weave=gadwal"),
    ("maheshwri", "weave=maheshwari"),
    ("ajrak", "weave=ajrakh"),
    ("marroon jacket", "color=maroon category=jackets"),
    ("kalmakari", "weave=kalamkari"),
    // Other words for the same.
    ("sari", "category=sarees"),
    ("banarsi", "weave=banarasi"),
    ("kanjeevaram", "weave=kanjivaram"),
    ("kanchipuram saree", "weave=kanjivaram category=sarees"),
    ("benares silk", "weave=banarasi fabric~silk"),
    ("ikkat", "tag=ikat"),
    ("marriage saree", "occasion=wedding category=sarees"),
    ("lucknowi kurta", "weave=chikankari category=kurtas"),
    ("tunic", "category=kurtas"),
    // Hindi.
    ("साड़ी", "category=sarees"),
    ("बनारसी साड़ी", "weave=banarasi category=sarees"),
    ("कांजीवरम", "weave=kanjivaram"),
    ("लाल साड़ी", "color=red category=sarees"),
    ("सूती कुर्ता", "fabric=cotton category=kurtas"),
    ("रेशमी दुपट्टा", "fabric~silk category=dupattas"),
    ("चंदेरी", "weave=chanderi"),
    ("पश्मीना शॉल", "fabric=pashmina category=shawls"),
    ("शिकारगाह", "name~Shikargah"),
    ("शादी का लहंगा", "occasion=wedding category=lehengas"),
    // Telugu.
    ("చీర", "category=sarees"),
    ("చీరలలో", "category=sarees"),
    ("బనారసీ చీర", "weave=banarasi category=sarees"),
    ("కంచి పట్టు చీర", "weave=kanjivaram category=sarees"),
    ("ఎర్ర చీర", "color=red category=sarees"),
    ("నూలు చీరలు", "fabric=cotton category=sarees"),
    ("పోచంపల్లి", "weave=pochampally"),
    ("రుద్రాక్ష", "name~Rudraksha"),
    // Both in Latin letters, and mixed.
    ("laal saadi", "color=red category=sarees"),
    ("resham dupatta", "fabric~silk category=dupattas"),
    ("pattu cheera", "fabric~silk category=sarees"),
    ("erra cheera", "color=red category=sarees"),
    ("shaadi lehenga", "occasion=wedding category=lehengas"),
    ("लाल saree", "color=red category=sarees"),
    ("banarasi चीर", "weave=banarasi category=sarees"),
    ("red साड़ी banarsi", "weave=banarasi color=red category=sarees"),
];

fn catalogue() -> &'static Snapshot {
    static CATALOGUE: LazyLock<Snapshot> = LazyLock::new(|| sample_catalogue().unwrap());
    &CATALOGUE
}

fn typed(words: &str) -> Search {
    Search { words: words.to_owned(), ..Search::default() }
}

/// Whether a product is as an entry of the table expects.
fn is_as(product: &Product, expected: &str) -> bool {
    let fields = ["weave", "fabric", "category", "color", "occasion", "tag", "name", "place", "state"];
    let starts = |at: usize| {
        fields
            .iter()
            .any(|f| expected[at..].starts_with(&format!("{f}=")) || expected[at..].starts_with(&format!("{f}~")))
    };
    let mut at: Vec<usize> = expected
        .char_indices()
        .filter(|(i, _)| (*i == 0 || expected[..*i].ends_with(' ')) && starts(*i))
        .map(|(i, _)| i)
        .collect();
    at.push(expected.len());
    at.windows(2).all(|span| {
        let condition = expected[span[0]..span[1]].trim();
        let split = condition.find(['=', '~']).expect("a condition");
        let (field, value) = (&condition[..split], &condition[split + 1..]);
        let whole = condition[split..].starts_with('=');
        let fits = |held: &String| if whole { held == value } else { held.contains(value) };
        match field {
            "weave" => fits(&product.weave),
            "fabric" => fits(&product.fabric),
            "category" => fits(&product.category),
            "name" => fits(&product.name.english),
            "place" => fits(&product.origin.place),
            "state" => fits(&product.origin.state),
            "color" => product.colors.iter().any(fits),
            "occasion" => product.occasions.iter().any(fits),
            "tag" => product.tags.iter().any(fits),
            other => panic!("{other} is no field"),
        }
    })
}

#[test]
fn the_first_products_are_those_that_are_meant() {
    let catalogue = catalogue();
    let mut wrong = Vec::new();
    for (query, expected) in FIRST {
        let there = catalogue.products().iter().filter(|product| is_as(product, expected)).count();
        assert!(there > 0, "{expected}: there is no such product");
        let found = catalogue.search(&typed(query));
        let first: Vec<&&Product> = found.products.iter().take(there.min(3)).collect();
        if first.len() < there.min(3)
            || !first.iter().all(|product| is_as(product, expected))
            || !found.ignored.is_empty()
        {
            let names: Vec<&str> = found.products.iter().take(5).map(|product| product.name.english.as_str()).collect();
            wrong.push(format!(
                "{query}: {expected}: {} found, ignored {:?}, {names:?}",
                found.products.len(),
                found.ignored
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FIRST.len(), wrong.join("\n"));
}

fn ids(found: &[&Product]) -> BTreeSet<String> {
    found.iter().map(|product| product.id.to_string()).collect()
}

#[test]
fn one_thing_is_found_by_all_its_names() {
    let catalogue = catalogue();
    for same in [
        &["saree", "sarees", "sari", "साड़ी", "చీర", "cheera"][..],
        &["banarasi", "banarsi", "बनारसी", "బనారసీ"],
        &["kanjivaram", "kanjeevaram", "कांजीवरम", "కంచి"],
        &["silk", "सिल्क", "रेशम", "పట్టు", "resham"],
    ] {
        let sets: Vec<BTreeSet<String>> =
            same.iter().map(|word| ids(&catalogue.search(&typed(word)).products)).collect();
        for (word, set) in same.iter().zip(&sets) {
            let (more, less) = (set.difference(&sets[0]).count(), sets[0].difference(set).count());
            // A word of its own may stand in some description besides.
            assert!(less == 0 && more <= 3, "{word}: {more} more and {less} less than {}", same[0]);
        }
    }
}

#[test]
fn weave_and_fabric_go_before_names_and_those_before_descriptions() {
    let catalogue = catalogue();
    let rank = |product: &Product| {
        let name = product.name.english.to_lowercase();
        if product.weave == "kalamkari" {
            0
        } else if name.contains("kalamkari") {
            1
        } else {
            2
        }
    };
    let found: Vec<i32> = catalogue.search(&typed("kalamkari")).products.into_iter().map(rank).collect();
    assert!(found.is_sorted() && found.first() == Some(&0), "{found:?}");
    let whole: Vec<bool> =
        catalogue.search(&typed("kantha")).products.iter().map(|product| product.weave != "kantha").collect();
    assert!(whole.is_sorted() && whole.contains(&true), "a tag and a name go behind the weave: {whole:?}");
}

#[test]
fn what_is_written_right_goes_before_what_sounds_alike_and_slips_are_told() {
    let catalogue = catalogue();
    let right = catalogue.search(&typed("shikargah"));
    assert_eq!(right.did_you_mean, None);
    let slipped = catalogue.search(&typed("Shikragah bordre"));
    assert_eq!(slipped.did_you_mean.as_deref(), Some("shikargah border"));
    assert_eq!(slipped.products[0].name.english, "Banaras Silk Saree with Shikargah Border");
    assert!(slipped.ignored.is_empty());
    let kept = catalogue.search(&typed("Red Shikragah"));
    assert!(kept.did_you_mean.is_none_or(|words| words == "Red shikargah"));
    // A word of the trade that the shop does not have is no slip.
    assert_eq!(catalogue.search(&typed("chiffon")).did_you_mean, None);
    // Words of a sentence that was understood are taken as they are.
    let heard = Search { wording: Wording::Understood, ..typed("shikragah") };
    assert!(catalogue.search(&heard).products.is_empty());
}

#[test]
fn words_that_nothing_fits_are_given_up_and_told() {
    let catalogue = catalogue();
    let found = catalogue.search(&typed("zanzibar Banarasi saree"));
    assert_eq!(found.ignored, ["zanzibar"]);
    assert!(
        found
            .products
            .iter()
            .all(|product| product.weave == "banarasi" || product.tags.iter().any(|tag| tag.contains("banar")))
    );
    assert_eq!(ids(&found.products), ids(&catalogue.search(&typed("banarasi saree")).products));
    // Each fits something, nothing fits both: the one that says more is kept.
    let found = catalogue.search(&typed("pashmina lehenga"));
    assert_eq!(found.ignored, ["lehenga"]);
    assert!(found.products.iter().all(|product| product.fabric == "pashmina"));
    let nothing = catalogue.search(&typed("qqqqq wwwww"));
    assert_eq!((nothing.products.len(), nothing.ignored), (0, vec!["qqqqq".to_owned(), "wwwww".to_owned()]));
    // Within a filter that excludes all of them.
    let filter = ProductFilter { categories: vec!["kurtas".into()], ..ProductFilter::default() };
    let excluded = catalogue.search(&Search { filter, ..typed("pashmina") });
    assert_eq!((excluded.products.len(), excluded.ignored), (0, vec!["pashmina".to_owned()]));
    assert!(excluded.facets.category.contains_key("shawls"), "the facets tell where they are");
    assert!(excluded.facets.fabric.is_empty());
}

#[test]
fn words_without_meaning_limit_nothing() {
    let catalogue = catalogue();
    assert_eq!(catalogue.search(&typed("show me")).products.len(), catalogue.products().len());
    assert_eq!(
        ids(&catalogue.search(&typed("please show me a saree for the wedding")).products),
        ids(&catalogue.search(&typed("saree wedding")).products)
    );
}

#[test]
fn the_weight_grows_with_what_is_indexed() {
    let catalogue = catalogue();
    let products = catalogue.products().to_vec();
    let half = Snapshot::new(products[..products.len() / 2].to_vec(), Vec::new(), Vec::new());
    let whole = Snapshot::new(products, Vec::new(), Vec::new());
    let empty = Snapshot::new(Vec::new(), Vec::new(), Vec::new());
    assert!(empty.weight() < 2_000 && half.weight() * 3 / 2 < whole.weight());
}

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
