//! What staff may write of a product, checked. Words that shoppers filter by are put into the form that Ask
//! Pravi looks for where its lexicon has them; others are taken as they are, in lower case.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::fields::{Fields, Problems, list, localised, text, truth, whole, word};
use super::view::StaffProduct;
use crate::catalogue::{Category, Product};
use crate::error::FieldError;
use crate::types::{LocalisedText, Origin, Paise, ProductId};
use crate::understanding::{Size, spelled};

/// The dearest piece: a crore of rupees.
const MOST_PAISE: u64 = 1_000_000_000;
const MOST_STOCK: u64 = 1_000_000;
/// The size of what has no sizes; stands alone.
const FREE_SIZE: &str = "free size";
/// Where pictures are: below this path of our own.
const MEDIA: &str = "/media/";
const PICTURES: [&str; 5] = [".webp", ".avif", ".jpg", ".jpeg", ".png"];

/// A product as staff fills it in.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProductForm)]
pub struct Draft {
    /// The shop's own number: 1 to 40 capital letters, digits, `-`, `_` and `.`. Never changes.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    pub sku: String,
    /// One of the shop's categories.
    pub category: String,
    /// The category itself where nothing is said.
    #[schema(required = false)]
    pub subcategory: String,
    pub fabric: String,
    pub weave: String,
    pub origin: Origin,
    /// From the most to the least present.
    #[schema(min_items = 1, max_items = 8)]
    pub colors: Vec<String>,
    /// `free size`, or some of `XS`, `S`, `M`, `L`, `XL`, `XXL`.
    #[schema(min_items = 1, max_items = 6)]
    pub sizes: Vec<String>,
    #[schema(required = false, max_items = 10)]
    pub occasions: Vec<String>,
    /// Care instructions.
    #[schema(required = false, max_items = 10)]
    pub care: Vec<String>,
    #[schema(value_type = u64, minimum = 1, maximum = 1_000_000_000)]
    pub price_paise: Paise,
    /// The price before a reduction, not below `pricePaise`; the same where nothing is said.
    #[schema(value_type = u64, required = false)]
    pub original_price_paise: Paise,
    #[schema(required = false)]
    pub featured: bool,
    #[schema(required = false)]
    pub is_new: bool,
    #[schema(required = false, max_items = 20)]
    pub tags: Vec<String>,
    /// Paths of pictures below `/media/`, the main one first.
    #[schema(required = false, max_items = 10)]
    pub images: Vec<String>,
    /// 2 to 120 characters in each language; English stands for a language that is left out.
    pub name: LocalisedText,
    /// 2 to 600 characters in each language, fit to be spoken.
    pub description: LocalisedText,
    /// Pieces at hand at first, with a new product only.
    #[schema(required = false, maximum = 1_000_000)]
    pub stock: u32,
}

impl Draft {
    /// Reads a form: of a new product, or in the place of one that is `stored`, whose fields may be repeated as
    /// they are.
    ///
    /// # Errors
    /// All that is wrong with it, field by field.
    pub fn read(
        form: Map<String, Value>,
        stored: Option<&Product>,
        categories: &[Category],
    ) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(form, stored.map(StaffProduct::fields).unwrap_or_default());
        // Each is read whatever becomes of the others, so that all that is wrong is told.
        let nature = read_nature(&mut fields, stored, categories);
        let lists = read_lists(&mut fields, stored);
        let prices = read_prices(&mut fields, stored);
        let texts = read_texts(&mut fields, stored);
        let marks = read_marks(&mut fields, stored);
        let stock = match stored {
            Some(stored) => Some(stored.stock),
            None => fields.read("stock", None, read_stock),
        };
        match (nature, lists, prices, texts, marks, stock, fields.finish(why_not)) {
            (Some(nature), Some(lists), Some(prices), Some(texts), Some(marks), Some(stock), problems)
                if problems.is_empty() =>
            {
                let (sku, category, subcategory, fabric, weave, origin) = nature;
                let [colors, sizes, occasions, care, tags, images] = lists;
                let (price_paise, original_price_paise) = prices;
                let ((name, description), (featured, is_new)) = (texts, marks);
                Ok(Self {
                    sku,
                    category,
                    subcategory,
                    fabric,
                    weave,
                    origin,
                    colors,
                    sizes,
                    occasions,
                    care,
                    price_paise,
                    original_price_paise,
                    featured,
                    is_new,
                    tags,
                    images,
                    name,
                    description,
                    stock,
                })
            }
            (.., problems) => Err(problems),
        }
    }

    /// The product that it describes, new at `now`.
    pub fn into_new(self, now: DateTime<Utc>) -> Product {
        let stock = self.stock;
        Product {
            id: ProductId::generate(),
            sku: self.sku,
            category: self.category,
            subcategory: self.subcategory,
            fabric: self.fabric,
            weave: self.weave,
            origin: self.origin,
            colors: self.colors,
            sizes: self.sizes,
            occasions: self.occasions,
            care: self.care,
            price_paise: self.price_paise,
            original_price_paise: self.original_price_paise,
            stock,
            rating: 0.0,
            review_count: 0,
            featured: self.featured,
            is_new: self.is_new,
            added_on: now.date_naive(),
            tags: self.tags,
            images: self.images,
            pictures: Vec::new(),
            name: self.name,
            description: self.description,
            version: 1,
            changed_at: Some(now),
            archived_at: None,
        }
    }

    /// The stored product with what it says; stock, reviews and the rest stay.
    pub fn onto(self, stored: &Product) -> Product {
        Product {
            sku: self.sku,
            category: self.category,
            subcategory: self.subcategory,
            fabric: self.fabric,
            weave: self.weave,
            origin: self.origin,
            colors: self.colors,
            sizes: self.sizes,
            occasions: self.occasions,
            care: self.care,
            price_paise: self.price_paise,
            original_price_paise: self.original_price_paise,
            featured: self.featured,
            is_new: self.is_new,
            tags: self.tags,
            images: self.images,
            name: self.name,
            description: self.description,
            ..stored.clone()
        }
    }
}

