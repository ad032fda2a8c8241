//! How many products have each value of what can be filtered by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Product;
use crate::types::Paise;

/// How many products have each value. In a list with filters, the counts of one dimension leave its own filter
/// aside, so that they tell what choosing another value would find.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Facets {
    pub category: BTreeMap<String, usize>,
    pub fabric: BTreeMap<String, usize>,
    pub weave: BTreeMap<String, usize>,
    pub color: BTreeMap<String, usize>,
    pub size: BTreeMap<String, usize>,
    pub occasion: BTreeMap<String, usize>,
    pub state: BTreeMap<String, usize>,
    /// By price, the cheapest first; bands without products are there, too.
    pub price: Vec<PriceBand>,
    /// How many are in stock.
    pub in_stock: usize,
}

/// A range of prices, with limits as the filters take them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceBand {
    /// Rupees, inclusive; none for the cheapest band.
    pub min_price: Option<f64>,
    /// Rupees, inclusive; none for the dearest band.
    pub max_price: Option<f64>,
    pub count: usize,
}

/// The last price of every band but the dearest: the storefront's bands are under 2000, 2000 to 5000, 5000 to
/// 10,000, 10,000 to 20,000 and above 20,000 rupees.
const LIMITS: [Paise; BANDS - 1] = [Paise(199_999), Paise(499_999), Paise(999_999), Paise(2_000_000)];

/// How many bands of prices there are.
pub(super) const BANDS: usize = 5;

/// The band that a price is in, the cheapest is 0.
pub(super) fn band(price: Paise) -> usize {
    LIMITS.iter().take_while(|limit| price > **limit).count()
}

/// The bands with what is counted in each.
pub(super) fn bands(counts: [usize; BANDS]) -> Vec<PriceBand> {
    let least = |band: usize| Some(Paise(LIMITS[band.checked_sub(1)?].0 + 1).rupees());
    let most = |band: usize| LIMITS.get(band).map(|limit| limit.rupees());
    let told = |(band, count)| PriceBand { min_price: least(band), max_price: most(band), count };
    counts.into_iter().enumerate().map(told).collect()
}

impl Facets {
    /// Counts the values of `products`.
    pub fn count<'a>(products: impl IntoIterator<Item = &'a Product>) -> Self {
        let mut facets = Self::default();
        let mut prices = [0; BANDS];
        for product in products {
            bump(&mut facets.category, &product.category);
            bump(&mut facets.fabric, &product.fabric);
            bump(&mut facets.weave, &product.weave);
            bump(&mut facets.state, &product.origin.state);
            product.colors.iter().for_each(|color| bump(&mut facets.color, color));
            product.sizes.iter().for_each(|size| bump(&mut facets.size, size));
            product.occasions.iter().for_each(|occasion| bump(&mut facets.occasion, occasion));
            prices[band(product.price_paise)] += 1;
            facets.in_stock += usize::from(product.stock > 0);
        }
        facets.price = bands(prices);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_price_is_in_the_band_whose_limits_fit_it() {
        for (rupees, expected) in [(0.0, 0), (1_999.99, 0), (2_000.0, 1), (4_999.99, 1), (5_000.0, 2), (10_000.0, 3)] {
            assert_eq!(band(Paise((rupees * 100.0) as u64)), expected, "{rupees}");
        }
        assert_eq!((band(Paise(2_000_000)), band(Paise(2_000_001)), band(Paise(u64::MAX))), (3, 4, 4));
        let bands = bands([1, 2, 3, 4, 5]);
        let limits: Vec<_> = bands.iter().map(|band| (band.min_price, band.max_price)).collect();
        assert_eq!(limits[0], (None, Some(1_999.99)));
        assert_eq!(limits[3], (Some(10_000.0), Some(20_000.0)));
        assert_eq!(limits[4], (Some(20_000.01), None));
    }
}
