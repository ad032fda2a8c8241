//! What the catalogue has for what was understood: the products that fit, the product that is meant, and what to
//! give up where nothing fits.

use super::AnswerProduct;
use crate::catalogue::{Dimension, Facets, Matches, Product, ProductFilter, Search, Snapshot, Wording};
use crate::types::Language;
use crate::understanding::reply::{Constraint, Found, FoundProduct, ProductFacts, Relaxation, uncovered};
use crate::understanding::{Context, Intent, ProductReference, Slots, Understood};

/// Products an answer carries at most; `total` tells of all.
const MAX_PRODUCTS: usize = 50;
/// Candidates for a name that fits several products.
const MAX_CANDIDATES: usize = 5;

/// The products that an answer shows.
pub(super) fn shown<'a>(
    catalogue: &'a Snapshot,
    intent: Intent,
    matches: &[&'a Product],
    found: &Found,
) -> Vec<&'a Product> {
    match intent {
        Intent::Search => matches.iter().take(MAX_PRODUCTS).copied().collect(),
        _ => found.products.iter().chain(&found.target).filter_map(|product| catalogue.get(&product.id)).collect(),
    }
}

/// A product as an answer carries it.
pub(super) fn card(product: &Product, language: Language) -> AnswerProduct {
    AnswerProduct {
        id: product.id.clone(),
        name: product.name.get(language).to_owned(),
        price_paise: product.price_paise,
        price: product.price_paise.rupees(),
        currency: "INR".into(),
        image: product.image(),
        in_stock: product.stock > 0,
    }
}

/// The products that fit the slots and the free words, and their facets; free words that fit nothing are given
/// up.
pub(super) fn search<'a>(catalogue: &'a Snapshot, understood: &Understood) -> (Vec<&'a Product>, Facets) {
    let slots = &understood.slots;
    let words = uncovered(slots, &understood.query);
    let filter = ProductFilter::of_slots(slots);
    let mut search = Search { filter, words, wording: Wording::Understood, sort: slots.sort };
    let mut found = catalogue.search(&search);
    if found.products.is_empty() && !search.words.is_empty() {
        search.words.clear();
        found = catalogue.search(&search);
    }
    let Matches { products, facets, .. } = found;
    (products, facets)
}

/// What the reply needs of the catalogue.
pub(super) fn find(
    catalogue: &Snapshot,
    understood: &Understood,
    context: &Context,
    matches: &[&Product],
    language: Language,
) -> Found {
    let named = |product: &&Product| FoundProduct {
        id: product.id.clone(),
        name: product.name.get(language).to_owned(),
        price: product.price_paise,
    };
    let mut found = Found::default();
    match understood.intent {
        Intent::Search => {
            found.total = matches.len() as u64;
            found.products = matches.iter().take(MAX_PRODUCTS).map(named).collect();
            if matches.is_empty() {
                found.relaxations = relaxations(catalogue, &understood.slots);
            }
        }
        Intent::AnswerPolicy => {
            let policy = understood.policy.and_then(|topic| catalogue.policy(topic.as_str()));
            found.policy = policy.map(|policy| policy.summary.get(language).to_owned());
        }
        _ => {
            let candidates = referred(catalogue, understood, context);
            match candidates.as_slice() {
                [product] => {
                    found.facts = Some(facts(product, language));
                    found.target = Some(named(product));
                }
                several => found.products = several.iter().take(MAX_CANDIDATES).map(named).collect(),
            }
        }
    }
    found
}

/// The products that a reference can mean: one where it is plain, several where a name fits several.
fn referred<'a>(catalogue: &'a Snapshot, understood: &Understood, context: &Context) -> Vec<&'a Product> {
    match &understood.reference {
        None => Vec::new(),
        Some(ProductReference::Name { words }) => {
            let search = Search { words: words.clone(), wording: Wording::Understood, ..Search::default() };
            let found = catalogue.search(&search).of_all_words();
            // What was just shown is meant before what was not.
            let shown: Vec<&Product> =
                found.iter().filter(|product| context.products.contains(&product.id)).copied().collect();
            if shown.is_empty() { found } else { shown }
        }
        Some(reference) => reference.resolve(context).and_then(|id| catalogue.get(&id)).into_iter().collect(),
    }
}

fn facts(product: &Product, language: Language) -> ProductFacts {
    ProductFacts {
        product: FoundProduct {
            id: product.id.clone(),
            name: product.name.get(language).to_owned(),
            price: product.price_paise,
        },
        description: product.description.get(language).to_owned(),
        fabric: product.fabric.clone(),
        origin: format!("{}, {}", product.origin.place, product.origin.state),
        care: product.care.join(". "),
        colors: product.colors.clone(),
        sizes: product.sizes.clone(),
        in_stock: product.stock > 0,
        rating: f64::from(product.rating),
        reviews: u64::from(product.review_count),
    }
}

/// How many products there would be without each of the limits that are set, the most first.
fn relaxations(catalogue: &Snapshot, slots: &Slots) -> Vec<Relaxation> {
    let all = [
        (Constraint::Price, Dimension::Price),
        (Constraint::Color, Dimension::Color),
        (Constraint::Size, Dimension::Size),
        (Constraint::Occasion, Dimension::Occasion),
        (Constraint::Weave, Dimension::Weave),
        (Constraint::Fabric, Dimension::Fabric),
        (Constraint::Category, Dimension::Category),
    ];
    let near = catalogue.near_misses(&ProductFilter::of_slots(slots));
    let total = |wanted| near.iter().find(|(dimension, _)| *dimension == wanted).map_or(0, |(_, count)| *count as u64);
    let relaxed = all.into_iter().map(|(constraint, dimension)| Relaxation { constraint, total: total(dimension) });
    let mut found: Vec<Relaxation> = relaxed.filter(|relaxation| relaxation.total > 0).collect();
    found.sort_by_key(|relaxation| std::cmp::Reverse(relaxation.total));
    found
}
