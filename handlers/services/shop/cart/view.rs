//! A cart as clients see it: priced by the catalogue, whatever it was when things were put in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalogue::{Product, Snapshot};
use crate::ordering::cart::{Cart, CartLine, Choice};
use crate::ordering::totals::{Totals, price_of};
use crate::types::{Language, Paise};
use crate::understanding::reply;

/// What is to be said of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LineProblem {
    /// The product is no longer in the shop.
    Gone,
    /// The product no longer comes in this size or colour.
    OptionGone,
    OutOfStock,
    /// There are fewer pieces; `available` says how many.
    NotEnough,
    /// A piece costs something else than when it was put in. It can be ordered all the same.
    PriceChanged,
}

/// A line of a cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineView {
    pub id: String,
    pub product_id: String,
    /// In the language asked for; empty when the product is gone.
    pub name: String,
    pub image: Option<String>,
    pub size: Option<String>,
    pub color: Option<String>,
    pub quantity: u32,
    /// Of a piece, GST included.
    #[schema(value_type = u64)]
    pub price_paise: Paise,
    /// Rupees; computed from `pricePaise`.
    pub price: f64,
    #[schema(value_type = u64)]
    pub subtotal_paise: Paise,
    /// Rupees; computed from `subtotalPaise`.
    pub subtotal: f64,
    /// What a piece cost when it was put in.
    #[schema(value_type = u64)]
    pub seen_price_paise: Paise,
    /// Pieces that can be ordered now.
    pub available: u32,
    pub in_stock: bool,
    pub problem: Option<LineProblem>,
}

/// A cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartView {
    pub items: Vec<LineView>,
    /// Pieces in all.
    pub item_count: u64,
    #[schema(value_type = u64)]
    pub subtotal_paise: Paise,
    #[schema(value_type = u64)]
    pub shipping_paise: Paise,
    #[schema(value_type = u64)]
    pub total_paise: Paise,
    /// Rupees, as `shipping`, `tax` and `total`; computed from the amounts in paise.
    pub subtotal: f64,
    pub shipping: f64,
    /// What is added for tax: nothing, prices include GST.
    pub tax: f64,
    pub total: f64,
    /// ISO 4217.
    pub currency: String,
    /// Whether all of it can be ordered as it is.
    pub can_check_out: bool,
    /// The id of a stranger's cart, to be sent as `X-Cart-Id` from then on: whoever has it has the cart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_cart_id: Option<String>,
}

/// The view of a cart in a language.
pub fn view_of(cart: &Cart, catalogue: &Snapshot, language: Language) -> CartView {
    let items: Vec<LineView> = cart.lines.iter().map(|line| line_view(line, catalogue, language)).collect();
    let totals = Totals::of(items.iter().map(|line| (line.price_paise, line.quantity)));
    CartView {
        item_count: items.iter().map(|line| u64::from(line.quantity)).sum(),
        can_check_out: !items.is_empty()
            && items.iter().all(|line| matches!(line.problem, None | Some(LineProblem::PriceChanged))),
        items,
        subtotal_paise: totals.subtotal,
        shipping_paise: totals.shipping,
        total_paise: totals.total,
        subtotal: totals.subtotal.rupees(),
        shipping: totals.shipping.rupees(),
        tax: 0.0,
        total: totals.total.rupees(),
        currency: "INR".into(),
        guest_cart_id: None,
    }
}

fn line_view(line: &CartLine, catalogue: &Snapshot, language: Language) -> LineView {
    let product = catalogue.get(&line.choice.product_id);
    let price = product.map_or(Paise(0), |product| product.price_paise);
    let subtotal = price_of(price, line.quantity);
    LineView {
        id: line.choice.line_id().to_string(),
        product_id: line.choice.product_id.to_string(),
        name: product.map_or("", |product| product.name.get(language)).to_owned(),
        image: product.and_then(|product| product.images.first().cloned()),
        size: line.choice.size.clone(),
        color: line.choice.color.clone(),
        quantity: line.quantity,
        price_paise: price,
        price: price.rupees(),
        subtotal_paise: subtotal,
        subtotal: subtotal.rupees(),
        seen_price_paise: line.seen_price,
        available: product.map_or(0, |product| product.stock),
        in_stock: product.is_some_and(|product| product.stock > 0),
        problem: problem(line, product),
    }
}

fn problem(line: &CartLine, product: Option<&Product>) -> Option<LineProblem> {
    let Some(product) = product else { return Some(LineProblem::Gone) };
    if !comes_in(product, &line.choice) {
        return Some(LineProblem::OptionGone);
    }
    match product.stock {
        0 => Some(LineProblem::OutOfStock),
        some if some < line.quantity => Some(LineProblem::NotEnough),
        _ => (product.price_paise != line.seen_price).then_some(LineProblem::PriceChanged),
    }
}

/// Whether a product comes in the size and colour of a choice.
pub fn comes_in(product: &Product, choice: &Choice) -> bool {
    choice.size.as_ref().is_none_or(|size| product.sizes.contains(size))
        && choice.color.as_ref().is_none_or(|color| product.colors.contains(color))
}

/// The cart as Ask Pravi reads it out; what is gone is not read.
pub fn summary_of(cart: &Cart, catalogue: &Snapshot, language: Language) -> reply::CartSummary {
    let line = |line: &CartLine| {
        let product = catalogue.get(&line.choice.product_id)?;
        let found = reply::FoundProduct {
            id: product.id.clone(),
            name: product.name.get(language).to_owned(),
            price: product.price_paise,
        };
        Some(reply::CartLine { product: found, quantity: line.quantity })
    };
    let lines: Vec<reply::CartLine> = cart.lines.iter().filter_map(line).collect();
    let total = Totals::of(lines.iter().map(|line| (line.product.price, line.quantity))).total;
    reply::CartSummary { lines, total }
}
