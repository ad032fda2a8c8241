//! An order as its customer and the staff see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::store::Found;
use crate::error::Result;
use crate::http::conditional::with_etag;
use crate::http::{Response, json, no_store};
use crate::ordering::order::{By, Move, Order, OrderLine, PaymentStatus, Status};
use crate::ordering::totals::price_of;
use crate::services::shop::enquiry;
use crate::settings::Settings;
use crate::types::{Paise, PaymentMethod};

/// An order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    id: String,
    /// `placed`, `confirmed`, `packed`, `shipped`, `delivered`, `cancelled`, `returned`.
    #[schema(value_type = String)]
    status: Status,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    items: Vec<ItemView>,
    #[schema(value_type = u64)]
    subtotal_paise: Paise,
    #[schema(value_type = u64)]
    shipping_paise: Paise,
    #[schema(value_type = u64)]
    total_paise: Paise,
    /// Rupees, as `shipping`, `tax` and `total`; computed from the amounts in paise.
    subtotal: f64,
    shipping: f64,
    /// What is added for tax: nothing, prices include GST.
    tax: f64,
    total: f64,
    /// ISO 4217.
    currency: &'static str,
    contact: ContactView,
    note: Option<String>,
    payment: PaymentView,
    history: Vec<StepView>,
    /// Whether its customer can cancel it.
    can_cancel: bool,
    /// Opens a chat with the boutique about it; absent where it has no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    enquiry_url: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ItemView {
    product_id: String,
    /// The same.
    id: String,
    sku: String,
    name: String,
    image: Option<String>,
    size: Option<String>,
    color: Option<String>,
    quantity: u32,
    /// Of a piece, GST included, as it was when the order was placed.
    #[schema(value_type = u64)]
    price_paise: Paise,
    /// Rupees; computed from `pricePaise`.
    price: f64,
    #[schema(value_type = u64)]
    total_paise: Paise,
    /// Rupees; computed from `totalPaise`.
    total: f64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ContactView {
    name: String,
    phone: String,
    email: Option<String>,
    address_line1: String,
    address_line2: Option<String>,
    city: String,
    state: String,
    postal_code: String,
    country: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentView {
    method: PaymentMethod,
    /// `onDelivery`, `awaited`, `paid`, `refundDue`, `failed`.
    #[schema(value_type = String)]
    status: PaymentStatus,
    /// Where to pay, while it is awaited.
    page: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StepView {
    #[schema(value_type = String)]
    status: Status,
    at: DateTime<Utc>,
    /// `customer`, `staff`, `payment`, `system`.
    #[schema(value_type = String)]
    by: By,
    reason: Option<String>,
}

impl OrderView {
    pub fn of(settings: &Settings, order: &Order) -> Self {
        let Order { contact, totals, payment, .. } = order;
        Self {
            id: order.id.to_string(),
            status: order.status,
            created_at: order.created_at,
            updated_at: order.updated_at,
            items: order.lines.iter().map(item).collect(),
            subtotal_paise: totals.subtotal,
            shipping_paise: totals.shipping,
            total_paise: totals.total,
            subtotal: totals.subtotal.rupees(),
            shipping: totals.shipping.rupees(),
            tax: 0.0,
            total: totals.total.rupees(),
            currency: "INR",
            contact: ContactView {
                name: contact.name.clone(),
                phone: contact.phone.clone(),
                email: contact.email.clone(),
                address_line1: contact.address_line1.clone(),
                address_line2: contact.address_line2.clone(),
                city: contact.city.clone(),
                state: contact.state.clone(),
                postal_code: contact.postal_code.clone(),
                country: contact.country.clone(),
            },
            note: order.note.clone(),
            payment: PaymentView { method: payment.method, status: payment.status, page: payment.page.clone() },
            history: steps(order),
            can_cancel: order.status.after(Move::Cancel, By::Customer).is_ok(),
            enquiry_url: enquiry::about_order(settings, order),
        }
    }
}

fn item(line: &OrderLine) -> ItemView {
    let total = price_of(line.price, line.quantity);
    ItemView {
        product_id: line.choice.product_id.to_string(),
        id: line.choice.product_id.to_string(),
        sku: line.sku.clone(),
        name: line.name.clone(),
        image: line.image.clone(),
        size: line.choice.size.clone(),
        color: line.choice.color.clone(),
        quantity: line.quantity,
        price_paise: line.price,
        price: line.price.rupees(),
        total_paise: total,
        total: total.rupees(),
    }
}

/// What happened since the customer was told of it.
fn steps(order: &Order) -> Vec<StepView> {
    let shown = order.history.iter().filter(|step| step.status.is_shown());
    shown.map(|step| StepView { status: step.status, at: step.at, by: step.by, reason: step.reason.clone() }).collect()
}

/// The answer with one order.
pub fn show(settings: &Settings, found: &Found) -> Result<Response> {
    Ok(no_store(with_etag(json(&OrderView::of(settings, &found.order))?, &found.etag)))
}

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub struct OrderList {
    pub items: Vec<OrderView>,
    pub next: Option<String>,
}

pub fn example() -> Value {
    json!({
        "id": "ord_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "confirmed", "createdAt": "2026-01-15T06:30:00Z", "updatedAt": "2026-01-15T06:30:00Z",
        "items": [{ "productId": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "id": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "sku": "PB-KUR-002", "name": "Khadi Kurta Set in Indigo",
            "image": "/media/products/2.webp", "size": "M", "color": "indigo", "quantity": 2, "pricePaise": 399_900, "price": 3999.0, "totalPaise": 799_800, "total": 7998.0 }],
        "subtotalPaise": 799_800, "shippingPaise": 0, "totalPaise": 799_800, "subtotal": 7998.0, "shipping": 0.0, "tax": 0.0, "total": 7998.0, "currency": "INR",
        "contact": { "name": "Lakshmi Rao", "phone": "+91 98480 12345", "email": "lakshmi@example.in", "addressLine1": "12, Temple Street", "addressLine2": null,
            "city": "Hyderabad", "state": "Telangana", "postalCode": "500001", "country": "IN" },
        "note": null, "payment": { "method": "onDelivery", "status": "onDelivery", "page": null },
        "history": [{ "status": "placed", "at": "2026-01-15T06:30:00Z", "by": "customer", "reason": null }, { "status": "confirmed", "at": "2026-01-15T06:30:00Z", "by": "system", "reason": null }],
        "canCancel": true
    })
}
