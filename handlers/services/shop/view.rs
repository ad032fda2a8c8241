use serde::Serialize;
use utoipa::ToSchema;

use crate::catalogue::Product;
use crate::types::{Language, Paise};

/// A product as clients see it: the storefront's fields, in rupees where it computes in rupees, beside
/// the amounts in paise.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    #[schema(example = "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S")]
    pub id: String,
    pub sku: String,
    /// In the language asked for.
    pub name: String,
    pub description: String,
    /// Rupees; computed from `pricePaise`.
    pub price: f64,
    /// Rupees; computed from `originalPricePaise`.
    pub original_price: f64,
    #[schema(value_type = u64)]
    pub price_paise: Paise,
    #[schema(value_type = u64)]
    pub original_price_paise: Paise,
    /// ISO 4217.
    #[schema(example = "INR")]
    pub currency: &'static str,
    pub category: String,
    pub subcategory: String,
    pub fabric: String,
    pub weave: String,
    /// Place and state.
    pub origin: String,
    pub colors: Vec<String>,
    pub sizes: Vec<String>,
    pub occasions: Vec<String>,
    pub care_instructions: Vec<String>,
    pub rating: f32,
    /// The number of reviews.
    pub reviews: u32,
    pub review_count: u32,
    pub in_stock: bool,
    pub stock_count: u32,
    pub featured: bool,
    pub is_new: bool,
    pub on_sale: bool,
    pub tags: Vec<String>,
    pub image: Option<String>,
    pub images: Vec<String>,
    /// Opens a chat with the boutique about it, where one product is shown; absent where it has no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enquiry_url: Option<String>,
}

impl ProductView {
    pub fn of(product: &Product, language: Language) -> Self {
        Self {
            id: product.id.to_string(),
            sku: product.sku.clone(),
            name: product.name.get(language).to_owned(),
            description: product.description.get(language).to_owned(),
            price: product.price_paise.rupees(),
            original_price: product.original_price_paise.rupees(),
            price_paise: product.price_paise,
            original_price_paise: product.original_price_paise,
            currency: "INR",
            category: product.category.clone(),
            subcategory: product.subcategory.clone(),
            fabric: product.fabric.clone(),
            weave: product.weave.clone(),
            origin: format!("{}, {}", product.origin.place, product.origin.state),
            colors: product.colors.clone(),
            sizes: product.sizes.clone(),
            occasions: product.occasions.clone(),
            care_instructions: product.care.clone(),
            rating: product.rating,
            reviews: product.review_count,
            review_count: product.review_count,
            in_stock: product.stock > 0,
            stock_count: product.stock,
            featured: product.featured,
            is_new: product.is_new,
            on_sale: product.price_paise < product.original_price_paise,
            tags: product.tags.clone(),
            image: product.images.first().cloned(),
            images: product.images.clone(),
            enquiry_url: None,
        }
    }

    /// The same for a poor connection: what a card in a list shows, with the first picture only. Fields that
    /// are left out are there, and empty.
    pub fn lean(mut self) -> Self {
        self.description.clear();
        self.images.truncate(1);
        for list in [&mut self.care_instructions, &mut self.occasions, &mut self.tags] {
            list.clear();
        }
        self
    }
}
