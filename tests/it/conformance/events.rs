//! What every adapter of the events port must do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{TimeZone, Utc};
use pravis::adapters::events::{DOMAIN_EVENTS, QueuedEvents};
use pravis::adapters::queues::LocalQueue;
use pravis::ports::PortErrorKind;
use pravis::ports::clock::SystemClock;
use pravis::ports::events::{DomainEvent, EventBus};
use pravis::ports::queues::{MAX_BODY_BYTES, Queues};
use pravis::types::{EventId, SampleId, TenantId};
use serde_json::json;
use tempfile::TempDir;

/// A bus and a way to see what arrives on it.
#[async_trait]
trait BusUnderTest: Send {
    fn bus(&self) -> &dyn EventBus;

    /// Every event that a receiver gets who comes after all publishers are gone.
    async fn received_after_restart(self: Box<Self>) -> Vec<DomainEvent>;
}

macro_rules! events_suite {
    ($adapter:ident, $open:expr; $($case:ident),+ $(,)?) => {
        mod $adapter {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($open).await;
                }
            )+
        }
    };
    ($adapter:ident, $open:expr) => {
        events_suite!(
            $adapter, $open;
            what_is_published_is_received_after_a_restart,
            publishing_nothing_is_no_error,
            an_event_may_be_published_twice,
            an_event_too_large_for_a_message_is_refused_with_all_others,
        );
    };
}

events_suite!(on_local_queue, super::LocalBus::open());

/// Events on the embedded queues.
struct LocalBus {
    place: TempDir,
    bus: QueuedEvents,
}

impl LocalBus {
    fn open() -> Box<dyn BusUnderTest> {
        let place = tempfile::tempdir().unwrap();
        let bus = QueuedEvents::new(open(&place));
        Box::new(Self { place, bus })
    }
}

fn open(place: &TempDir) -> Arc<LocalQueue> {
    Arc::new(LocalQueue::open(&place.path().join("queues.sqlite3"), Arc::new(SystemClock)).unwrap())
}

#[async_trait]
impl BusUnderTest for LocalBus {
    fn bus(&self) -> &dyn EventBus {
        &self.bus
    }

    async fn received_after_restart(self: Box<Self>) -> Vec<DomainEvent> {
        let Self { place, bus } = *self;
        drop(bus);
        let queue = open(&place);
        let mut events = Vec::new();
        loop {
            let messages = queue.receive(DOMAIN_EVENTS, 32, Duration::from_secs(60)).await.unwrap();
            if messages.is_empty() {
                return events;
            }
            events.extend(messages.iter().map(|message| serde_json::from_str::<DomainEvent>(&message.body).unwrap()));
        }
    }
}

fn event(kind: &str) -> DomainEvent {
    DomainEvent {
        id: EventId::generate(),
        kind: kind.to_owned(),
        tenant_id: TenantId::pravis(),
        subject: SampleId::generate().to_string(),
        occurred_at: Utc.with_ymd_and_hms(2026, 1, 15, 6, 30, 0).unwrap(),
        data: json!({ "text": "लाल साड़ी दिखाओ", "pricePaise": 449900, "none": null, "list": [1, "two"] }),
    }
}

/// Delivery is at least once and in no order, so events are compared as a set by id.
fn by_id(events: impl IntoIterator<Item = DomainEvent>) -> BTreeMap<EventId, DomainEvent> {
    events.into_iter().map(|event| (event.id.clone(), event)).collect()
}

async fn what_is_published_is_received_after_a_restart(subject: Box<dyn BusUnderTest>) {
    let published: Vec<DomainEvent> = (0..40).map(|number| event(&format!("voice.sample.{number}"))).collect();
    subject.bus().publish(&published[..1]).await.unwrap();
    subject.bus().publish(&published[1..]).await.unwrap();
    assert_eq!(by_id(subject.received_after_restart().await), by_id(published));
}

async fn publishing_nothing_is_no_error(subject: Box<dyn BusUnderTest>) {
    subject.bus().publish(&[]).await.unwrap();
    assert!(subject.received_after_restart().await.is_empty());
}

async fn an_event_may_be_published_twice(subject: Box<dyn BusUnderTest>) {
    let event = event("order.placed");
    subject.bus().publish(std::slice::from_ref(&event)).await.unwrap();
    subject.bus().publish(std::slice::from_ref(&event)).await.unwrap();
    assert_eq!(by_id(subject.received_after_restart().await), by_id([event]));
}

async fn an_event_too_large_for_a_message_is_refused_with_all_others(subject: Box<dyn BusUnderTest>) {
    let mut large = event("voice.sample.completed");
    large.data = json!("x".repeat(MAX_BODY_BYTES));
    let error = subject.bus().publish(&[event("fits"), large]).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::TooLarge);
    assert!(subject.received_after_restart().await.is_empty());
}
