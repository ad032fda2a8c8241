//! The sample catalogue and policies that a new data directory starts with.
//!
//! Three JSON files beside this one are compiled in and parsed when a data directory is seeded,
//! which happens once, so nothing is cached. They are data a boutique would write: edit them by
//! hand, one product per line, and let the tests say what is wrong.
//!
//! `weave` names the tradition a piece comes from (`pochampally`, `patola`) and `tags` the wider
//! technique (`ikat`), so that a search by weave should look at both. The `image` paths are
//! placeholders: no picture ships with the program.

use chrono::NaiveDate;
use serde::Deserialize;

use crate::types::{LocalisedText, Origin, Paise};

#[cfg(test)]
mod tests;

/// A product of the sample catalogue. Words that shoppers filter by (`category`, `fabric`,
/// `weave`, `colors`, `occasions`) are canonical lower-case English.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeedProduct {
    /// Slug that never changes: the product's identifier is derived from it.
    pub key: String,
    /// Stock-keeping unit, such as `PB-SAR-001`.
    pub sku: String,
    /// The `id` of a [`SeedCategory`].
    pub category: String,
    pub subcategory: String,
    pub fabric: String,
    pub weave: String,
    pub origin: Origin,
    /// From the most to the least present.
    pub colors: Vec<String>,
    /// `free size` alone, or a range out of `XS` to `XXL`.
    pub sizes: Vec<String>,
    pub occasions: Vec<String>,
    /// Care instructions in English, out of a closed list.
    pub care: Vec<String>,
    pub price_paise: Paise,
    /// The price before reduction; equal to the price when there is none.
    pub original_price_paise: Paise,
    /// Pieces at hand.
    pub stock: u32,
    /// Mean of the reviews, 0 to 5 with one decimal; 0 when there is no review.
    pub rating: f32,
    pub review_count: u32,
    pub featured: bool,
    pub tags: Vec<String>,
    pub is_new: bool,
    pub added_on: NaiveDate,
    /// Paths below the site's root, the main picture first.
    pub image: Vec<String>,
    pub name: LocalisedText,
    /// One or two sentences, fit to be spoken.
    pub description: LocalisedText,
}

/// A category of the sample catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeedCategory {
    /// Canonical English plural, such as `sarees`.
    pub id: String,
    pub name: LocalisedText,
    /// Slug of the menu group the category stands in.
    pub group: String,
    /// Place in the menu, from 1.
    pub position: u32,
}

/// A policy that Ask Pravi answers from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeedPolicy {
    /// What it is about, such as `returns`.
    pub topic: String,
    /// True while the text is ours and not the boutique's.
    pub sample: bool,
    /// Tells whoever shows a sample text that it is one.
    pub notice: LocalisedText,
    pub title: LocalisedText,
    /// One or two sentences, fit to be spoken.
    pub summary: LocalisedText,
    pub body: LocalisedText,
}

/// The products of the sample catalogue, by category.
///
/// # Errors
/// When the compiled-in file does not have the shape of [`SeedProduct`].
pub fn products() -> Result<Vec<SeedProduct>, serde_json::Error> {
    serde_json::from_str(include_str!("products.json"))
}

/// The categories, in the order of the menu.
///
/// # Errors
/// When the compiled-in file does not have the shape of [`SeedCategory`].
pub fn categories() -> Result<Vec<SeedCategory>, serde_json::Error> {
    serde_json::from_str(include_str!("categories.json"))
}

/// The sample policies, one per topic.
///
/// # Errors
/// When the compiled-in file does not have the shape of [`SeedPolicy`].
pub fn policies() -> Result<Vec<SeedPolicy>, serde_json::Error> {
    serde_json::from_str(include_str!("policies.json"))
}