/// What kind of piece it is: sku, category, subcategory, fabric, weave, origin.
fn read_nature(
    fields: &mut Fields,
    stored: Option<&Product>,
    categories: &[Category],
) -> Option<(String, String, String, String, String, Origin)> {
    let sku = fields.read("sku", stored.map(|p| &p.sku), |problems, field, value| match stored {
        None => read_sku(problems, field, value),
        Some(_) => problems.refuse(field, "a sku never changes; make a new product and archive this one"),
    });
    let category = fields.read("category", stored.map(|p| &p.category), one_of(categories));
    let subcategory = fields.read_or("subcategory", stored.map(|p| &p.subcategory), category.as_ref(), word);
    let fabric = fields.read("fabric", stored.map(|p| &p.fabric), read_fabric);
    let weave = fields.read("weave", stored.map(|p| &p.weave), spelled_as("weave"));
    let origin = fields.read("origin", stored.map(|p| &p.origin), read_origin);
    Some((sku?, category?, subcategory?, fabric?, weave?, origin?))
}

/// Colours, sizes, occasions, care, tags, pictures.
fn read_lists(fields: &mut Fields, stored: Option<&Product>) -> Option<[Vec<String>; 6]> {
    let colors = fields.read("colors", stored.map(|p| &p.colors), list(1, 8, spelled_as("color")));
    let sizes = fields.read("sizes", stored.map(|p| &p.sizes), read_sizes);
    let occasions = fields.read("occasions", stored.map(|p| &p.occasions), list(0, 10, spelled_as("occasion")));
    let care = fields.read("care", stored.map(|p| &p.care), list(0, 10, word));
    let tags = fields.read("tags", stored.map(|p| &p.tags), list(0, 20, word));
    let images = fields.read("images", stored.map(|p| &p.images), list(0, 10, read_picture));
    Some([colors?, sizes?, occasions?, care?, tags?, images?])
}

/// The price, and the one before a reduction.
fn read_prices(fields: &mut Fields, stored: Option<&Product>) -> Option<(Paise, Paise)> {
    let paise =
        |problems: &mut Problems, field: &str, value: Value| whole(1, MOST_PAISE)(problems, field, value).map(Paise);
    let price = fields.read("pricePaise", stored.map(|p| &p.price_paise), paise);
    let original = fields.read_or("originalPricePaise", stored.map(|p| &p.original_price_paise), price.as_ref(), paise);
    let (price, original) = (price?, original?);
    // Told of the one that is new.
    match stored {
        _ if price <= original => Some((price, original)),
        Some(stored) if stored.original_price_paise == original => {
            fields.refuse("pricePaise", "expected at most originalPricePaise")
        }
        _ => fields.refuse("originalPricePaise", "expected at least pricePaise"),
    }
}

/// Name and description.
fn read_texts(fields: &mut Fields, stored: Option<&Product>) -> Option<(LocalisedText, LocalisedText)> {
    let name = fields.read("name", stored.map(|p| &p.name), localised(2, 120));
    let description = fields.read("description", stored.map(|p| &p.description), localised(2, 600));
    Some((name?, description?))
}

/// Whether it is featured, and new.
fn read_marks(fields: &mut Fields, stored: Option<&Product>) -> Option<(bool, bool)> {
    let featured = fields.read("featured", stored.map(|p| &p.featured), truth);
    let is_new = fields.read("isNew", stored.map(|p| &p.is_new), truth);
    Some((featured?, is_new?))
}

fn read_stock(problems: &mut Problems, field: &str, value: Value) -> Option<u32> {
    match value {
        Value::Null => Some(0),
        value => whole(0, MOST_STOCK)(problems, field, value).and_then(|stock| u32::try_from(stock).ok()),
    }
}

