//! Domain events on their way out of the API.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PortResult;
use crate::types::{EventId, TenantId};

/// Something that happened, told once it is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainEvent {
    /// What makes redelivery harmless: receivers act once on each.
    pub id: EventId,
    /// What happened, such as `voice.sample.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    pub tenant_id: TenantId,
    /// The identifier of the thing it happened to.
    pub subject: String,
    pub occurred_at: DateTime<Utc>,
    pub data: Value,
}

/// Where domain events go. Delivery is at least once and in no order.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Hands over events; when it returns they survive the death of process and machine.
    async fn publish(&self, events: &[DomainEvent]) -> PortResult<()>;
}
