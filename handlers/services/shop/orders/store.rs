//! Orders in documents: in the partition of their customer, beside the events that tell of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::containers::{CUSTOMERS, customer};
use crate::error::{Error, Result};
use crate::ordering::order::{Happened, Order, Status};
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, OrderId, TenantId, UserId};

/// How long an order that could not be placed is remembered, after its pieces are free again.
const FAILED_KEPT: u32 = 86_400;
/// How long it is known which order an `Idempotency-Key` made: longer than the key's answer is kept.
const KEY_KEPT: u32 = 3 * 86_400;

/// Whose orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    pub tenant: TenantId,
    pub user: UserId,
}

/// An order with its version.
#[derive(Clone, Debug)]
pub struct Found {
    pub order: Order,
    pub etag: ETag,
}

/// Which order a request under a key made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keyed {
    kind: String,
    order_id: OrderId,
}

impl Customer {
    pub fn partition(&self) -> PartitionKey {
        customer(&self.tenant, self.user.as_str())
    }

    /// The order, or `None`. One point read.
    pub async fn order(&self, state: &AppState, id: &OrderId) -> Result<Option<Found>> {
        let found = state.documents.read(&CUSTOMERS, &self.partition(), id.as_str()).await?;
        found.map(|document| found_in(&document)).transpose()
    }

    /// The order that a request under a key made, or `None`.
    pub async fn keyed(&self, state: &AppState, key: &str) -> Result<Option<OrderId>> {
        let found = state.documents.read(&CUSTOMERS, &self.partition(), &key_id(key)).await?;
        Ok(found.map(|document| document.read::<Keyed>()).transpose()?.map(|keyed| keyed.order_id))
    }

    /// Does the operations; `false` where somebody else was faster.
    pub async fn write(&self, state: &AppState, operations: Vec<Operation>) -> Result<bool> {
        match state.documents.batch(&CUSTOMERS, &self.partition(), operations).await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.error.kind(),
                    PortErrorKind::Conflict | PortErrorKind::PreconditionFailed | PortErrorKind::NotFound
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.error.into()),
        }
    }
}

/// The order in a document.
pub fn found_in(document: &Document) -> Result<Found> {
    Ok(Found { order: document.read()?, etag: document.etag.clone() })
}

fn key_id(key: &str) -> String {
    format!("orderKey-{key}")
}

/// Notes which order a request under a key makes.
pub fn put_key(key: &str, order: &OrderId) -> Result<Operation> {
    let keyed = Keyed { kind: "orderKey".into(), order_id: order.clone() };
    Ok(Operation::Upsert(NewDocument::new(key_id(key), &keyed)?.with_ttl(Ttl::Seconds(KEY_KEPT))))
}

/// Writes a new order, or one in the place of the version that was read.
pub fn put(order: &Order, etag: Option<&ETag>) -> Result<Operation> {
    let settled = order.attention_at.is_none();
    let ttl = if order.status == Status::Failed && settled { Ttl::Seconds(FAILED_KEPT) } else { Ttl::Never };
    let document = NewDocument::new(order.id.as_str(), order)?.with_ttl(ttl);
    Ok(match etag {
        Some(etag) => Operation::Replace(document, Condition::IfMatch(etag.clone())),
        None => Operation::Create(document),
    })
}

/// The event that tells of the last state of an order. It names pieces and amounts, and nobody's name.
pub fn told(tenant: &TenantId, order: &Order) -> Result<Operation> {
    let Some(Happened { status, at, by, .. }) = order.history.last() else {
        return Err(Error::internal("an order to which nothing happened"));
    };
    tell(tenant, order, name(*status), *at, json!({ "by": by }))
}

/// The event of this kind about an order, with `more` of it.
pub fn tell(
    tenant: &TenantId,
    order: &Order,
    kind: &str,
    at: chrono::DateTime<chrono::Utc>,
    more: Value,
) -> Result<Operation> {
    let pieces: Vec<Value> = order
        .pieces()
        .into_iter()
        .map(|(product, quantity)| json!({ "productId": product, "quantity": quantity }))
        .collect();
    let mut data = json!({
        "orderId": order.id, "status": order.status, "pieces": pieces, "totalPaise": order.totals.total,
        "currency": "INR", "paymentMethod": order.payment.method, "paymentStatus": order.payment.status,
    });
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    outbox::put(EventId::generate(), &format!("order.{kind}"), tenant, order.id.as_str(), at, data)
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Placing => "begun",
        Status::Failed => "failed",
        Status::Placed => "placed",
        Status::Confirmed => "confirmed",
        Status::Packed => "packed",
        Status::Shipped => "shipped",
        Status::Delivered => "delivered",
        Status::Cancelled => "cancelled",
        Status::Returned => "returned",
    }
}
