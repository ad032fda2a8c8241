use crate::containers::{CATALOGUE, CUSTOMERS, TENANTS};
use crate::error::Result;
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::ports::events::DomainEvent;
use crate::services::{dedicated, outbox};
use crate::state::AppState;
use crate::types::Service;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::change_feed("AnalyticsCatalogueRelay", Service::Analytics, &CATALOGUE, relay),
        dedicated::pulled("AnalyticsCataloguePull", Service::Analytics, &CATALOGUE, relay),
        Function::change_feed("AnalyticsOutboxRelay", Service::Analytics, &CUSTOMERS, relay),
        Function::change_feed("AnalyticsTenantsRelay", Service::Analytics, &TENANTS, relay),
        dedicated::pulled("AnalyticsOutboxPull", Service::Analytics, &CUSTOMERS, relay),
    ]
}

/// Carries events from the outbox to the bus. Told twice, an event goes out twice; receivers act once.
async fn relay(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let events: Vec<DomainEvent> =
        changed.documents.into_iter().filter_map(outbox::read).map(|document| document.event).collect();
    if !events.is_empty() {
        state.events.publish(&events).await?;
    }
    Ok(Outcome::of(format!("{} events published", events.len())))
}
