use serde::Serialize;
use utoipa::ToSchema;

use crate::catalogue::{PictureSource, Product, ProductPicture};
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
    /// Where the first picture is; a small form of it where the connection is poor.
    pub image: Option<String>,
    /// Where all pictures are.
    pub images: Vec<String>,
    /// Opens a chat with the boutique about it, where one product is shown; absent where it has no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enquiry_url: Option<String>,
    /// The same with their texts, sizes and formats, for `<picture>`; empty while none was uploaded.
    pub pictures: Vec<PictureView>,
}

/// A picture as clients see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PictureView {
    /// What it shows, in the language asked for.
    pub alt: String,
    /// Of the largest form, in pixels.
    pub width: u32,
    /// Of the largest form, in pixels.
    pub height: u32,
    /// The narrowest first; of each width the better format before the other.
    pub sources: Vec<SourceView>,
}

/// One form of a picture.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceView {
    /// Never changes its content.
    pub url: String,
    /// Pixels.
    pub width: u32,
    /// As in `Content-Type`.
    #[serde(rename = "type")]
    #[schema(example = "image/webp")]
    pub media_type: String,
}

impl PictureView {
    pub fn of(picture: &ProductPicture, language: Language) -> Self {
        let best = picture.best();
        let source = |source: &PictureSource| SourceView {
            url: source.url.clone(),
            width: source.width,
            media_type: source.media_type.clone(),
        };
        Self {
            alt: picture.alt.get(language).to_owned(),
            width: best.map_or(0, |source| source.width),
            height: best.map_or(0, |source| source.height),
            sources: picture.sources.iter().map(source).collect(),
        }
    }

    /// The same with its narrowest forms only.
    fn small(mut self) -> Self {
        let least = self.sources.iter().map(|source| source.width).min().unwrap_or(0);
        self.sources.retain(|source| source.width == least);
        self
    }
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
            image: product.image(),
            images: product.images(),
            pictures: product.pictures.iter().map(|picture| PictureView::of(picture, language)).collect(),
            enquiry_url: None,
        }
    }

    /// The same for a poor connection: what a card in a list shows, with the first picture only, and that small.
    /// Fields that are left out are there, and empty.
    pub fn lean(mut self) -> Self {
        self.description.clear();
        self.images.truncate(1);
        self.pictures = self.pictures.into_iter().take(1).map(PictureView::small).collect();
        if let Some(source) = self.pictures.first().and_then(|picture| picture.sources.first()) {
            self.image = Some(source.url.clone());
            self.images = vec![source.url.clone()];
        }
        for list in [&mut self.care_instructions, &mut self.occasions, &mut self.tags] {
            list.clear();
        }
        self
    }
}
