//! Orders over HTTP, for their customers.

use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::moves::{self, Wanted, no_order};
use super::place;
use super::sent::{Drafted, PlaceOrder, nothing_to_order};
use super::store::{Customer, Found, found_in};
use super::view::{OrderList, OrderView, example, show};
use crate::containers::CUSTOMERS;
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::idempotency::{Idempotency, fingerprint};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::ordering::order::{By, Move, Note, Order};
use crate::ports::documents::Order as Sorted;
use crate::ports::documents::{Filter, Query, Scope};
use crate::services::shop::query;
use crate::state::AppState;
use crate::types::{OrderId, Service};

const MAX_REASON_CHARS: usize = 200;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let sent = || {
        json!({
            "shippingAddress": { "name": "Lakshmi Rao", "phone": "+91 98480 12345", "email": "lakshmi@example.in", "addressLine1": "12, Temple Street",
                "city": "Hyderabad", "state": "Telangana", "postalCode": "500001", "country": "IN" },
            "paymentMethod": "onDelivery"
        })
    };
    let placed = || json!({ "success": true, "orderId": "ord_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "message": "Thank you, your order is placed.", "order": example() });
    vec![
        Function::http("ShopOrdersCreate", Service::Shop, Method::POST, "v1/orders", create)
            .access(Access::SignedIn)
            .idempotent()
            .summary("Orders what is in the cart, or `items`; the same cart ordered twice is one order.")
            .takes::<PlaceOrder>("application/json", sent())
            .answers::<Placed>(StatusCode::CREATED, "The order is placed.", placed())
            .fails(&[Code::Conflict, Code::OutOfStock, Code::NotFound])
            .into(),
        Function::http("ShopOrdersList", Service::Shop, Method::GET, "v1/orders", list)
            .access(Access::SignedIn)
            .summary("Lists the caller's orders, the newest first.")
            .query::<ListQuery>()
            .answers::<OrderList>(StatusCode::OK, "A page of orders.", json!({ "items": [example()], "next": null }))
            .into(),
        Function::http("ShopOrdersView", Service::Shop, Method::GET, "v1/orders/{id}", view)
            .access(Access::SignedIn)
            .summary("Shows an order.")
            .answers::<OrderView>(StatusCode::OK, "The order.", example())
            .into(),
        Function::http("ShopOrdersCancel", Service::Shop, Method::POST, "v1/orders/{id}/cancel", cancel)
            .access(Access::SignedIn)
            .summary("Cancels an order that is not packed yet.")
            .takes::<CancelOrder>("application/json", json!({ "reason": "ordered the wrong size" }))
            .answers::<OrderView>(StatusCode::OK, "The order as it now is.", example())
            .fails(&[Code::Conflict, Code::PreconditionFailed])
            .into(),
    ]
}

/// `orderId` and `success` are the storefront's.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Placed {
    success: bool,
    order_id: String,
    message: &'static str,
    order: OrderView,
}

#[derive(Default, Deserialize, ToSchema)]
struct CancelOrder {
    #[schema(max_length = 200)]
    reason: Option<String>,
}

fn customer(request: &Request) -> Result<Customer> {
    let principal = request.principal()?;
    Ok(Customer { tenant: principal.tenant.clone(), user: principal.user.clone() })
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: PlaceOrder = request.json()?;
    let customer = customer(&request)?;
    let key = Idempotency::key_of(&request)?.map(|key| fingerprint(&[key.as_bytes()]));
    let found = match place::resumed(&state, &customer, key.as_deref()).await? {
        Some(found) => found,
        None => match asked.draft(&state, &customer, query::language(&request, None)?).await? {
            Drafted::New(draft) => place::place(&state, &customer, *draft, key.as_deref()).await?,
            Drafted::Before(id) => {
                let found = customer.order(&state, &id).await?.filter(|found| found.order.status.is_shown());
                found.ok_or_else(nothing_to_order)?
            }
        },
    };
    answer(&state, &found)
}

fn answer(state: &AppState, found: &Found) -> Result<Response> {
    let Found { order, etag } = found;
    let message = match order.payment.page {
        Some(_) => "Your order is placed; please pay within 30 minutes.",
        None => "Thank you, your order is placed.",
    };
    let view = OrderView::of(&state.settings, order);
    let placed = Placed { success: true, order_id: order.id.to_string(), message, order: view };
    let mut response = no_store(with_etag(json_with(StatusCode::CREATED, &placed)?, etag));
    let location = HeaderValue::from_str(&format!("/api/v1/orders/{}", order.id)).map_err(Error::internal)?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let query = Query {
        filters: vec![Filter::Equal("kind", json!(Order::KIND))],
        order: Some(Sorted::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let partition = customer(&request)?.partition();
    let page =
        state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let view = |document| Ok(OrderView::of(&state.settings, &found_in(document)?.order));
    let items = page.items.iter().map(view).collect::<Result<_>>()?;
    Ok(no_store(json(&OrderList { items, next: cursor_of(page.next) })?))
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let id: OrderId = request.param("id")?;
    let found = customer(&request)?.order(&state, &id).await?;
    let found = found.filter(|found| found.order.status.is_shown()).ok_or_else(no_order)?;
    show(&state.settings, &found)
}

async fn cancel(state: AppState, request: Request) -> Result<Response> {
    let id: OrderId = request.param("id")?;
    let asked: CancelOrder = if request.body.is_empty() { CancelOrder::default() } else { request.json()? };
    let note = Note { actor: None, reason: reason(asked.reason)? };
    let wanted = Wanted { step: Move::Cancel, by: By::Customer, note, condition: if_match(&request)? };
    show(&state.settings, &moves::advance(&state, &customer(&request)?, &id, wanted).await?)
}

/// Why somebody moves an order, in their words.
pub fn reason(reason: Option<String>) -> Result<Option<String>> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    match &reason {
        Some(text) if text.chars().count() > MAX_REASON_CHARS || text.chars().any(char::is_control) => {
            let message = format!("expected at most {MAX_REASON_CHARS} characters, none of control");
            Err(Error::field("reason", message))
        }
        _ => Ok(reason),
    }
}
