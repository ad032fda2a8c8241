use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::catalogue::Product;
use crate::types::{LocalisedText, Origin, Paise};

/// Whether shoppers find a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProductStatus)]
pub enum Status {
    Active,
    Archived,
}

impl Status {
    pub fn of(product: &Product) -> Self {
        if product.archived_at.is_some() { Self::Archived } else { Self::Active }
    }
}

/// A product as staff sees it: in all languages, and with what shoppers are not shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffProduct {
    id: String,
    sku: String,
    status: Status,
    category: String,
    subcategory: String,
    fabric: String,
    weave: String,
    origin: Origin,
    colors: Vec<String>,
    sizes: Vec<String>,
    occasions: Vec<String>,
    care: Vec<String>,
    #[schema(value_type = u64)]
    price_paise: Paise,
    #[schema(value_type = u64)]
    original_price_paise: Paise,
    /// ISO 4217.
    currency: &'static str,
    stock: u32,
    /// 0 to 5; 0 without reviews.
    rating: f32,
    review_count: u32,
    featured: bool,
    is_new: bool,
    added_on: NaiveDate,
    tags: Vec<String>,
    images: Vec<String>,
    name: LocalisedText,
    description: LocalisedText,
    /// Counts the writes of staff.
    version: u64,
    changed_at: Option<DateTime<Utc>>,
    archived_at: Option<DateTime<Utc>>,
}

impl StaffProduct {
    pub fn of(product: &Product) -> Self {
        let product = product.clone();
        Self {
            id: product.id.to_string(),
            status: Status::of(&product),
            sku: product.sku,
            category: product.category,
            subcategory: product.subcategory,
            fabric: product.fabric,
            weave: product.weave,
            origin: product.origin,
            colors: product.colors,
            sizes: product.sizes,
            occasions: product.occasions,
            care: product.care,
            price_paise: product.price_paise,
            original_price_paise: product.original_price_paise,
            currency: "INR",
            stock: product.stock,
            rating: product.rating,
            review_count: product.review_count,
            featured: product.featured,
            is_new: product.is_new,
            added_on: product.added_on,
            tags: product.tags,
            images: product.images,
            name: product.name,
            description: product.description,
            version: product.version,
            changed_at: product.changed_at,
            archived_at: product.archived_at,
        }
    }

    /// The view as its fields, with the numbers that a client reads in it: 4.8 is sent, whatever the nearest
    /// `f32` is.
    pub fn fields(product: &Product) -> Map<String, Value> {
        // It cannot fail to serialise, and is an object.
        let sent = serde_json::to_vec(&Self::of(product)).unwrap_or_default();
        serde_json::from_slice(&sent).unwrap_or_default()
    }
}

/// A form that is taken, for descriptions.
pub fn form_example() -> Value {
    json!({
        "sku": "PB-SAR-900", "category": "sarees", "subcategory": "kanjivaram", "fabric": "pure silk",
        "weave": "kanjivaram", "origin": { "place": "Kanchipuram", "state": "Tamil Nadu" },
        "colors": ["maroon", "gold"], "sizes": ["free size"], "occasions": ["wedding"], "care": ["dry clean only"],
        "pricePaise": 1_849_900, "originalPricePaise": 2_099_900, "featured": false, "isNew": true,
        "tags": ["kanjivaram", "temple border"], "images": ["/media/products/temple-border-kanjivaram-1.webp"],
        "name": { "en-IN": "Temple Border Kanjivaram in Maroon", "hi-IN": "मरून कांजीवरम साड़ी", "te-IN": "" },
        "description": { "en-IN": "Handwoven in Kanchipuram, with a temple border in gold zari.", "hi-IN": "", "te-IN": "" },
        "stock": 6
    })
}

/// The same without what only a new product takes.
pub fn replacement_example() -> Value {
    let mut example = form_example();
    if let Some(fields) = example.as_object_mut() {
        fields.remove("stock");
    }
    example
}

/// A product as it is answered, for descriptions.
pub fn example() -> Value {
    let mut example = form_example();
    if let (Some(fields), Value::Object(more)) = (
        example.as_object_mut(),
        json!({
            "id": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "active", "currency": "INR", "rating": 0.0,
            "reviewCount": 0, "addedOn": "2026-01-15", "version": 1, "changedAt": "2026-01-15T06:30:00Z",
            "archivedAt": null
        }),
    ) {
        fields.extend(more);
    }
    example
}
