//! What only the embedded queues do: their clock can be moved, they tell of arrivals, several processes
//! share a file, and a crash loses nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use pravis::adapters::queues::LocalQueue;
use pravis::ports::PortErrorKind;
use pravis::ports::clock::SystemClock;
use pravis::ports::queues::{QueueMessage, Queues};
use tempfile::TempDir;

use super::Subject;
use crate::support::clock::ManualClock;

const QUEUE: &str = "voice-exports";
const LEASE: Duration = Duration::from_secs(30);
const FILE_VARIABLE: &str = "PRAVIS_TEST_QUEUE_FILE";

/// The embedded queues in a temporary directory, for the suite.
pub(super) fn subject() -> (Subject, TempDir) {
    let Fixture { place, clock, queue, .. } = Fixture::new();
    (Subject::new(Arc::new(queue), Some(clock)), place)
}

struct Fixture {
    place: TempDir,
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
        Self { place, file, clock, queue }
    }

    async fn send(&self, body: &str) {
        self.queue.send(QUEUE, vec![body.to_owned()]).await.unwrap();
    }

    async fn receive(&self) -> Vec<QueueMessage> {
        self.queue.receive(QUEUE, 32, LEASE).await.unwrap()
    }
}

#[tokio::test]
async fn a_poisoned_message_moves_to_the_poison_list() {
    let fixture = Fixture::new();
    fixture.send("bad").await;
    fixture.send("good").await;
    let bad = fixture.receive().await.into_iter().find(|message| message.body == "bad").unwrap();
    fixture.queue.move_to_poison(QUEUE, &bad).await.unwrap();
    let poison = fixture.queue.list("voice-exports-poison", 10).await.unwrap();
    assert_eq!(poison.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["bad"]);
    assert_eq!(poison[0].dequeue_count, 0);
    let left = fixture.queue.list(QUEUE, 10).await.unwrap();
    assert_eq!(left.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["good"]);
}

#[tokio::test]
async fn times_are_exact() {
    let fixture = Fixture::new();
    fixture.send("hello").await;
    let first = fixture.receive().await.remove(0);
    assert_eq!(first.next_visible_at - first.inserted_at, TimeDelta::from_std(LEASE).unwrap());
    fixture.clock.advance(TimeDelta::seconds(29));
    assert!(fixture.receive().await.is_empty());
    assert_eq!(fixture.queue.list("voice-exports", 0).await.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    fixture.clock.advance(TimeDelta::seconds(1));
    assert_eq!(fixture.receive().await.len(), 1);
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
async fn arrivals_of_any_queue_are_told() {
    let fixture = Fixture::new();
    let mut arrivals = fixture.queue.arrivals().expect("the embedded queues tell");
    assert!(!arrivals.has_changed().unwrap());
    fixture.queue.send("other-queue", vec!["elsewhere".to_owned()]).await.unwrap();
    tokio::time::timeout(LEASE, arrivals.changed()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_receivers_of_any_process_hold_one_message() {
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
        .args(["--exact", "conformance::queues::local::sender_process", "--ignored", "--nocapture"])
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
