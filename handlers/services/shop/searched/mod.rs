//! What searches find in the sample catalogue.

mod properties;
mod table;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use self::table::FIRST;
use super::sample_catalogue;
use crate::catalogue::{Product, ProductFilter, Search, Snapshot, Wording};

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

#[test]
fn a_word_is_found_as_it_is_written_before_what_sounds_like_it() {
    let named = |position: usize, name: &str| {
        let mut product = catalogue().products()[position].clone();
        product.name.english = name.to_owned();
        product.stock = 1 + position as u32;
        product
    };
    // The one that sounds alike would come first by popularity.
    let products = vec![named(0, "Veenavati Saree"), named(1, "Vinavati Saree"), named(2, "Vinabati Saree")];
    let shop = Snapshot::new(products, Vec::new(), Vec::new());
    let names = |words: &str| -> Vec<String> {
        shop.search(&typed(words)).products.into_iter().map(|product| product.name.english.clone()).collect()
    };
    assert_eq!(names("vinavati"), ["Vinavati Saree", "Veenavati Saree"]);
    assert_eq!(names("veenavati"), ["Veenavati Saree", "Vinavati Saree"]);
    assert_eq!(names("వీణావతి").len(), 2);
    assert_eq!(names("vinabatti"), ["Vinabati Saree"], "by its sound");
    assert_eq!(names("vinbaati"), ["Vinabati Saree"], "two letters in each other's place");
}