/// A sku in capitals, when it is one.
pub fn sku_of(text: &str) -> Option<String> {
    let sku = text.trim().to_ascii_uppercase();
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins = sku.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    (begins && sku.len() <= 40 && sku.bytes().all(sane)).then_some(sku)
}

/// Why a field of a product is not written by its form.
fn why_not(field: &str) -> Option<&'static str> {
    match field {
        "stock" => Some("is not written here once the product is made; use v1/admin/products/{id}/stock"),
        "rating" | "reviewCount" => Some("is computed from the reviews of customers and never written"),
        "status" | "archivedAt" => Some("is not written here; use v1/admin/products/{id}/archive and /restore"),
        "id" | "currency" | "version" | "addedOn" | "changedAt" => Some("is set by the shop and never written"),
        _ => None,
    }
}

fn read_sku(problems: &mut Problems, field: &str, value: Value) -> Option<String> {
    match value.as_str().and_then(sku_of) {
        Some(sku) => Some(sku),
        None => {
            problems.refuse(field, "expected 1 to 40 letters, digits, `-`, `_` and `.`, the first a letter or digit")
        }
    }
}

fn one_of(categories: &[Category]) -> impl Fn(&mut Problems, &str, Value) -> Option<String> {
    move |problems, field, value| {
        let said = value.as_str().map(|text| text.trim().to_lowercase()).unwrap_or_default();
        let there = |id: &str| categories.iter().find(|category| category.id == id).map(|category| category.id.clone());
        match there(&said).or_else(|| there(spelled("category", &said)?)) {
            Some(category) => Some(category),
            None => {
                let ids: Vec<&str> = categories.iter().map(|category| category.id.as_str()).collect();
                problems.refuse(field, format!("expected one of the shop's categories: {}", ids.join(", ")))
            }
        }
    }
}

/// Words, as the lexicon has them where it does.
fn spelled_as(kind: &'static str) -> impl Fn(&mut Problems, &str, Value) -> Option<String> {
    move |problems, field, value| {
        let said = word(problems, field, value)?;
        Some(spelled(kind, &said).map_or(said, str::to_owned))
    }
}

/// A fabric. What says more than the lexicon's word, as `pure silk` does, stays: searches look for the word in
/// it.
fn read_fabric(problems: &mut Problems, field: &str, value: Value) -> Option<String> {
    let said = word(problems, field, value)?;
    match spelled("fabric", &said) {
        Some(plain) if !plain.split(' ').all(|word| said.split(' ').any(|said| said == word)) => Some(plain.to_owned()),
        _ => Some(said),
    }
}

fn read_origin(problems: &mut Problems, field: &str, value: Value) -> Option<Origin> {
    let Value::Object(mut given) = value else {
        return problems.refuse(field, "expected an object with place and state");
    };
    let mut part = |name: &str| {
        let value = given.remove(name).unwrap_or(Value::Null);
        text(1, 60)(problems, &format!("{field}.{name}"), value)
    };
    let (place, state) = (part("place"), part("state"));
    if !given.is_empty() {
        return problems.refuse(field, "expected place and state and nothing else");
    }
    Some(Origin { place: place?, state: state? })
}

/// Sizes from the smallest, or `free size` alone.
fn read_sizes(problems: &mut Problems, field: &str, value: Value) -> Option<Vec<String>> {
    let expected = || "expected `free size` alone, or some of XS, S, M, L, XL, XXL";
    let item = |problems: &mut Problems, field: &str, value: Value| {
        let said = value.as_str().map(|text| text.trim().to_uppercase()).unwrap_or_default();
        match Size::ALL.into_iter().find(|size| size.as_str() == said) {
            Some(size) => Some(Some(size)),
            None if said.eq_ignore_ascii_case(FREE_SIZE) => Some(None),
            None => problems.refuse(field, expected()),
        }
    };
    let mut sizes = list(1, 6, item)(problems, field, value)?;
    if sizes.contains(&None) {
        return match sizes.len() {
            1 => Some(vec![FREE_SIZE.to_owned()]),
            _ => problems.refuse(field, expected()),
        };
    }
    sizes.sort_unstable();
    Some(sizes.into_iter().flatten().map(|size| size.as_str().to_owned()).collect())
}

/// The path of a picture of ours.
fn read_picture(problems: &mut Problems, field: &str, value: Value) -> Option<String> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    match value {
        Value::String(path)
            if path.starts_with(MEDIA)
                && path.len() <= 200
                && path.bytes().all(sane)
                && !path.contains("..")
                && !path.contains("//")
                && PICTURES.iter().any(|kind| path.ends_with(kind)) =>
        {
            Some(path)
        }
        _ => problems.refuse(field, "expected the path of a picture of ours, as in /media/products/x.webp"),
    }
}
