//! What products are filtered by and counted by, as numbers: one column for each property.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::postings::Doc;
use crate::catalogue::facets::{BANDS, band, bands};
use crate::catalogue::{Dimension, Facets, Product, ProductFilter};
use crate::types::Paise;
use crate::understanding::{Fabric, WantedFabric};

/// The values of one property: which each product has, by their positions.
#[derive(Default)]
struct Column {
    values: Vec<String>,
    ends: Vec<u32>,
    ids: Vec<u32>,
}

impl Column {
    fn new<'a, I: IntoIterator<Item = &'a String>>(
        products: &[&'a Product],
        values_of: impl Fn(&'a Product) -> I,
    ) -> Self {
        let mut column = Self::default();
        let mut known: FxHashMap<&str, u32> = FxHashMap::default();
        for &product in products {
            let start = column.ids.len();
            for value in values_of(product) {
                let id = *known.entry(value.as_str()).or_insert_with(|| {
                    column.values.push(value.clone());
                    column.values.len() as u32 - 1
                });
                // A value that is listed twice counts once.
                if !column.ids[start..].contains(&id) {
                    column.ids.push(id);
                }
            }
            column.ends.push(column.ids.len() as u32);
        }
        column.ids.shrink_to_fit();
        column
    }

    fn of(&self, doc: Doc) -> &[u32] {
        let start = (doc as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ids[start as usize..self.ends[doc as usize] as usize]
    }

    /// Which values are as wanted.
    fn chosen(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<bool> {
        self.values.iter().map(|value| is_wanted(value)).collect()
    }

    fn has(&self, doc: Doc, chosen: &[bool]) -> bool {
        self.of(doc).iter().any(|&id| chosen[id as usize])
    }

    fn weight(&self) -> usize {
        let values: usize = self.values.iter().map(|value| value.capacity() + size_of::<String>()).sum();
        values + (self.ends.capacity() + self.ids.capacity()) * size_of::<u32>()
    }
}

/// The limits that a product is outside of, one bit for each dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Misses(u16);

impl Misses {
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether there are none but, perhaps, in one dimension.
    pub(super) fn at_most(self, dimension: Dimension) -> bool {
        self.0 & !bit(dimension) == 0
    }

    /// Whether there are those of one dimension and no others.
    pub(super) fn only(self, dimension: Dimension) -> bool {
        self.0 == bit(dimension)
    }
}

fn bit(dimension: Dimension) -> u16 {
    1 << dimension as u16
}

/// All columns.
pub(super) struct Columns {
    category: Column,
    fabric: Column,
    /// The fabrics of the column as they are compared.
    fabrics: Vec<Fabric>,
    weave: Column,
    tag: Column,
    color: Column,
    size: Column,
    occasion: Column,
    state: Column,
    place: Column,
    prices: Vec<Paise>,
    in_stock: Vec<bool>,
}

impl Columns {
    /// Takes the products in the order of their numbers.
    pub(super) fn new(products: &[&Product]) -> Self {
        let fabric = Column::new(products, |product| [&product.fabric]);
        Self {
            category: Column::new(products, |product| [&product.category]),
            fabrics: fabric.values.iter().map(|fabric| Fabric::read(fabric)).collect(),
            fabric,
            weave: Column::new(products, |product| [&product.weave]),
            tag: Column::new(products, |product| &product.tags),
            color: Column::new(products, |product| &product.colors),
            size: Column::new(products, |product| &product.sizes),
            occasion: Column::new(products, |product| &product.occasions),
            state: Column::new(products, |product| [&product.origin.state]),
            place: Column::new(products, |product| [&product.origin.place]),
            prices: products.iter().map(|product| product.price_paise).collect(),
            in_stock: products.iter().map(|product| product.stock > 0).collect(),
        }
    }

    /// What each product misses of a filter, by number: the same as [`ProductFilter::fits_in`] finds.
    pub(super) fn misses(&self, filter: &ProductFilter) -> Vec<Misses> {
        let mut misses = vec![Misses::default(); self.prices.len()];
        let mut limit = |dimension: Dimension, is_set: bool, fits: &dyn Fn(Doc) -> bool| {
            if is_set {
                for (doc, misses) in (0..).zip(&mut misses) {
                    misses.0 |= if fits(doc) { 0 } else { bit(dimension) };
                }
            }
        };
        let mut listed = |dimension: Dimension, column: &Column, wanted: &[String]| {
            let chosen = column.chosen(|value| wanted.iter().any(|wanted| wanted == value));
            limit(dimension, !wanted.is_empty(), &|doc| column.has(doc, &chosen));
        };
        listed(Dimension::Category, &self.category, &filter.categories);
        listed(Dimension::Color, &self.color, &filter.colors);
        listed(Dimension::Size, &self.size, &filter.sizes);
        listed(Dimension::Occasion, &self.occasion, &filter.occasions);
        let refused = self.color.chosen(|value| filter.not_colors.iter().any(|refused| refused == value));
        limit(Dimension::Color, !filter.not_colors.is_empty(), &|doc| !self.color.has(doc, &refused));
        let wanted: Vec<WantedFabric> = filter.fabrics.iter().map(|fabric| WantedFabric::read(fabric)).collect();
        let fabrics: Vec<bool> =
            self.fabrics.iter().map(|fabric| wanted.iter().any(|wanted| fabric.includes(wanted))).collect();
        limit(Dimension::Fabric, !wanted.is_empty(), &|doc| self.fabric.has(doc, &fabrics));
        let is_woven = |value: &str| filter.weaves.iter().any(|weave| weave == value);
        let (weaves, tags) = (self.weave.chosen(is_woven), self.tag.chosen(is_woven));
        let fits_weave = |doc| self.weave.has(doc, &weaves) || self.tag.has(doc, &tags);
        limit(Dimension::Weave, !filter.weaves.is_empty(), &fits_weave);
        let is_there = |value: &str| filter.origins.iter().any(|origin| value.eq_ignore_ascii_case(origin));
        let (states, places) = (self.state.chosen(is_there), self.place.chosen(is_there));
        let fits_origin = |doc| self.state.has(doc, &states) || self.place.has(doc, &places);
        limit(Dimension::Origin, !filter.origins.is_empty(), &fits_origin);
        let priced = filter.min_price.is_some() || filter.max_price.is_some();
        limit(Dimension::Price, priced, &|doc| filter.fits_price(self.prices[doc as usize]));
        limit(Dimension::Stock, filter.in_stock, &|doc| self.in_stock[doc as usize]);
        misses
    }

    /// Counts the values of the products that are found by words; what they miss of the filter decides in which
    /// dimensions each is counted.
    pub(super) fn count(&self, found: impl Iterator<Item = (Doc, Misses)>) -> Facets {
        let listed = [
            (Dimension::Category, &self.category),
            (Dimension::Fabric, &self.fabric),
            (Dimension::Weave, &self.weave),
            (Dimension::Color, &self.color),
            (Dimension::Size, &self.size),
            (Dimension::Occasion, &self.occasion),
            (Dimension::Origin, &self.state),
        ];
        let mut counts = listed.map(|(_, column)| vec![0_usize; column.values.len()]);
        let (mut prices, mut in_stock) = ([0; BANDS], 0);
        for (doc, misses) in found {
            for ((dimension, column), counts) in listed.iter().zip(&mut counts) {
                if misses.at_most(*dimension) {
                    column.of(doc).iter().for_each(|&id| counts[id as usize] += 1);
                }
            }
            if misses.at_most(Dimension::Price) {
                prices[band(self.prices[doc as usize])] += 1;
            }
            in_stock += usize::from(misses.at_most(Dimension::Stock) && self.in_stock[doc as usize]);
        }
        let mut named = listed.iter().zip(&counts).map(|((_, column), counts)| named(column, counts));
        let mut next = || named.next().unwrap_or_default();
        Facets {
            category: next(),
            fabric: next(),
            weave: next(),
            color: next(),
            size: next(),
            occasion: next(),
            state: next(),
            price: bands(prices),
            in_stock,
        }
    }

    /// The bytes that they take.
    pub(super) fn weight(&self) -> usize {
        let columns = [
            &self.category,
            &self.fabric,
            &self.weave,
            &self.tag,
            &self.color,
            &self.size,
            &self.occasion,
            &self.state,
            &self.place,
        ];
        columns.into_iter().map(Column::weight).sum::<usize>()
            + self.fabrics.iter().map(|fabric| size_of::<Fabric>() + fabric.weight()).sum::<usize>()
            + self.prices.capacity() * size_of::<Paise>()
            + self.in_stock.capacity()
    }
}

fn named(column: &Column, counts: &[usize]) -> BTreeMap<String, usize> {
    let counted = column.values.iter().zip(counts).filter(|(_, count)| **count > 0);
    counted.map(|(value, count)| (value.clone(), *count)).collect()
}
