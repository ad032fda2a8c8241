//! Domain events as messages of a queue.

use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::events::{DomainEvent, EventBus};
use crate::ports::queues::{MAX_BATCH, MAX_BODY_BYTES, Queues};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The queue that the events go to.
pub const DOMAIN_EVENTS: &str = "domain-events";

/// Events on their way through [`DOMAIN_EVENTS`], one message each.
pub struct QueuedEvents {
    queues: Arc<dyn Queues>,
}

impl QueuedEvents {
    pub fn new(queues: Arc<dyn Queues>) -> Self {
        Self { queues }
    }
}

#[async_trait]
impl EventBus for QueuedEvents {
    /// `TooLarge` for an event that no message can hold; then none is sent.
    async fn publish(&self, events: &[DomainEvent]) -> PortResult<()> {
        let mut bodies = Vec::with_capacity(events.len());
        for event in events {
            let body = serde_json::to_string(event)
                .map_err(|error| PortError::invalid("an event is not JSON").with_source(error))?;
            if body.len() > MAX_BODY_BYTES {
                let message = format!("event {} takes {} bytes, more than a message", event.id, body.len());
                return Err(PortError::new(PortErrorKind::TooLarge, message));
            }
            bodies.push(body);
        }
        while !bodies.is_empty() {
            let rest = bodies.split_off(bodies.len().min(MAX_BATCH));
            self.queues.send(DOMAIN_EVENTS, std::mem::replace(&mut bodies, rest)).await?;
        }
        Ok(())
    }
}
