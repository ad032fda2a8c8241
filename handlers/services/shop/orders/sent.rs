//! What a customer sends to order something, in our form or the storefront's. Names and prices in it are not
//! looked at.

use std::borrow::Cow;

use serde::Deserialize;
use utoipa::ToSchema;

use super::store::Customer;
use crate::catalogue::Snapshot;
use crate::error::{Alternative, Code, Error, FieldError, Result, ShortItem, Shortage};
use crate::ordering::cart::{Cart, Choice, MAX_LINES, MAX_PIECES};
use crate::ordering::contact::{Contact, Sent};
use crate::ordering::order::OrderLine;
use crate::ordering::totals::{ON_DELIVERY_AT_MOST, Totals};
use crate::services::shop::cart::{Owner, choose, comes_in, find, read};
use crate::services::shop::snapshot;
use crate::state::AppState;
use crate::types::{Language, OrderId, PaymentMethod, ProductId, TenantId};

const MAX_NOTE_CHARS: usize = 500;
/// Products that are named instead of what is out of stock.
const MAX_ALTERNATIVES: usize = 4;
/// Among so many that are like it.
const LOOKED_AT: usize = 24;

/// An order, of the cart where there are no `items`. The storefront's `name`, `price`, `image`, `subtotal`, `tax`
/// and `total` are let pass and not looked at: what it costs, the catalogue says.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// What is ordered instead of the cart, at most 50.
    #[schema(max_items = 50)]
    items: Option<Vec<OrderItem>>,
    /// How it is paid: on delivery where nothing is said.
    payment_method: Option<PaymentMethod>,
    /// For whoever packs it.
    #[schema(max_length = 500)]
    note: Option<String>,
    /// To whom and where it goes; its fields can also stand beside the others.
    shipping_address: Option<Address>,
    #[serde(flatten)]
    address: Address,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// The product; `id` is the same.
    product_id: Option<String>,
    id: Option<String>,
    size: Option<String>,
    color: Option<String>,
    /// 1 by default.
    #[schema(minimum = 1, maximum = 20)]
    quantity: Option<u32>,
}

/// Name, phone, address, city, state and PIN code are needed. Fields in one line are the same.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    #[serde(alias = "fullName")]
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    #[serde(alias = "address")]
    address_line1: Option<String>,
    address_line2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    /// A PIN code of six digits; `zipCode` and `pincode` are the same.
    #[serde(alias = "zipCode", alias = "zip", alias = "pincode")]
    postal_code: Option<String>,
    /// `IN`, and nothing else.
    country: Option<String>,
}

/// An order that is checked and priced.
pub struct Draft {
    pub id: OrderId,
    pub of_cart: bool,
    pub lines: Vec<OrderLine>,
    pub contact: Contact,
    pub note: Option<String>,
    pub method: PaymentMethod,
}

/// What is to be ordered.
pub enum Drafted {
    New(Box<Draft>),
    /// The cart was just ordered, and nothing is in it since.
    Before(OrderId),
}

impl PlaceOrder {
    /// The order as the catalogue has it.
    ///
    /// # Errors
    /// Field errors; [`Code::Conflict`] when there is nothing to order; [`Code::OutOfStock`] when something is
    /// no longer in the shop.
    pub async fn draft(self, state: &AppState, customer: &Customer, language: Language) -> Result<Drafted> {
        let catalogue = snapshot(state, &customer.tenant).await?;
        let contact = self.contact()?;
        let note = note(self.note)?;
        let (id, of_cart, wanted) = match &self.items {
            Some(items) => (OrderId::generate(), false, chosen(items, &catalogue)?),
            None => {
                let owner = Owner::Customer { tenant: customer.tenant.clone(), user: customer.user.clone() };
                let cart = read(state, &owner).await?.cart;
                if let (Some(before), true) = (&cart.last_order, cart.lines.is_empty()) {
                    return Ok(Drafted::Before(before.clone()));
                }
                let wanted = in_shop(state, customer, &cart, &catalogue).await?;
                (cart.next_order, true, wanted)
            }
        };
        if wanted.is_empty() {
            return Err(nothing_to_order());
        }
        let lines = wanted.into_iter().map(|(choice, quantity)| line(&catalogue, choice, quantity, language));
        let lines = lines.collect::<Result<Vec<_>>>()?;
        let method = method(state, self.payment_method, &lines)?;
        Ok(Drafted::New(Box::new(Draft { id, of_cart, lines, contact, note, method })))
    }

    fn contact(&self) -> Result<Contact> {
        let address = self.shipping_address.as_ref().unwrap_or(&self.address);
        let text = |field: fn(&Address) -> &Option<String>| {
            field(address).as_deref().or_else(|| field(&self.address).as_deref()).unwrap_or_default()
        };
        let name = match text(|address| &address.name) {
            "" => Cow::Owned(format!("{} {}", text(|a| &a.first_name), text(|a| &a.last_name))),
            name => Cow::Borrowed(name),
        };
        let sent = Sent {
            name: &name,
            phone: text(|address| &address.phone),
            email: text(|address| &address.email),
            address_line1: text(|address| &address.address_line1),
            address_line2: text(|address| &address.address_line2),
            city: text(|address| &address.city),
            state: text(|address| &address.state),
            postal_code: text(|address| &address.postal_code),
            country: text(|address| &address.country),
        };
        let path = |field: &str| match self.shipping_address {
            Some(_) => format!("shippingAddress.{field}"),
            None => field.to_owned(),
        };
        Contact::check(&sent).map_err(|wrong| {
            let wrong = wrong.into_iter().map(|(field, message)| FieldError { field: path(field), message });
            Error::fields(wrong.collect())
        })
    }
}

