//! What the shop found out about an understood sentence.

use serde::Serialize;
use utoipa::ToSchema;

use crate::types::{Paise, ProductId};

/// A product to be named or shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundProduct {
    #[schema(value_type = String)]
    pub id: ProductId,
    pub name: String,
    #[serde(rename = "pricePaise")]
    pub price: Paise,
}

/// A limit of a search that could be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Constraint {
    Category,
    Fabric,
    Weave,
    Color,
    Price,
    Size,
    Occasion,
}

/// How many products there would be without one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Relaxation {
    pub constraint: Constraint,
    pub total: u64,
}

/// One line of the cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartLine {
    pub product: FoundProduct,
    pub quantity: u32,
}

/// The cart, priced by the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CartSummary {
    pub lines: Vec<CartLine>,
    pub total: Paise,
}

/// What the catalogue knows about one product. Empty values are unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductFacts {
    pub product: FoundProduct,
    pub description: String,
    pub fabric: String,
    pub origin: String,
    pub care: String,
    pub colors: Vec<String>,
    pub sizes: Vec<String>,
    pub in_stock: bool,
    /// The mean of the ratings, 0 to 5.
    pub rating: f64,
    /// How many ratings there are.
    pub reviews: u64,
}

/// All that a reply may need; the shop fills in what the intent asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// How many products match the search.
    pub total: u64,
    /// The first of them, or the candidates for a name that fits several products.
    pub products: Vec<FoundProduct>,
    /// When nothing matches: what would help, the most useful first.
    pub relaxations: Vec<Relaxation>,
    /// The one product that the reference means.
    pub target: Option<FoundProduct>,
    /// The cart as it is now; `None` if the shop does not know it.
    pub cart: Option<CartSummary>,
    /// The answer to a policy question.
    pub policy: Option<String>,
    /// The facts of the target.
    pub facts: Option<ProductFacts>,
}
