use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde::{Deserialize, Serialize};

use super::{Category, Product, ProductFilter};
use crate::error::{Error, Result};
use crate::types::{LocalisedText, ProductId, TenantId};
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

/// The catalogues of the boutiques that this process serves, each as it was when it was last read;
/// cheap to clone.
#[derive(Clone)]
pub struct CatalogueIndex {
    snapshots: Cache<TenantId, Arc<Snapshot>>,
    /// What was read last, for times when nothing can be read.
    last: Cache<TenantId, Arc<Snapshot>>,
}

impl CatalogueIndex {
    /// How long a snapshot is used at most before it is read again.
    const LIFETIME: Duration = Duration::from_secs(60);
    /// How old a snapshot may be that is shown because the documents cannot be read.
    const MAX_AGE: Duration = Duration::from_secs(3600);
    const MAX_TENANTS: u64 = 256;

    pub fn new() -> Self {
        let kept = |lifetime| Cache::builder().max_capacity(Self::MAX_TENANTS).time_to_live(lifetime).build();
        Self { snapshots: kept(Self::LIFETIME), last: kept(Self::MAX_AGE) }
    }

    /// The tenant's snapshot; `read` makes a new one, once for all who wait. When it fails, the last
    /// snapshot is shown for as long again: shoppers see the shop while its database is away.
    ///
    /// # Errors
    /// Those of `read`, where there is no snapshot of the last hour.
    pub async fn snapshot(
        &self,
        tenant: &TenantId,
        read: impl Future<Output = Result<Snapshot>>,
    ) -> Result<Arc<Snapshot>> {
        let renewed = async {
            match (read.await, self.last.get(tenant).await) {
                (Ok(snapshot), _) => {
                    let snapshot = Arc::new(snapshot);
                    self.last.insert(tenant.clone(), snapshot.clone()).await;
                    Ok(snapshot)
                }
                (Err(error), Some(last)) => {
                    tracing::warn!(error = %error.chain(), "catalogue not read; the last one is shown");
                    Ok(last)
                }
                (Err(error), None) => Err(error),
            }
        };
        self.snapshots.try_get_with_by_ref(tenant, renewed).await.map_err(|error: Arc<Error>| {
            let copy = Error::new(error.code(), error.detail().to_owned());
            let copy = match error.retry_after() {
                Some(delay) => copy.with_retry_after(delay),
                None => copy,
            };
            copy.with_source(error.chain())
        })
    }

    /// Forgets a tenant's snapshot: its catalogue changed.
    pub async fn forget(&self, tenant: &TenantId) {
        self.snapshots.invalidate(tenant).await;
    }
}

impl Default for CatalogueIndex {
    fn default() -> Self {
        Self::new()
    }
}

/// What is asked of a catalogue.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub filter: ProductFilter,
    /// Words that must all occur in the product; empty for all products.
    pub words: Vec<String>,
    /// Best fit first where nothing is said.
    pub sort: Option<Sort>,
}

/// One boutique's catalogue at one moment.
pub struct Snapshot {
    products: Vec<Product>,
    by_id: HashMap<ProductId, usize>,
    texts: Vec<SearchedText>,
    pub categories: Vec<Category>,
    pub policies: Vec<Policy>,
}

impl Snapshot {
    pub fn new(products: Vec<Product>, mut categories: Vec<Category>, policies: Vec<Policy>) -> Self {
        categories.sort_by_key(|category| category.position);
        let by_id = products.iter().enumerate().map(|(position, product)| (product.id.clone(), position)).collect();
        let texts = products.iter().map(searched_text).collect();
        Self { products, by_id, texts, categories, policies }
    }

    pub fn products(&self) -> &[Product] {
        &self.products
    }

    pub fn get(&self, id: &ProductId) -> Option<&Product> {
        self.by_id.get(id).map(|&position| &self.products[position])
    }

