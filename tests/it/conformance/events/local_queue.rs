//! The queues behind the embedded event bus: the semantics of Storage queues, and what a crash leaves.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use pravis::adapters::events::local_queue::{DOMAIN_EVENTS, LocalQueue, MAX_BODY_BYTES, QueueMessage};
use pravis::ports::PortErrorKind;
use pravis::ports::clock::SystemClock;
use pravis::ports::events::{DomainEvent, EventBus};
use tempfile::TempDir;

use super::{BusUnderTest, event};
use crate::support::clock::ManualClock;

const QUEUE: &str = "voice-exports";
const LEASE: Duration = Duration::from_secs(30);
const FILE_VARIABLE: &str = "PRAVIS_TEST_QUEUE_FILE";

struct LocalBus {
    place: TempDir,
    queue: LocalQueue,
}

pub(super) fn bus_under_test() -> Box<dyn BusUnderTest> {
    let place = tempfile::tempdir().unwrap();
    let queue = LocalQueue::open(&place.path().join("queues.sqlite3"), Arc::new(SystemClock)).unwrap();
    Box::new(LocalBus { place, queue })
}

#[async_trait]
impl BusUnderTest for LocalBus {
    fn bus(&self) -> &dyn EventBus {
        &self.queue
    }

    async fn received_after_restart(self: Box<Self>) -> Vec<DomainEvent> {
        let Self { place, queue } = *self;
        drop(queue);
        let queue = LocalQueue::open(&place.path().join("queues.sqlite3"), Arc::new(SystemClock)).unwrap();
        let mut events = Vec::new();
        loop {
            let messages = queue.receive(DOMAIN_EVENTS, 32, LEASE).await.unwrap();
            if messages.is_empty() {
                return events;
            }
            events.extend(messages.iter().map(|message| serde_json::from_str::<DomainEvent>(&message.body).unwrap()));
        }
    }
}

struct Fixture {
    _place: TempDir,
    file: PathBuf,
    clock: Arc<ManualClock>,
    queue: LocalQueue,
}

impl Fixture {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("queues.sqlite3");
        let clock = Arc::new(ManualClock::new());
        let queue = LocalQueue::open(&file, clock.clone()).unwrap();
        Self { _place: place, file, clock, queue }
    }

    async fn send(&self, body: &str) {
        self.queue.send(QUEUE, vec![body.to_owned()]).await.unwrap();
    }

    async fn receive(&self) -> Vec<QueueMessage> {
        self.queue.receive(QUEUE, 32, LEASE).await.unwrap()
    }

    async fn receive_one(&self) -> QueueMessage {
        let mut messages = self.receive().await;
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }
}

#[tokio::test]
async fn a_received_message_is_invisible_until_its_time_is_over() {
    let fixture = Fixture::new();
    fixture.send("hello").await;
    let first = fixture.receive_one().await;
    assert_eq!((first.body.as_str(), first.dequeue_count), ("hello", 1));
    assert_eq!(first.next_visible_at - first.inserted_at, TimeDelta::from_std(LEASE).unwrap());
    assert_eq!(first.expires_at - first.inserted_at, TimeDelta::days(7));

    fixture.clock.advance(TimeDelta::seconds(29));
    assert!(fixture.receive().await.is_empty());
    fixture.clock.advance(TimeDelta::seconds(1));
    let second = fixture.receive_one().await;
    assert_eq!((&second.id, second.dequeue_count), (&first.id, 2));
    assert_ne!(second.pop_receipt, first.pop_receipt);

    fixture.queue.delete(QUEUE, &second.id, &second.pop_receipt).await.unwrap();
    fixture.clock.advance(TimeDelta::hours(1));
    assert!(fixture.receive().await.is_empty());
    assert_eq!(fixture.queue.len(QUEUE).await.unwrap(), 0);
}

