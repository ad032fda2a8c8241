//! The staff counts what is there.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::store::{Count, Place};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::{Request, Response, json, no_store};
use crate::identity::Permission;
use crate::ordering::stock::Stock;
use crate::ports::{Condition, ETag};
use crate::services::shop::store as catalogue;
use crate::state::AppState;
use crate::types::{ProductId, Service};

/// Pieces of one product at most.
const MAX_PIECES: u32 = 1_000_000;
const MAX_REASON_CHARS: usize = 200;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let route = "v1/admin/products/{id}/stock";
    vec![
        Function::http("ShopAdminStockGet", Service::Shop, Method::GET, route, get)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Shows how many pieces of a product there are, and the last counts.")
            .answers::<StockView>(StatusCode::OK, "The figures; their `ETag` is needed to set them.", example())
            .into(),
        Function::http("ShopAdminStockPut", Service::Shop, Method::PUT, route, put)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Sets how many pieces are in the boutique; `If-Match` names the figures that were seen.")
            .takes::<SetStock>("application/json", json!({ "quantity": 12, "reason": "stocktaking" }))
            .answers::<StockView>(StatusCode::OK, "The figures as they now are.", example())
            .fails(&[Code::Conflict, Code::PreconditionFailed, Code::PreconditionRequired])
            .into(),
    ]
}

fn example() -> Value {
    json!({
        "productId": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "onHand": 12, "reserved": 2, "available": 10, "sold": 5,
        "history": [{ "at": "2026-01-15T06:30:00Z", "by": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "from": 9, "to": 12, "reason": "stocktaking" }]
    })
}

#[derive(Deserialize, ToSchema)]
struct SetStock {
    /// Pieces in the boutique, with those that are promised to orders and have not left.
    #[schema(maximum = 1_000_000)]
    quantity: u32,
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StockView {
    product_id: String,
    /// Pieces in the boutique.
    on_hand: u32,
    /// Pieces of them that are promised to orders.
    reserved: u32,
    /// Pieces that can be ordered.
    available: u32,
    /// Pieces that left with an order and did not come back.
    sold: u64,
    /// The last counts, the newest first, at most 50.
    history: Vec<CountView>,
}

#[derive(Serialize, ToSchema)]
struct CountView {
    at: DateTime<Utc>,
    /// Who counted.
    by: String,
    from: u32,
    to: u32,
    reason: String,
}

/// Names the figures that a count takes the place of. What orders set aside does not change it: they are no
/// reason to count again.
fn etag(stock: Stock) -> ETag {
    ETag(format!("{}-{}-{}", stock.counts, stock.on_hand, stock.sold))
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let product: ProductId = request.param("id")?;
    let place = Place { documents: state.documents.as_ref(), tenant: request.caller.tenant(), product: &product };
    let (stock, version) = place.read().await?;
    if version.is_none() {
        must_exist(place).await?;
    }
    show(place, stock).await
}

async fn put(state: AppState, request: Request) -> Result<Response> {
    let product: ProductId = request.param("id")?;
    let asked: SetStock = request.json()?;
    if asked.quantity > MAX_PIECES {
        return Err(Error::field("quantity", format!("expected at most {MAX_PIECES}")));
    }
    let reason = asked.reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON_CHARS || reason.chars().any(char::is_control) {
        let message = format!("expected 1 to {MAX_REASON_CHARS} characters, none of control");
        return Err(Error::field("reason", message));
    }
    if request.header("if-match").is_none() {
        let detail = "Send in If-Match the entity tag that the figures were read with, or * to replace any.";
        return Err(Error::new(Code::PreconditionRequired, detail));
    }
    let condition = if_match(&request)?;
    let place = Place { documents: state.documents.as_ref(), tenant: request.caller.tenant(), product: &product };
    must_exist(place).await?;
    let by = request.principal()?.actor().to_owned();
    let count = Count { at: state.clock.now(), by, from: 0, to: asked.quantity, reason: reason.to_owned() };
    let expected = |stock: Stock| match &condition {
        Condition::IfMatch(seen) if *seen != etag(stock) => {
            Err(Error::new(Code::PreconditionFailed, "The figures changed meanwhile; read them again and repeat."))
        }
        _ => Ok(()),
    };
    let stock = place.count(count, expected).await?;
    show(place, stock).await
}

async fn must_exist(place: Place<'_>) -> Result<()> {
    match catalogue::product_document(place.documents, place.tenant, place.product).await? {
        Some(_) => Ok(()),
        None => Err(Error::not_found("There is no such product.")),
    }
}

async fn show(place: Place<'_>, stock: Stock) -> Result<Response> {
    let counted = |count: Count| {
        let Count { at, by, from, to, reason } = count;
        CountView { at, by, from, to, reason }
    };
    let view = StockView {
        product_id: place.product.to_string(),
        on_hand: stock.on_hand,
        reserved: stock.reserved,
        available: stock.free(),
        sold: stock.sold,
        history: place.history().await?.into_iter().map(counted).collect(),
    };
    Ok(no_store(with_etag(json(&view)?, &etag(stock))))
}
