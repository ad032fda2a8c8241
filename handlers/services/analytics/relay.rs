use serde_json::Value;

use crate::containers::{CUSTOMERS, TENANTS};
use crate::error::Result;
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::ports::events::DomainEvent;
use crate::services::dedicated;
use crate::services::outbox::{self, OutboxDocument};
use crate::state::AppState;
use crate::types::Service;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::change_feed("AnalyticsOutboxRelay", Service::Analytics, &CUSTOMERS, relay),
        Function::change_feed("AnalyticsTenantsRelay", Service::Analytics, &TENANTS, relay),
        dedicated::pulled("AnalyticsOutboxPull", Service::Analytics, &CUSTOMERS, relay),
    ]
}

/// Carries events from the outbox to the bus. Told twice, an event goes out twice; receivers act once.
async fn relay(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let events: Vec<DomainEvent> = changed.documents.into_iter().filter_map(event).collect();
    if !events.is_empty() {
        state.events.publish(&events).await?;
    }
    Ok(Outcome::of(format!("{} events published", events.len())))
}

/// The event of an outbox document. One that cannot be read would come for ever, so it is logged and
/// passed over.
fn event(document: Value) -> Option<DomainEvent> {
    if document.get("kind").and_then(Value::as_str) != Some(outbox::KIND) {
        return None;
    }
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    match serde_json::from_value::<OutboxDocument>(document) {
        Ok(document) => Some(document.event),
        Err(error) => {
            tracing::error!(%id, %error, "outbox document cannot be read; passed over");
            None
        }
    }
}
