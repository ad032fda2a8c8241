//! The index: which products have which words, and what they are filtered and counted by. It is computed
//! from the products alone, and answers without looking at them.

mod columns;
mod fits;
mod postings;
mod rank;
mod terms;

use std::cmp::Reverse;
use std::rc::Rc;

use rustc_hash::FxHashMap;

pub(super) use rank::Ranked;

use self::columns::Columns;
use self::postings::{Collected, Doc, MOST_DOCS, Places, Postings};
use self::terms::Terms;
use super::{Dimension, Product, ProductFilter};
use crate::understanding::{Concept, Sort, all_concepts, concepts, normalised, whole_concepts};

/// The index of a list of products.
pub(super) struct Index {
    /// The products' positions in the list by their numbers: the most popular first, ids break ties.
    docs: Vec<u32>,
    terms: Terms,
    /// The products of every term.
    postings: Postings,
    /// In order.
    concepts: Vec<Concept>,
    concept_postings: Postings,
    columns: Columns,
    /// The products' numbers in the orders that can be asked for.
    orders: Vec<(Sort, Vec<Doc>)>,
}

const SORTS: [Sort; 5] = [Sort::Newest, Sort::PriceLow, Sort::PriceHigh, Sort::Popular, Sort::Rating];

impl Index {
    /// Reads the products, at most 16 million.
    pub(super) fn new(products: &[Product]) -> Self {
        let mut docs: Vec<u32> = (0..products.len().min(MOST_DOCS) as u32).collect();
        let at = |position: u32| &products[position as usize];
        docs.sort_by_key(|&position| (Reverse(at(position).popularity()), &at(position).id));
        let numbered: Vec<&Product> = docs.iter().map(|&position| at(position)).collect();
        let mut reader = Reader::default();
        for (doc, product) in (0..).zip(&numbered) {
            reader.read(doc, product);
        }
        let (words, postings) = reader.words.into_sorted();
        let (concepts, concept_postings) = reader.concepts.into_sorted();
        Self {
            terms: Terms::new(&words),
            postings,
            concepts,
            concept_postings,
            columns: Columns::new(&numbered),
            orders: SORTS.map(|sort| (sort, ordered(&numbered, sort))).into(),
            docs,
        }
    }

    /// How many products there are.
    fn len(&self) -> usize {
        self.docs.len()
    }

    /// How many products miss a filter in one dimension alone, for each.
    pub(super) fn near_misses(&self, filter: &ProductFilter) -> Vec<(Dimension, usize)> {
        let misses = self.columns.misses(filter);
        let alone = |dimension| misses.iter().filter(|misses| misses.only(dimension)).count();
        Dimension::ALL.into_iter().map(|dimension| (dimension, alone(dimension))).collect()
    }

    /// The bytes of memory that it takes.
    pub(super) fn weight(&self) -> usize {
        let orders: usize = self.orders.iter().map(|(_, docs)| docs.capacity() * size_of::<Doc>()).sum();
        self.docs.capacity() * size_of::<u32>()
            + self.terms.weight()
            + self.postings.weight()
            + self.concepts.capacity() * size_of::<Concept>()
            + self.concept_postings.weight()
            + self.columns.weight()
            + orders
    }
}

/// Ids break ties, so that pages do not overlap.
fn ordered(numbered: &[&Product], sort: Sort) -> Vec<Doc> {
    let mut docs: Vec<Doc> = (0..numbered.len() as Doc).collect();
    let at = |doc: Doc| numbered[doc as usize];
    match sort {
        Sort::Newest => docs.sort_by_key(|&doc| (Reverse(at(doc).added_on), &at(doc).id)),
        Sort::PriceLow => docs.sort_by_key(|&doc| (at(doc).price_paise, &at(doc).id)),
        Sort::PriceHigh => docs.sort_by_key(|&doc| (Reverse(at(doc).price_paise), &at(doc).id)),
        Sort::Popular => docs.sort_by_key(|&doc| (Reverse(at(doc).review_count), &at(doc).id)),
        Sort::Rating => docs.sort_by_key(|&doc| (Reverse(at(doc).tenths()), &at(doc).id)),
    }
    docs
}

