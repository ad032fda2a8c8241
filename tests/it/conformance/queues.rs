//! What every adapter of the queues port must do, from what Storage queues document.
//!
//! A service may be shared among runs: each case works on a queue of its own.

mod azurite;
mod local;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use pravis::ports::PortErrorKind;
use pravis::ports::queues::{MAX_BODY_BYTES, QueueMessage, Queues};
use ulid::Ulid;

use crate::support::app::eventually;
use crate::support::azurite::Login;
use crate::support::clock::ManualClock;

/// Longer than any case.
const LEASE: Duration = Duration::from_secs(60);
/// Short enough to be waited for on a real clock.
const SHORT: Duration = Duration::from_secs(1);

/// Queues, a queue on them, and their clock where it can be moved.
struct Subject {
    queues: Arc<dyn Queues>,
    queue: String,
    clock: Option<Arc<ManualClock>>,
}

impl Subject {
    fn new(queues: Arc<dyn Queues>, clock: Option<Arc<ManualClock>>) -> Self {
        Self { queues, queue: format!("q-{}", Ulid::generate().to_string().to_lowercase()), clock }
    }

    async fn send(&self, body: &str) {
        self.queues.send(&self.queue, vec![body.to_owned()]).await.unwrap();
    }

    async fn receive(&self, visibility: Duration) -> Vec<QueueMessage> {
        self.queues.receive(&self.queue, 32, visibility).await.unwrap()
    }

    async fn receive_one(&self, visibility: Duration) -> QueueMessage {
        let mut messages = self.receive(visibility).await;
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    /// The message whose invisibility of [`SHORT`] ends.
    async fn returned(&self) -> QueueMessage {
        if let Some(clock) = &self.clock {
            clock.advance(TimeDelta::from_std(SHORT).unwrap());
        }
        eventually("the message comes back", async || self.receive(LEASE).await.pop()).await
    }
}

/// The kind of a refusal of a delivery that is over.
fn is_over(error: PortErrorKind) -> bool {
    matches!(error, PortErrorKind::PreconditionFailed | PortErrorKind::NotFound)
}

macro_rules! queues_suite {
    ($adapter:ident, $open:expr; $($case:ident),+ $(,)?) => {
        mod $adapter {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    let (subject, _place) = $open;
                    super::$case(subject).await;
                }
            )+
        }
    };
    ($adapter:ident, $open:expr) => {
        queues_suite!(
            $adapter, $open;
            what_is_sent_is_received_as_it_was,
            many_are_sent_at_once,
            a_queue_that_nobody_sent_to_is_empty,
            a_received_message_is_hidden_and_comes_back,
            a_deleted_message_is_gone,
            a_stale_receipt_does_nothing,
            a_late_receiver_may_still_delete_what_nobody_took_since,
            a_released_message_comes_back_when_it_should,
            an_extended_message_stays_with_its_receiver,
            a_poisoned_message_moves_to_the_poison_queue,
            limits_are_kept_and_a_refused_batch_leaves_nothing,
            queues_are_apart,
            no_two_receivers_hold_one_message,
        );
    };
}

queues_suite!(on_local_queue, local::subject());
queues_suite!(on_azurite_by_key, (azurite::subject(Login::Key).await, ()));
queues_suite!(on_azurite_by_token, (azurite::subject(Login::Token).await, ()));

async fn what_is_sent_is_received_as_it_was(subject: Subject) {
    let bodies = ["plain", "{\"लाल\":\"साड़ी\"}", "<a>&amp;</a> \"'", " edges ", "line\r\nline\t\u{1}", "aGVsbG8="];
    for body in bodies {
        subject.send(body).await;
        let message = subject.receive_one(LEASE).await;
        assert_eq!((message.body.as_str(), message.dequeue_count), (body, 1));
        assert!(message.next_visible_at > message.inserted_at);
        assert_eq!(message.expires_at - message.inserted_at, TimeDelta::days(7));
        subject.queues.delete(&subject.queue, &message).await.unwrap();
    }
}

