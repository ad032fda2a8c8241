use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::ProductPicture;
use crate::types::{LocalisedText, Origin, Paise, ProductId};

/// A product as it is stored: partition `(tenant, "product")` of the catalogue container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    pub id: ProductId,
    pub sku: String,
    /// One of the shop's categories, such as `sarees`.
    pub category: String,
    pub subcategory: String,
    /// Canonical lower-case English, as `weave`, `colors` and `occasions`.
    pub fabric: String,
    pub weave: String,
    pub origin: Origin,
    pub colors: Vec<String>,
    pub sizes: Vec<String>,
    pub occasions: Vec<String>,
    pub care: Vec<String>,
    pub price_paise: Paise,
    pub original_price_paise: Paise,
    pub stock: u32,
    /// 0 to 5; 0 without reviews.
    pub rating: f32,
    pub review_count: u32,
    pub featured: bool,
    pub is_new: bool,
    pub added_on: NaiveDate,
    pub tags: Vec<String>,
    /// Paths that came with the catalogue; what is shown while no picture was uploaded.
    pub images: Vec<String>,
    /// Uploaded pictures, in the order in which they are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<ProductPicture>,
    pub name: LocalisedText,
    pub description: LocalisedText,
    /// Counts the writes of staff; 0 for what none of them wrote.
    #[serde(default, skip_serializing_if = "is_unwritten")]
    pub version: u64,
    /// When staff last wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<DateTime<Utc>>,
    /// Since when it is off the shop: shoppers find it no more, and what names it can still show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
}

fn is_unwritten(version: &u64) -> bool {
    *version == 0
}

impl Product {
    /// What goes before among equals: what can be had, what the shop puts forward, what many praise.
    pub(super) fn popularity(&self) -> (bool, bool, u32) {
        (self.stock > 0, self.featured, self.tenths().saturating_mul(self.review_count))
    }

    /// The rating in tenths.
    pub(super) fn tenths(&self) -> u32 {
        (self.rating * 10.0).round() as u32
    }
}

impl Product {
    /// Has its pictures tell where they are served, below the address `base`.
    pub fn locate_pictures(&mut self, base: &str) {
        for source in self.pictures.iter_mut().flat_map(|picture| &mut picture.sources) {
            source.url = format!("{base}/{}", source.path);
        }
    }

    /// Where its pictures are, each in its best form.
    pub fn images(&self) -> Vec<String> {
        match self.pictures.as_slice() {
            [] => self.images.clone(),
            pictures => pictures.iter().filter_map(ProductPicture::best).map(|source| source.url.clone()).collect(),
        }
    }

    /// Where its first picture is.
    pub fn image(&self) -> Option<String> {
        match self.pictures.first() {
            None => self.images.first().cloned(),
            Some(picture) => picture.best().map(|source| source.url.clone()),
        }
    }
}

/// A category of the shop: partition `(tenant, "category")`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    pub id: String,
    pub name: LocalisedText,
    pub group: String,
    pub position: u32,
}

/// The identifier of the product that a stable key names: sorted by the day it was added, the same
/// wherever it is computed.
pub fn product_id(key: &str, added_on: NaiveDate) -> Result<ProductId, crate::types::IdError> {
    let hash = digest(&SHA256, key.as_bytes());
    let random = hash.as_ref().iter().take(10).fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
    let millis = added_on.and_time(NaiveTime::MIN).and_utc().timestamp_millis().max(0) as u64;
    format!("{}{}", ProductId::PREFIX, Ulid::from_parts(millis, random)).parse()
}
