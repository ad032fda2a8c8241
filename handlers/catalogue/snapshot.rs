use std::cmp::Reverse;
use std::collections::HashMap;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::index::{Index, Ranked};
use super::{Category, Dimension, Facets, Product, ProductFilter, ProductPicture};
use crate::error::{Error, Result};
use crate::types::{LocalisedText, ProductId};
use crate::understanding::Sort;

/// A policy of the boutique: partition `(tenant, "policy")`, its topic is the id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub topic: String,
    /// Whether this is content to be replaced.
    pub sample: bool,
    pub notice: LocalisedText,
    pub title: LocalisedText,
    /// To be read out.
    pub summary: LocalisedText,
    pub body: LocalisedText,
}

/// What is asked of a catalogue.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub filter: ProductFilter,
    /// Words that must all fit the product, in any script; empty for all products.
    pub words: String,
    pub wording: Wording,
    /// Best fit first where nothing is said.
    pub sort: Option<Sort>,
}

/// Where the words of a search come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// Somebody typed them, and may have made slips.
    #[default]
    Typed,
    /// They are what is left of a sentence that was understood: slips were seen to.
    Understood,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Matches<'a> {
    /// All that fit, in the order asked for.
    pub products: Vec<&'a Product>,
    pub facets: Facets,
    /// The search with misspelt words corrected; `products` are what the corrected ones find.
    pub did_you_mean: Option<String>,
    /// The words that were given up because nothing fits them together with the others, as they were written.
    pub ignored: Vec<String>,
}

impl<'a> Matches<'a> {
    /// The products that fit every word: none when words were given up.
    pub fn of_all_words(self) -> Vec<&'a Product> {
        if self.ignored.is_empty() { self.products } else { Vec::new() }
    }
}

/// One boutique's catalogue at one moment. Everything that shoppers are shown or told comes from the products
/// on sale; archived ones are looked up by their id only.
pub struct Snapshot {
    version: String,
    products: Vec<Product>,
    archived: Vec<Product>,
    by_id: HashMap<ProductId, usize>,
    index: Index,
    pub categories: Vec<Category>,
    pub policies: Vec<Policy>,
}

impl Snapshot {
    /// Indexes a catalogue: reads every text in it, which is to be done off the async threads.
    pub fn new(products: Vec<Product>, mut categories: Vec<Category>, policies: Vec<Policy>) -> Self {
        categories.sort_by_key(|category| category.position);
        let (mut archived, products): (Vec<_>, Vec<_>) =
            products.into_iter().partition(|product| product.archived_at.is_some());
        archived.sort_by(|one, other| one.id.cmp(&other.id));
        let version = version(products.iter().chain(&archived), &categories, &policies);
        let by_id = products.iter().enumerate().map(|(position, product)| (product.id.clone(), position)).collect();
        let index = Index::new(&products);
        Self { version, products, archived, by_id, index, categories, policies }
    }

    /// The snapshot that [`Snapshot::to_bytes`] wrote down.
    ///
    /// # Errors
    /// An internal error when another version or somebody else wrote it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let Written { products, categories, policies } = serde_json::from_slice(bytes).map_err(Error::internal)?;
        Ok(Self::new(products, categories, policies))
    }

    /// The snapshot written down, without what can be computed again.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let Self { categories, policies, .. } = self;
        let products = self.products.iter().chain(&self.archived).collect();
        serde_json::to_vec(&Writing { products, categories, policies }).map_err(Error::internal)
    }

    /// Names the content: the hash of all of it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The bytes of memory that it takes, about.
    pub fn weight(&self) -> usize {
        let products: usize = self.products.iter().chain(&self.archived).map(product_weight).sum();
        // Categories and policies are few; a policy is some kilobytes of text in three languages.
        self.index_weight() + products + self.categories.len() * 512 + self.policies.len() * 8192
    }

    /// The part of it that the index takes.
    pub fn index_weight(&self) -> usize {
        self.index.weight()
    }

    /// The products on sale.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// The products that are off the shop, by id.
    pub fn archived(&self) -> &[Product] {
        &self.archived
    }

    /// A product, also one that is off the shop: for carts and orders that name it.
    pub fn get_even_archived(&self, id: &ProductId) -> Option<&Product> {
        self.get(id).or_else(|| {
            let position = self.archived.binary_search_by(|product| product.id.cmp(id)).ok()?;
            self.archived.get(position)
        })
    }

    /// A product on sale.
    pub fn get(&self, id: &ProductId) -> Option<&Product> {
        self.by_id.get(id).map(|&position| &self.products[position])
    }

    pub fn policy(&self, topic: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.topic == topic)
    }

    /// All products that fit, in the order asked for. The best fit is first: for each word, products whose weave,
    /// fabric or category it is go before those that have it in the name, then colours, tags and the
    /// description, and what is written so before what is another word for it, begins or sounds so. Then the more
    /// popular ones, then by id.
    pub fn search(&self, search: &Search) -> Matches<'_> {
        let Ranked { positions, facets, did_you_mean, ignored } = self.index.search(search);
        let products = positions.into_iter().map(|position| &self.products[position as usize]).collect();
        Matches { products, facets, did_you_mean, ignored }
    }

    /// How many more products would fit a filter without its limits in one dimension, for each dimension.
    pub fn near_misses(&self, filter: &ProductFilter) -> Vec<(Dimension, usize)> {
        self.index.near_misses(filter)
    }

    /// Other products that are like this one, the likest first.
    pub fn related(&self, product: &Product, limit: usize) -> Vec<&Product> {
        let mut others: Vec<(u32, &Product)> = self
            .products
            .iter()
            .filter(|other| other.id != product.id)
            .map(|other| (likeness(product, other), other))
            .filter(|(likeness, _)| *likeness > 0)
            .collect();
        others.sort_by_key(|(likeness, other)| (Reverse(*likeness), Reverse(other.popularity()), &other.id));
        others.into_iter().take(limit).map(|(_, other)| other).collect()
    }
}

