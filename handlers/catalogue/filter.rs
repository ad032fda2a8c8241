use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Product;
use crate::types::Paise;
use crate::understanding::{Slots, fabric_includes};

/// What products must be. Within a list one value is enough; all lists must fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductFilter {
    pub categories: Vec<String>,
    /// A pure fibre word fits every fabric that contains it.
    pub fabrics: Vec<String>,
    /// Fit the weave or, for wider techniques such as `ikat`, the tags.
    pub weaves: Vec<String>,
    pub colors: Vec<String>,
    pub not_colors: Vec<String>,
    pub sizes: Vec<String>,
    pub occasions: Vec<String>,
    /// Place or state, case-insensitive.
    pub origins: Vec<String>,
    /// Inclusive.
    pub min_price: Option<Paise>,
    /// Inclusive.
    pub max_price: Option<Paise>,
    pub in_stock: bool,
}

impl ProductFilter {
    /// The filter that a shopper's words ask for.
    pub fn of_slots(slots: &Slots) -> Self {
        Self {
            categories: slots.category.iter().cloned().collect(),
            fabrics: slots.fabric.clone(),
            weaves: slots.weave.clone(),
            colors: slots.colors.clone(),
            not_colors: slots.not_colors.clone(),
            sizes: slots.sizes.iter().map(|size| size.as_str().to_owned()).collect(),
            occasions: slots.occasion.iter().cloned().collect(),
            origins: Vec::new(),
            min_price: slots.min_price_paise,
            max_price: slots.max_price_paise,
            in_stock: false,
        }
    }

    /// Whether a product is what is asked for.
    pub fn fits(&self, product: &Product) -> bool {
        any(&self.categories, |category| *category == product.category)
            && self.min_price.is_none_or(|price| product.price_paise >= price)
            && self.max_price.is_none_or(|price| product.price_paise <= price)
            && (!self.in_stock || product.stock > 0)
            && any(&self.weaves, |weave| *weave == product.weave || product.tags.contains(weave))
            && any(&self.colors, |color| product.colors.contains(color))
            && !self.not_colors.iter().any(|color| product.colors.contains(color))
            && any(&self.sizes, |size| product.sizes.contains(size))
            && any(&self.occasions, |occasion| product.occasions.contains(occasion))
            && any(&self.origins, |origin| {
                product.origin.state.eq_ignore_ascii_case(origin) || product.origin.place.eq_ignore_ascii_case(origin)
            })
            // The costly comparison last: few products are left for it.
            && any(&self.fabrics, |fabric| fabric_includes(&product.fabric, fabric))
    }
}

/// Whether the list asks for nothing, or for one value that fits.
fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

/// How many of the products found have each value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facets {
    pub category: BTreeMap<String, usize>,
    pub fabric: BTreeMap<String, usize>,
    pub weave: BTreeMap<String, usize>,
    pub color: BTreeMap<String, usize>,
    pub state: BTreeMap<String, usize>,
}

impl Facets {
    /// Counts the values of `products`.
    pub fn count<'a>(products: impl IntoIterator<Item = &'a Product>) -> Self {
        let mut facets = Self::default();
        for product in products {
            bump(&mut facets.category, &product.category);
            bump(&mut facets.fabric, &product.fabric);
            bump(&mut facets.weave, &product.weave);
            bump(&mut facets.state, &product.origin.state);
            for color in &product.colors {
                bump(&mut facets.color, color);
            }
        }
        facets
    }
}

fn bump(counts: &mut BTreeMap<String, usize>, value: &str) {
    match counts.get_mut(value) {
        Some(count) => *count += 1,
        None => {
            counts.insert(value.to_owned(), 1);
        }
    }
}