pub fn nothing_to_order() -> Error {
    Error::new(Code::Conflict, "There is nothing to order: the cart is empty.")
}

fn note(note: Option<String>) -> Result<Option<String>> {
    let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    match &note {
        Some(text) if text.chars().count() > MAX_NOTE_CHARS => {
            Err(Error::field("note", format!("expected at most {MAX_NOTE_CHARS} characters")))
        }
        _ => Ok(note),
    }
}

/// What is ordered without a cart, the same choices together.
fn chosen(items: &[OrderItem], catalogue: &Snapshot) -> Result<Vec<(Choice, u32)>> {
    if items.len() > MAX_LINES {
        return Err(Error::field("items", format!("expected at most {MAX_LINES}")));
    }
    let mut wanted: Vec<(Choice, u32)> = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let at = |field: &str| format!("items[{position}].{field}");
        let id = item.product_id.as_deref().or(item.id.as_deref());
        let id = id.ok_or_else(|| Error::field(at("productId"), "expected a product's id"))?;
        let choice = choose(find(catalogue, id)?, item.size.clone(), item.color.clone())?;
        let quantity = item.quantity.unwrap_or(1);
        let known = wanted.iter_mut().find(|(known, _)| *known == choice);
        let sum = known.as_ref().map_or(0, |(_, sum)| *sum).saturating_add(quantity);
        if quantity == 0 || sum > MAX_PIECES {
            return Err(Error::field(at("quantity"), format!("expected 1 to {MAX_PIECES}")));
        }
        match known {
            Some((_, known)) => *known = sum,
            None => wanted.push((choice, quantity)),
        }
    }
    Ok(wanted)
}

/// What is in a cart, all of which must still be in the shop.
async fn in_shop(
    state: &AppState,
    customer: &Customer,
    cart: &Cart,
    catalogue: &Snapshot,
) -> Result<Vec<(Choice, u32)>> {
    let gone = cart
        .lines
        .iter()
        .filter(|line| catalogue.get(&line.choice.product_id).is_none_or(|product| !comes_in(product, &line.choice)));
    let gone: Vec<_> = gone.map(|line| (line.choice.product_id.clone(), line.quantity, 0)).collect();
    match gone.is_empty() {
        true => Ok(cart.lines.iter().map(|line| (line.choice.clone(), line.quantity)).collect()),
        false => Err(shortage(state, &customer.tenant, &gone).await?),
    }
}

fn line(catalogue: &Snapshot, choice: Choice, quantity: u32, language: Language) -> Result<OrderLine> {
    let product = find(catalogue, choice.product_id.as_str())?;
    Ok(OrderLine {
        sku: product.sku.clone(),
        name: product.name.get(language).to_owned(),
        image: product.images.first().cloned(),
        quantity,
        price: product.price_paise,
        choice,
    })
}

/// How an order is paid, where that is on offer for its total.
fn method(state: &AppState, asked: Option<PaymentMethod>, lines: &[OrderLine]) -> Result<PaymentMethod> {
    let offered = state.payments.methods();
    let method = asked.unwrap_or_default();
    if !offered.contains(&method) {
        return Err(Error::field("paymentMethod", "expected onDelivery: no other way to pay is set up"));
    }
    let total = Totals::of(lines.iter().map(|line| (line.price, line.quantity))).total;
    if method == PaymentMethod::OnDelivery && offered.len() > 1 && total > ON_DELIVERY_AT_MOST {
        let most = ON_DELIVERY_AT_MOST.0 / 100;
        return Err(Error::field("paymentMethod", format!("expected online: on delivery up to {most} rupees")));
    }
    Ok(method)
}

/// The refusal of what is not there: products with the pieces asked for and those that can be had.
///
/// # Errors
/// Those of reading the catalogue.
pub async fn shortage(state: &AppState, tenant: &TenantId, short: &[(ProductId, u32, u32)]) -> Result<Error> {
    let catalogue = snapshot(state, tenant).await?;
    let language = Language::default();
    let items: Vec<ShortItem> = short
        .iter()
        .map(|(product, requested, available)| ShortItem {
            product_id: product.to_string(),
            name: catalogue.get(product).map_or("", |product| product.name.get(language)).to_owned(),
            requested: *requested,
            available: *available,
        })
        .collect();
    let mut alternatives: Vec<Alternative> = Vec::new();
    for product in short.iter().filter_map(|(product, ..)| catalogue.get(product)) {
        for other in catalogue.related(product, LOOKED_AT) {
            let wanted = short.iter().any(|(short, ..)| *short == other.id);
            let known = alternatives.iter().any(|known| known.product_id == other.id.as_str());
            if other.stock > 0 && !wanted && !known && alternatives.len() < MAX_ALTERNATIVES {
                alternatives.push(Alternative {
                    product_id: other.id.to_string(),
                    name: other.name.get(language).to_owned(),
                    price_paise: other.price_paise.0,
                    price: other.price_paise.rupees(),
                    image: other.images.first().cloned(),
                });
            }
        }
    }
    let detail = "There are not enough pieces of what you want; shortage says of what, and what is like it.";
    Ok(Error::new(Code::OutOfStock, detail).with_shortage(Shortage { items, alternatives }))
}
