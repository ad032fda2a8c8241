//! The sample catalogue, asked in the plainest way: one predicate over the seed, no index.

use std::collections::{BTreeMap, BTreeSet};

use pravis::catalogue::product_id;
use pravis::seed::{self, SeedProduct};

/// Every product of the seed, under its stock-keeping unit.
pub fn products() -> BTreeMap<String, SeedProduct> {
    seed::products().unwrap().into_iter().map(|product| (product.sku.clone(), product)).collect()
}

/// The units of all products for which something is true.
pub fn units(is_true: impl Fn(&SeedProduct) -> bool) -> BTreeSet<String> {
    products().into_iter().filter(|(_, product)| is_true(product)).map(|(sku, _)| sku).collect()
}

/// Units by product id.
pub fn by_id() -> BTreeMap<String, String> {
    let id = |product: &SeedProduct| product_id(&product.key, product.added_on).unwrap().to_string();
    products().into_values().map(|product| (id(&product), product.sku)).collect()
}

/// Whether all words of a fabric that is asked for are words of the product's fabric.
pub fn is_of(product: &SeedProduct, fabric: &str) -> bool {
    let words: Vec<&str> = product.fabric.split(' ').collect();
    fabric.split(' ').all(|word| words.contains(&word))
}

/// Whether the product is woven or made so: `weave` names the tradition, `tags` the wider technique.
pub fn is_woven(product: &SeedProduct, weave: &str) -> bool {
    product.weave == weave || product.tags.iter().any(|tag| tag == weave)
}

pub fn has(values: &[String], value: &str) -> bool {
    values.iter().any(|held| held == value)
}