async fn many_are_sent_at_once(subject: Subject) {
    let bodies: Vec<String> = (0..100).map(|number| format!("{number}")).collect();
    let ids = subject.queues.send(&subject.queue, bodies.clone()).await.unwrap();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    assert_eq!(subject.queues.len(&subject.queue).await.unwrap(), 100);
    let mut received = BTreeSet::new();
    while received.len() < 100 {
        let messages = subject.receive(LEASE).await;
        assert!((1..=32).contains(&messages.len()), "{} messages", messages.len());
        received.extend(messages.into_iter().map(|message| message.body));
    }
    assert_eq!(received, bodies.into_iter().collect());
    assert!(subject.receive(LEASE).await.is_empty());
    assert_eq!(subject.queues.len(&subject.queue).await.unwrap(), 100, "those that are held count");
    assert!(subject.queues.send(&subject.queue, Vec::new()).await.unwrap().is_empty());
}

async fn a_queue_that_nobody_sent_to_is_empty(subject: Subject) {
    assert!(subject.receive(LEASE).await.is_empty());
    assert_eq!(subject.queues.len(&subject.queue).await.unwrap(), 0);
}

async fn a_received_message_is_hidden_and_comes_back(subject: Subject) {
    subject.send("held").await;
    let held = subject.receive_one(LEASE).await;
    assert!(subject.receive(LEASE).await.is_empty());
    subject.queues.delete(&subject.queue, &held).await.unwrap();

    subject.send("left").await;
    let first = subject.receive_one(SHORT).await;
    let second = subject.returned().await;
    assert_eq!((&second.id, &second.body, second.dequeue_count), (&first.id, &first.body, 2));
    assert_ne!(second.pop_receipt, first.pop_receipt);
}

async fn a_deleted_message_is_gone(subject: Subject) {
    subject.send("hello").await;
    let message = subject.receive_one(LEASE).await;
    subject.queues.delete(&subject.queue, &message).await.unwrap();
    assert!(subject.receive(LEASE).await.is_empty());
    assert_eq!(subject.queues.len(&subject.queue).await.unwrap(), 0);
    let again = subject.queues.delete(&subject.queue, &message).await.unwrap_err();
    assert_eq!(again.kind(), PortErrorKind::NotFound);
}

async fn a_stale_receipt_does_nothing(subject: Subject) {
    subject.send("hello").await;
    let stale = subject.receive_one(SHORT).await;
    let present = subject.returned().await;
    let (queues, queue) = (&subject.queues, &subject.queue);
    let refusals = [
        queues.delete(queue, &stale).await,
        queues.release(queue, &stale, Duration::ZERO).await,
        queues.extend(queue, &stale, LEASE).await.map(drop),
        queues.move_to_poison(queue, &stale).await,
    ];
    for refusal in refusals {
        let kind = refusal.unwrap_err().kind();
        assert!(is_over(kind), "{kind:?}");
    }
    queues.delete(queue, &present).await.unwrap();
}

async fn a_late_receiver_may_still_delete_what_nobody_took_since(subject: Subject) {
    subject.send("hello").await;
    let message = subject.receive_one(SHORT).await;
    match &subject.clock {
        Some(clock) => clock.advance(TimeDelta::hours(1)),
        // Nothing but time makes it visible, and looking would take it.
        None => tokio::time::sleep(SHORT * 2).await,
    }
    subject.queues.delete(&subject.queue, &message).await.unwrap();
    assert!(subject.receive(LEASE).await.is_empty());
}

async fn a_released_message_comes_back_when_it_should(subject: Subject) {
    subject.send("hello").await;
    let message = subject.receive_one(LEASE).await;
    subject.queues.release(&subject.queue, &message, Duration::ZERO).await.unwrap();
    let again = subject.receive_one(LEASE).await;
    assert_eq!((&again.id, &again.body, again.dequeue_count), (&message.id, &message.body, 2));
    subject.queues.release(&subject.queue, &again, LEASE).await.unwrap();
    assert!(subject.receive(LEASE).await.is_empty());
}