/// Collects the words and concepts of products.
struct Reader {
    words: Collected<String>,
    concepts: Collected<Concept>,
    /// What was read of values that many products have.
    read: FxHashMap<String, Rc<Value>>,
}

/// A value's words and concepts.
struct Value {
    words: Vec<String>,
    /// All of its words where there are several, one blank apart.
    phrase: Option<String>,
    /// What the whole value stands for, and what parts of it do.
    whole: Vec<Concept>,
    parts: Vec<Concept>,
}

/// Where a value stands: what is true of the whole of it tells more than what is true of a part.
#[derive(Clone, Copy)]
struct Shown {
    whole: Places,
    partly: Places,
}

impl Shown {
    fn only(places: Places) -> Self {
        Self { whole: places, partly: places }
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self { words: Collected::new(), concepts: Collected::new(), read: FxHashMap::default() }
    }
}

impl Reader {
    fn read(&mut self, doc: Doc, product: &Product) {
        let category = Shown { whole: Places::WHOLE.and(Places::CATEGORY), partly: Places::CATEGORY };
        self.value(doc, &product.category, category, |concept| matches!(concept, Concept::Category(_)));
        let material = Shown { whole: Places::WHOLE, partly: Places::NAME };
        self.value(doc, &product.weave, material, |concept| matches!(concept, Concept::Weave(_)));
        self.value(doc, &product.fabric, material, |concept| matches!(concept, Concept::Fabric(_)));
        for color in &product.colors {
            self.value(doc, color, Shown::only(Places::COLOR), |concept| matches!(concept, Concept::Color(_)));
        }
        // A tag may name the colour of a part.
        for tag in product.tags.iter().chain(&product.occasions).chain([&product.subcategory]) {
            self.value(doc, tag, Shown::only(Places::TAG), |concept| !matches!(concept, Concept::Color(_)));
        }
        for detail in product.sizes.iter().chain([&product.origin.place, &product.origin.state]) {
            self.value(doc, detail, Shown::only(Places::DETAIL), |concept| matches!(concept, Concept::Feature(_)));
        }
        // `Haldi` in a name is a colour, and no ceremony.
        let named = concepts(&product.name.english).into_iter();
        for concept in named.filter(|concept| !matches!(concept, Concept::Occasion(_))) {
            self.concepts.add(&concept, doc, Places::NAME);
        }
        for name in [&product.name.english, &product.name.hindi, &product.name.telugu] {
            self.text(doc, name, Places::NAME);
        }
        self.text(doc, &product.description.english, Places::DESCRIPTION);
        for text in [&product.description.hindi, &product.description.telugu] {
            self.text(doc, text, Places::TRANSLATION);
        }
    }

    fn text(&mut self, doc: Doc, text: &str, places: Places) {
        for word in normalised(text) {
            self.words.add(word.as_str(), doc, places);
        }
    }

    /// A value of a closed vocabulary; `is_meant` tells which concepts it can stand for.
    fn value(&mut self, doc: Doc, value: &str, shown: Shown, is_meant: impl Fn(&Concept) -> bool) {
        let known = self.known(value);
        let Value { words, phrase, whole, parts } = known.as_ref();
        for word in words {
            self.words.add(word.as_str(), doc, if words.len() == 1 { shown.whole } else { shown.partly });
        }
        if let Some(phrase) = phrase {
            self.words.add(phrase.as_str(), doc, shown.whole.and(Places::WHOLE));
        }
        for concept in parts.iter().filter(|concept| is_meant(concept)) {
            self.concepts.add(concept, doc, shown.partly);
        }
        for concept in whole.iter().filter(|concept| is_meant(concept)) {
            self.concepts.add(concept, doc, shown.whole);
        }
    }

    fn known(&mut self, value: &str) -> Rc<Value> {
        if let Some(known) = self.read.get(value) {
            return known.clone();
        }
        let words: Vec<String> = normalised(value).collect();
        let phrase = (words.len() > 1).then(|| words.join(" "));
        let read = Rc::new(Value { words, phrase, whole: whole_concepts(value), parts: all_concepts(value) });
        self.read.insert(value.to_owned(), read.clone());
        read
    }
}