#[tokio::test]
async fn a_stale_receipt_does_nothing() {
    let fixture = Fixture::new();
    fixture.send("hello").await;
    let stale = fixture.receive_one().await;
    fixture.clock.advance(TimeDelta::minutes(1));
    let present = fixture.receive_one().await;
    let queue = &fixture.queue;
    let refusals = [
        queue.delete(QUEUE, &stale.id, &stale.pop_receipt).await,
        queue.release(QUEUE, &stale.id, &stale.pop_receipt, Duration::ZERO).await,
        queue.extend(QUEUE, &stale.id, &stale.pop_receipt, LEASE).await.map(drop),
        queue.move_to_poison(QUEUE, &stale.id, &stale.pop_receipt).await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::PreconditionFailed);
    }
    queue.delete(QUEUE, &present.id, &present.pop_receipt).await.unwrap();
    let gone = queue.delete(QUEUE, &present.id, &present.pop_receipt).await.unwrap_err();
    assert_eq!(gone.kind(), PortErrorKind::NotFound);
}

#[tokio::test]
async fn a_late_receiver_may_still_delete_what_nobody_took_since() {
    let fixture = Fixture::new();
    fixture.send("hello").await;
    let message = fixture.receive_one().await;
    fixture.clock.advance(TimeDelta::hours(1));
    fixture.queue.delete(QUEUE, &message.id, &message.pop_receipt).await.unwrap();
    assert!(fixture.receive().await.is_empty());
}

#[tokio::test]
async fn a_released_message_comes_back_when_it_should() {
    let fixture = Fixture::new();
    fixture.send("hello").await;
    let message = fixture.receive_one().await;
    fixture.queue.release(QUEUE, &message.id, &message.pop_receipt, Duration::from_secs(5)).await.unwrap();
    assert!(fixture.receive().await.is_empty());
    fixture.clock.advance(TimeDelta::seconds(5));
    let again = fixture.receive_one().await;
    assert_eq!(again.dequeue_count, 2);
    fixture.queue.release(QUEUE, &again.id, &again.pop_receipt, Duration::ZERO).await.unwrap();
    assert_eq!(fixture.receive_one().await.dequeue_count, 3);
}

#[tokio::test]
async fn an_extended_message_stays_with_its_receiver() {
    let fixture = Fixture::new();
    fixture.send("hello").await;
    let message = fixture.receive_one().await;
    fixture.clock.advance(TimeDelta::seconds(20));
    let receipt = fixture.queue.extend(QUEUE, &message.id, &message.pop_receipt, LEASE).await.unwrap();
    fixture.clock.advance(TimeDelta::seconds(20));
    assert!(fixture.receive().await.is_empty());
    let stale = fixture.queue.delete(QUEUE, &message.id, &message.pop_receipt).await.unwrap_err();
    assert_eq!(stale.kind(), PortErrorKind::PreconditionFailed);
    fixture.queue.delete(QUEUE, &message.id, &receipt).await.unwrap();
}

#[tokio::test]
async fn a_poisoned_message_moves_to_the_poison_list() {
    let fixture = Fixture::new();
    fixture.send("bad").await;
    fixture.send("good").await;
    let bad = fixture.receive().await.into_iter().find(|message| message.body == "bad").unwrap();
    fixture.queue.move_to_poison(QUEUE, &bad.id, &bad.pop_receipt).await.unwrap();
    let poison = fixture.queue.list("voice-exports-poison", 10).await.unwrap();
    assert_eq!(poison.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["bad"]);
    assert_eq!(poison[0].dequeue_count, 0);
    let left = fixture.queue.list(QUEUE, 10).await.unwrap();
    assert_eq!(left.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["good"]);
}

#[tokio::test]
async fn messages_expire_after_seven_days() {
    let fixture = Fixture::new();
    fixture.send("old").await;
    fixture.clock.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert_eq!(fixture.queue.len(QUEUE).await.unwrap(), 1);
    fixture.clock.advance(TimeDelta::seconds(1));
    assert_eq!(fixture.queue.len(QUEUE).await.unwrap(), 0);
    assert!(fixture.queue.list(QUEUE, 10).await.unwrap().is_empty());
    assert!(fixture.receive().await.is_empty());
}

