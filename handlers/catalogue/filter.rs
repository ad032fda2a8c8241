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

/// What a filter limits, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    Category,
    Fabric,
    Weave,
    /// Wanted colours and refused ones.
    Color,
    Size,
    Occasion,
    Origin,
    Price,
    Stock,
}

impl Dimension {
    pub const ALL: [Dimension; 9] = [
        Self::Category,
        Self::Fabric,
        Self::Weave,
        Self::Color,
        Self::Size,
        Self::Occasion,
        Self::Origin,
        Self::Price,
        Self::Stock,
    ];
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
        Dimension::ALL.into_iter().all(|dimension| self.fits_in(dimension, product))
    }

    /// Whether a product is what is asked for in one respect.
    pub fn fits_in(&self, dimension: Dimension, product: &Product) -> bool {
        match dimension {
            Dimension::Category => any(&self.categories, |category| *category == product.category),
            Dimension::Fabric => any(&self.fabrics, |fabric| fabric_includes(&product.fabric, fabric)),
            Dimension::Weave => any(&self.weaves, |weave| *weave == product.weave || product.tags.contains(weave)),
            Dimension::Color => {
                any(&self.colors, |color| product.colors.contains(color))
                    && !self.not_colors.iter().any(|color| product.colors.contains(color))
            }
            Dimension::Size => any(&self.sizes, |size| product.sizes.contains(size)),
            Dimension::Occasion => any(&self.occasions, |occasion| product.occasions.contains(occasion)),
            Dimension::Origin => any(&self.origins, |origin| {
                product.origin.state.eq_ignore_ascii_case(origin) || product.origin.place.eq_ignore_ascii_case(origin)
            }),
            Dimension::Price => self.fits_price(product.price_paise),
            Dimension::Stock => !self.in_stock || product.stock > 0,
        }
    }

    /// Whether a price is within the limits.
    pub fn fits_price(&self, price: Paise) -> bool {
        self.min_price.is_none_or(|least| price >= least) && self.max_price.is_none_or(|most| price <= most)
    }
}

/// Whether the list asks for nothing, or for one value that fits.
fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}