async fn an_extended_message_stays_with_its_receiver(subject: Subject) {
    subject.send("hello").await;
    let mut message = subject.receive_one(Duration::from_secs(10)).await;
    let used = message.clone();
    message.pop_receipt = subject.queues.extend(&subject.queue, &message, LEASE).await.unwrap();
    if let Some(clock) = &subject.clock {
        clock.advance(TimeDelta::seconds(20));
    }
    assert!(subject.receive(LEASE).await.is_empty());
    assert!(is_over(subject.queues.delete(&subject.queue, &used).await.unwrap_err().kind()));
    subject.queues.delete(&subject.queue, &message).await.unwrap();
}

async fn a_poisoned_message_moves_to_the_poison_queue(subject: Subject) {
    subject.send("लाल & <bad>").await;
    subject.send("good").await;
    let bad = subject.receive(LEASE).await.into_iter().find(|message| message.body != "good").unwrap();
    subject.queues.move_to_poison(&subject.queue, &bad).await.unwrap();
    let poison = subject.queues.receive(&format!("{}-poison", subject.queue), 32, LEASE).await.unwrap();
    assert_eq!(poison.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["लाल & <bad>"]);
    assert_eq!(poison[0].dequeue_count, 1);
    assert_eq!(subject.queues.len(&subject.queue).await.unwrap(), 1);
}

async fn limits_are_kept_and_a_refused_batch_leaves_nothing(subject: Subject) {
    let (queues, queue) = (&subject.queues, subject.queue.as_str());
    let batch = vec!["fits".to_owned(), "x".repeat(MAX_BODY_BYTES + 1)];
    assert_eq!(queues.send(queue, batch).await.unwrap_err().kind(), PortErrorKind::TooLarge);
    assert_eq!(queues.len(queue).await.unwrap(), 0);
    subject.send(&"x".repeat(MAX_BODY_BYTES)).await;
    let message = subject.receive_one(LEASE).await;
    assert_eq!(message.body.len(), MAX_BODY_BYTES);

    let refusals = [
        queues.receive(queue, 0, LEASE).await.map(drop),
        queues.receive(queue, 33, LEASE).await.map(drop),
        queues.receive(queue, 1, Duration::ZERO).await.map(drop),
        queues.receive(queue, 1, Duration::MAX).await.map(drop),
        queues.release(queue, &message, Duration::MAX).await,
        queues.extend(queue, &message, Duration::MAX).await.map(drop),
        queues.send("Bad_Name", vec![]).await.map(drop),
        queues.send(queue, vec![String::new(); 1001]).await.map(drop),
        queues.delete("a/../b", &message).await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }
    queues.delete(queue, &message).await.unwrap();
}

async fn queues_are_apart(subject: Subject) {
    let other = format!("{}-other", subject.queue);
    subject.queues.send(&other, vec!["elsewhere".to_owned()]).await.unwrap();
    assert!(subject.receive(LEASE).await.is_empty());
    let message = subject.queues.receive(&other, 1, LEASE).await.unwrap().remove(0);
    assert!(is_over(subject.queues.delete(&subject.queue, &message).await.unwrap_err().kind()));
    subject.queues.delete(&other, &message).await.unwrap();
}

async fn no_two_receivers_hold_one_message(subject: Subject) {
    subject.queues.send(&subject.queue, (0..100).map(|number| number.to_string()).collect()).await.unwrap();
    let subject = Arc::new(subject);
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let subject = subject.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let messages = subject.queues.receive(&subject.queue, 7, LEASE).await.unwrap();
                    if messages.is_empty() {
                        return taken;
                    }
                    taken.extend(messages.into_iter().map(|message| message.body));
                }
            })
        })
        .collect();
    let mut taken = Vec::new();
    for receiver in receivers {
        taken.extend(receiver.await.unwrap());
    }
    assert_eq!(taken.len(), 100);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 100);
}
