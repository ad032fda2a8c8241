//! The outbox: an event is written in the same transactional batch as the change that it tells of, so
//! neither exists without the other. The change feed carries it on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::Origin;
use crate::error::Result;
use crate::ports::documents::{NewDocument, Operation, Ttl};
use crate::ports::events::DomainEvent;
use crate::types::{EventId, TenantId};

/// What marks outbox documents among the others of a customer.
pub const KIND: &str = "outbox";
/// How long an event stays after the change feed has had time to carry it on.
const LIFETIME: u32 = 7 * 86_400;

/// An event in the outbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct OutboxDocument {
    pub kind: String,
    pub event: DomainEvent,
    /// Where the request came from that made the change: for the audit log, and no part of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The operation that puts an event into the outbox. `id` is that of the event: given again by work
/// that is done again, so that the event exists once.
pub fn put(
    id: EventId,
    kind: &str,
    tenant: &TenantId,
    subject: &str,
    occurred_at: DateTime<Utc>,
    data: Value,
) -> Result<Operation> {
    put_from(None, id, kind, tenant, subject, occurred_at, data)
}

/// The same for an event that is audited: `origin` is where the request came from.
pub fn put_from(
    origin: Option<&Origin>,
    id: EventId,
    kind: &str,
    tenant: &TenantId,
    subject: &str,
    occurred_at: DateTime<Utc>,
    data: Value,
) -> Result<Operation> {
    let event = DomainEvent {
        id: id.clone(),
        kind: kind.to_owned(),
        tenant_id: tenant.clone(),
        subject: subject.to_owned(),
        occurred_at,
        data,
    };
    let document =
        NewDocument::new(id.as_str(), &OutboxDocument { kind: KIND.to_owned(), event, origin: origin.cloned() })?;
    Ok(Operation::Upsert(document.with_ttl(Ttl::Seconds(LIFETIME))))
}

/// Whether a document is one of the outbox, by its id: in the catalogue `kind` is a part of the partition key.
pub fn holds(id: &str) -> bool {
    id.starts_with(EventId::PREFIX)
}

/// The outbox document that a change tells of. One that cannot be read would come for ever, so it is logged
/// and passed over.
pub fn read(changed: Value) -> Option<OutboxDocument> {
    if !changed.get("id").and_then(Value::as_str).is_some_and(holds) {
        return None;
    }
    let id = changed.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    match serde_json::from_value::<OutboxDocument>(changed) {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::error!(%id, %error, "outbox document cannot be read; passed over");
            None
        }
    }
}