    pub fn policy(&self, topic: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.topic == topic)
    }

    /// All products that fit, in the order asked for.
    pub fn search(&self, search: &Search) -> Vec<&Product> {
        let mut found: Vec<(u32, &Product)> = self
            .products
            .iter()
            .zip(&self.texts)
            .filter(|(product, _)| search.filter.fits(product))
            .filter_map(|(product, text)| Some((score(text, product, &search.words)?, product)))
            .collect();
        // Ids break ties, so that pages do not overlap.
        match search.sort {
            None => {
                found.sort_by_key(|(score, product)| (Reverse(*score), Reverse(popularity(product)), &product.id));
            }
            Some(Sort::Newest) => found.sort_by_key(|(_, product)| (Reverse(product.added_on), &product.id)),
            Some(Sort::PriceLow) => found.sort_by_key(|(_, product)| (product.price_paise, &product.id)),
            Some(Sort::PriceHigh) => found.sort_by_key(|(_, product)| (Reverse(product.price_paise), &product.id)),
            Some(Sort::Popular) => found.sort_by_key(|(_, product)| (Reverse(product.review_count), &product.id)),
            Some(Sort::Rating) => found.sort_by_key(|(_, product)| (Reverse(tenths(product.rating)), &product.id)),
        }
        found.into_iter().map(|(_, product)| product).collect()
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
        others.sort_by_key(|(likeness, other)| (Reverse(*likeness), Reverse(popularity(other)), &other.id));
        others.into_iter().take(limit).map(|(_, other)| other).collect()
    }
}

/// What a product's words are searched in: English in lower case.
struct SearchedText {
    name: String,
    all: String,
}

fn searched_text(product: &Product) -> SearchedText {
    let mut text = String::new();
    let parts = [&product.name.english, &product.category, &product.subcategory, &product.fabric, &product.weave];
    for part in parts.into_iter().chain([&product.origin.place, &product.origin.state]) {
        text.push_str(&part.to_lowercase());
        text.push(' ');
    }
    for part in product.colors.iter().chain(&product.tags).chain(&product.occasions) {
        text.push_str(&part.to_lowercase());
        text.push(' ');
    }
    text.push_str(&product.description.english.to_lowercase());
    SearchedText { name: product.name.english.to_lowercase(), all: text }
}

/// How well the words fit, or `None` when one does not occur. A word in the name counts more than one
/// in the description.
fn score(text: &SearchedText, product: &Product, words: &[String]) -> Option<u32> {
    let mut total = 0;
    for word in words {
        if !contains_word(&text.all, word) {
            return None;
        }
        total += 1;
        if contains_word(&text.name, word) {
            total += 4;
        }
        if product.weave == *word || product.fabric == *word {
            total += 8;
        }
    }
    Some(total)
}

/// Whether a word of `text` begins with `word`, a plural `s` aside.
fn contains_word(text: &str, word: &str) -> bool {
    let stem = if word.len() > 3 { word.strip_suffix('s').unwrap_or(word) } else { word };
    text.match_indices(stem).any(|(at, _)| !text[..at].ends_with(|before: char| before.is_alphanumeric()))
}

fn popularity(product: &Product) -> (bool, bool, u32) {
    (product.stock > 0, product.featured, tenths(product.rating) * product.review_count)
}

fn tenths(rating: f32) -> u32 {
    (rating * 10.0).round() as u32
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

    fn empty() -> Snapshot {
        Snapshot::new(Vec::new(), Vec::new(), Vec::new())
    }

    async fn failing() -> Result<Snapshot> {
        Err(Error::not_found("nothing can be read"))
    }

    #[tokio::test]
    async fn the_last_snapshot_stands_in_while_nothing_can_be_read() {
        let (index, tenant) = (CatalogueIndex::new(), TenantId::pravis());
        assert!(index.snapshot(&tenant, failing()).await.is_err(), "there is none yet");
        let first = index.snapshot(&tenant, async { Ok(empty()) }).await.unwrap();
        index.forget(&tenant).await;
        assert!(Arc::ptr_eq(&first, &index.snapshot(&tenant, failing()).await.unwrap()));
        index.forget(&tenant).await;
        assert!(!Arc::ptr_eq(&first, &index.snapshot(&tenant, async { Ok(empty()) }).await.unwrap()));
    }
}