#[derive(Serialize)]
struct Writing<'a> {
    products: Vec<&'a Product>,
    categories: &'a [Category],
    policies: &'a [Policy],
}

#[derive(Deserialize)]
struct Written {
    products: Vec<Product>,
    categories: Vec<Category>,
    policies: Vec<Policy>,
}

fn version<'a>(products: impl Iterator<Item = &'a Product>, categories: &[Category], policies: &[Policy]) -> String {
    let mut context = Context::new(&SHA256);
    // None of these can fail to serialise.
    for product in products {
        context.update(&serde_json::to_vec(product).unwrap_or_default());
    }
    context.update(&serde_json::to_vec(categories).unwrap_or_default());
    context.update(&serde_json::to_vec(policies).unwrap_or_default());
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..16])
}

/// The struct itself, its texts, and what the allocator adds for each of its some forty pieces.
fn product_weight(product: &Product) -> usize {
    let lists = [&product.colors, &product.sizes, &product.occasions, &product.care, &product.tags, &product.images];
    let listed: usize = lists.into_iter().flatten().map(String::len).sum();
    let texts = [&product.name, &product.description];
    let told: usize = texts.iter().map(|text| text.english.len() + text.hindi.len() + text.telugu.len()).sum();
    let pictures: usize = product.pictures.iter().map(ProductPicture::weight).sum();
    size_of::<Product>() + listed + told + pictures + 1024
}

fn likeness(a: &Product, b: &Product) -> u32 {
    let mut likeness = 0;
    likeness += if a.category == b.category { 4 } else { 0 };
    likeness += if a.weave == b.weave { 3 } else { 0 };
    likeness += if a.fabric == b.fabric { 2 } else { 0 };
    likeness += a.colors.iter().filter(|color| b.colors.contains(color)).count() as u32;
    likeness
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(position: u32) -> Snapshot {
        let name = LocalisedText {
            english: "Sarees".into(), hindi: "साड़ियाँ".into(), telugu: "చీరలు".into()
        };
        let category = Category { id: "sarees".into(), name, group: "sarees".into(), position };
        Snapshot::new(Vec::new(), vec![category], Vec::new())
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        let written = snapshot(1);
        let read = Snapshot::from_bytes(&written.to_bytes().unwrap()).unwrap();
        assert_eq!(read.categories, written.categories);
        assert_eq!(read.version(), written.version());
        Snapshot::from_bytes(b"{}").err().expect("something is missing");
    }

    fn product(number: u8, archived: bool) -> Product {
        let product = serde_json::json!({
            "id": format!("prd_01KAXQ8W0V7D3T4Z5J6N8P9R{number}S"), "sku": format!("A-{number}"), "category": "sarees",
            "subcategory": "sarees", "fabric": "silk", "weave": "ikat", "origin": { "place": "Koyyalagudem", "state": "Telangana" },
            "colors": ["red"], "sizes": ["free size"], "occasions": [], "care": [], "pricePaise": 100,
            "originalPricePaise": 100, "stock": 1, "rating": 0.0, "reviewCount": 0, "featured": true, "isNew": false,
            "addedOn": "2026-01-15", "tags": [], "images": [], "name": { "en-IN": "Saree" },
            "description": { "en-IN": "Handwoven." },
            "archivedAt": archived.then_some("2026-01-15T06:30:00Z"),
        });
        serde_json::from_value(product).unwrap()
    }

    #[test]
    fn archived_products_are_found_by_their_id_only() {
        let products = vec![product(1, true), product(2, false), product(3, true), product(4, false)];
        let ids: Vec<ProductId> = products.iter().map(|product| product.id.clone()).collect();
        let written = Snapshot::new(products, Vec::new(), Vec::new());
        let read = Snapshot::from_bytes(&written.to_bytes().unwrap()).unwrap();
        assert_eq!(written.version(), read.version(), "an answer is as old whoever read the catalogue");
        for snapshot in [&written, &read] {
            let found = snapshot.search(&Search::default()).products;
            assert_eq!(found.iter().map(|product| &product.id).collect::<Vec<_>>(), [&ids[1], &ids[3]]);
            assert_eq!(snapshot.related(snapshot.get(&ids[1]).unwrap(), 9).len(), 1);
            let known = |id| (snapshot.get(id).is_some(), snapshot.get_even_archived(id).is_some());
            assert_eq!([known(&ids[0]), known(&ids[1])], [(false, true), (true, true)]);
        }
    }

    #[test]
    fn the_version_names_the_content() {
        assert_eq!(snapshot(1).version(), snapshot(1).version());
        assert_ne!(snapshot(1).version(), snapshot(2).version());
    }
}