#[tokio::test]
async fn limits_are_kept_and_a_refused_batch_leaves_nothing() {
    let fixture = Fixture::new();
    let queue = &fixture.queue;
    let batch = vec!["fits".to_owned(), "x".repeat(MAX_BODY_BYTES + 1)];
    assert_eq!(queue.send(QUEUE, batch).await.unwrap_err().kind(), PortErrorKind::TooLarge);
    assert_eq!(queue.len(QUEUE).await.unwrap(), 0);
    fixture.send(&"x".repeat(MAX_BODY_BYTES)).await;
    assert_eq!(fixture.receive_one().await.body.len(), MAX_BODY_BYTES);

    let refusals = [
        queue.receive(QUEUE, 0, LEASE).await.map(drop),
        queue.receive(QUEUE, 33, LEASE).await.map(drop),
        queue.receive(QUEUE, 1, Duration::ZERO).await.map(drop),
        queue.receive(QUEUE, 1, Duration::MAX).await.map(drop),
        queue.send("Bad_Name", vec![]).await.map(drop),
        queue.list(QUEUE, 0).await.map(drop),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn queues_are_apart_and_arrivals_are_told() {
    let fixture = Fixture::new();
    let mut arrivals = fixture.queue.arrivals();
    assert!(!arrivals.has_changed().unwrap());
    fixture.queue.send("other-queue", vec!["elsewhere".to_owned()]).await.unwrap();
    tokio::time::timeout(LEASE, arrivals.changed()).await.unwrap().unwrap();
    assert!(fixture.receive().await.is_empty());
    assert_eq!(fixture.queue.receive("other-queue", 1, LEASE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_too_large_for_a_message_is_refused() {
    let fixture = Fixture::new();
    let mut large = event("voice.sample.completed");
    large.data = serde_json::json!("x".repeat(MAX_BODY_BYTES));
    let error = fixture.queue.publish(&[event("fits"), large]).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::TooLarge);
    assert_eq!(fixture.queue.len(DOMAIN_EVENTS).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_receivers_hold_one_message() {
    let fixture = Fixture::new();
    fixture.queue.send(QUEUE, (0..300).map(|number| number.to_string()).collect()).await.unwrap();
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            // Each on a connection of its own, as in another process.
            let queue = LocalQueue::open(&fixture.file, fixture.clock.clone()).unwrap();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let messages = queue.receive(QUEUE, 7, LEASE).await.unwrap();
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
    assert_eq!(taken.len(), 300);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 300);
}

#[tokio::test]
async fn what_a_killed_sender_was_told_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("queues.sqlite3");
    let mut acknowledged = 0;
    for _ in 0..3 {
        acknowledged += send_until_killed(&file, 20);
    }
    let queue = LocalQueue::open(&file, Arc::new(SystemClock)).unwrap();
    let kept = queue.len(QUEUE).await.unwrap();
    assert!((acknowledged..=acknowledged + 3).contains(&kept), "{kept} kept, {acknowledged} acknowledged");
}

/// Gives the number of messages whose sending was acknowledged before SIGKILL.
fn send_until_killed(file: &Path, at_least: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "conformance::events::local_queue::sender_process", "--ignored", "--nocapture"])
        .env(FILE_VARIABLE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut acknowledged = lines.by_ref().filter(|line| line == "sent").take(at_least).count();
    assert_eq!(acknowledged, at_least, "the sender ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged += lines.filter(|line| line == "sent").count();
    acknowledged as u64
}

#[tokio::test]
#[ignore = "runs as the process that another test kills"]
async fn sender_process() {
    let file = std::env::var_os(FILE_VARIABLE).expect("run by the test that kills it");
    let queue = LocalQueue::open(Path::new(&file), Arc::new(SystemClock)).unwrap();
    for number in 0.. {
        queue.send(QUEUE, vec![format!("message {number}")]).await.unwrap();
        println!("\nsent");
    }
}
