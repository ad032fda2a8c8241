//! The program is killed again and again (SIGKILL) while many voice jobs run on one data directory.
//! Whatever was acknowledged comes to one end, told once, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pravis::adapters::queues::LocalQueue;
use pravis::containers::{VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use pravis::host::local::POISON_BLOBS;
use pravis::ports::clock::SystemClock;
use pravis::ports::queues::Queues;
use pravis::services::analytics::EVENT_QUEUE;
use pravis::types::{EventId, InteractionId};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::server::Server;
use super::shopper::{Shopper, ok};
use super::stores::Stores;
use crate::support::recordings::{Format, Voice, generated, spoken};

const KILLS: u32 = 50;
/// Recordings on their way at any moment.
const AT_ONCE: usize = 20;
const SHOPPERS: usize = 10;
/// How long what was acknowledged may take to its end once the killing is over.
const END_LIMIT: Duration = Duration::from_secs(90);
/// How long reports may lag behind.
const REPORT_LIMIT: Duration = Duration::from_secs(30);

/// Said in about a second.
const COMMAND: &str = "read my cart";

/// A recording, and why it is rejected, if it is.
#[derive(Clone)]
struct Kind {
    recording: Bytes,
    rejected: Option<&'static str>,
}

fn kinds() -> Vec<Kind> {
    let good = |format| Kind { recording: spoken(COMMAND, Voice::Flite("rms"), format), rejected: None };
    let bad = |recording: Bytes, code| Kind { recording, rejected: Some(code) };
    let opus = spoken(COMMAND, Voice::Flite("rms"), Format::OggOpus);
    vec![
        good(Format::WebmOpusLive),
        bad(generated("anullsrc=r=48000:cl=mono:d=1", "-c:a libopus", "webm"), "silent"),
        good(Format::Mp4Aac),
        bad(opus.slice(..opus.len() * 2 / 3), "truncated"),
        good(Format::Mp3Vbr),
        bad(Bytes::from_static(b"no recording at all"), "unsupported_container"),
        good(Format::WavInt16),
    ]
}

/// What a shopper knows to have been taken: `complete` was answered with 202.
struct Acknowledged {
    owner: Shopper,
    consents: bool,
    kind: Kind,
    id: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_recording_is_lost_doubled_or_left_lying() {
    survive(Server::restartable([])).await;
}

/// Most jobs end within a life of the program, so that it is killed at the end of jobs too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_it_when_recognition_takes_no_time() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let program = place.path().join("prompt");
    let line = json!({ "t": COMMAND, "b": 0.0, "d": 1.0, "p": 0.9 });
    fs::write(&program, format!("#!/bin/sh\necho '{line}'\n")).expect("the script is written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may be run");
    survive(Server::restartable([("PRAVIS_RECOGNISER", program.to_str().expect("a path in UTF-8"))])).await;
}

async fn survive(server: Server) {
    let kinds = kinds();
    let shoppers = shoppers(&server).await;
    // So that the speech model is made: a process that lives for half a second never ends with that.
    ok(shoppers[0].0.transcribe(&kinds[0].recording, "audio/webm").await, StatusCode::OK).await;

    let over = Arc::new(AtomicBool::new(false));
    let speaking: Vec<_> = (0..AT_ONCE)
        .map(|index| {
            let (shopper, consents) = shoppers[index % SHOPPERS].clone();
            tokio::spawn(keep_speaking(shopper, consents, kinds.clone(), index, over.clone()))
        })
        .collect();
    let server = tokio::task::spawn_blocking(move || kill_again_and_again(server)).await.expect("it is restarted");
    over.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for task in speaking {
        acknowledged.extend(task.await.expect("a shopper is served in the end"));
    }
    println!("{} recordings acknowledged over {KILLS} kills", acknowledged.len());
    assert!(acknowledged.len() >= AT_ONCE);

    let mut samples = Vec::new();
    for expected in &acknowledged {
        samples.push(assert_ended(expected).await);
    }
    assert_told_once(&server, &acknowledged).await;
    assert_nothing_left(server, &acknowledged, &samples).await;
}

/// Half of them let voice be kept.
async fn shoppers(server: &Server) -> Vec<(Shopper, bool)> {
    let mut shoppers = Vec::new();
    for index in 0..SHOPPERS {
        let (name, consents) = (format!("shopper{index}"), index % 2 == 0);
        let mut shopper = match consents {
            true => Shopper::consenting(server, &name).await,
            false => Shopper::register(server, &name).await,
        };
        shopper.patience = END_LIMIT;
        shoppers.push((shopper, consents));
    }
    shoppers
}

fn kill_again_and_again(mut server: Server) -> Server {
    let given = std::env::var("PRAVIS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("PRAVIS_TEST_SEED={seed}");
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(50 + random() % 650));
        server.kill();
        server.restart();
    }
    server
}

/// Sends one recording after another until the killing is over.
async fn keep_speaking(
    shopper: Shopper,
    consents: bool,
    kinds: Vec<Kind>,
    index: usize,
    over: Arc<AtomicBool>,
) -> Vec<Acknowledged> {
    let mut sent = Vec::new();
    while sent.is_empty() || !over.load(Ordering::Relaxed) {
        let kind = kinds[(index + sent.len()) % kinds.len()].clone();
        let announced = shopper.announce(&json!({ "contentType": "audio/webm" })).await;
        let uploaded = shopper.upload(&announced, &kind.recording).await;
        assert_eq!(uploaded.status(), StatusCode::CREATED);
        let id = announced["id"].as_str().expect("id").to_owned();
        assert_eq!(shopper.complete(&id).await.status(), StatusCode::ACCEPTED);
        shopper.ended(&id, END_LIMIT).await;
        sent.push(Acknowledged { owner: shopper.clone(), consents, kind, id });
    }
    sent
}

/// The end of a recording is the one that its kind and its owner's consent call for.
async fn assert_ended(expected: &Acknowledged) -> Value {
    let sample = expected.owner.ended(&expected.id, END_LIMIT).await;
    match expected.kind.rejected {
        Some(code) => {
            assert_eq!(sample["status"], "rejected", "{sample}");
            assert_eq!(sample["reason"]["code"], code, "{sample}");
            assert!(sample["reason"]["detail"].as_str().expect("a sentence").ends_with('.'), "{sample}");
        }
        None => {
            assert_eq!(sample["status"], "completed", "{sample}");
            assert_eq!(sample["result"]["action"], json!({ "type": "readCart" }), "{sample}");
            let transcript = if expected.consents { json!(COMMAND) } else { Value::Null };
            assert_eq!(sample["recognition"]["transcript"], transcript, "{sample}");
            assert_eq!(sample["listenUrl"].is_string(), expected.consents, "{sample}");
        }
    }
    sample
}

/// Every end has one exchange in its owner's history if there was an answer, one event, and one fact.
async fn assert_told_once(server: &Server, acknowledged: &[Acknowledged]) {
    for shopper in acknowledged.iter().map(|sent| (&sent.owner.id, &sent.owner)).collect::<BTreeMap<_, _>>().values() {
        let mut told = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = shopper.get(&format!("v1/voice/history?limit=100{cursor}")).await;
            let ids = page["items"].as_array().expect("items").iter().filter_map(|item| item["sampleId"].as_str());
            told.extend(ids.map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        told.sort();
        let own = acknowledged.iter().filter(|sent| sent.owner.id == shopper.id && sent.kind.rejected.is_none());
        let mut answered: Vec<_> = own.map(|sent| sent.id.clone()).collect();
        answered.sort();
        assert_eq!(told, answered, "the history of {}", shopper.id);
    }
    let stores = Stores::open(server.data_dir());
    let answered = acknowledged.iter().filter(|sent| sent.kind.rejected.is_none());
    let interactions: BTreeSet<_> =
        answered.map(|sent| InteractionId::twin_of(&sent.id).expect("a sample's id").to_string()).collect();
    let found = stores.customer_documents("interaction").await;
    let found = found.iter().filter(|document| document["sampleId"].is_string());
    assert_exactly(found.map(|document| text(&document["id"])), &interactions, "interactions");

    let ends: BTreeMap<String, &str> = acknowledged
        .iter()
        .map(|sent| (twin(&sent.id), sent.kind.rejected.map_or("voice.sample.completed", |_| "voice.sample.rejected")))
        .collect();
    let ids: BTreeSet<String> = ends.keys().cloned().collect();
    let events = stores.customer_documents("outbox").await;
    let events: Vec<_> =
        events.iter().filter(|event| text(&event["event"]["type"]).starts_with("voice.sample.")).collect();
    assert_exactly(events.iter().map(|event| text(&event["event"]["id"])), &ids, "events");
    for event in events {
        assert_eq!(event["event"]["type"], ends[&text(&event["event"]["id"])], "{event}");
    }

    let deadline = Instant::now() + REPORT_LIMIT;
    while stores.sample_facts().await.len() < ids.len() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let facts = stores.sample_facts().await;
    assert_exactly(facts.iter().map(|(id, _)| id.clone()), &ids, "facts");
    for (id, outcome) in facts {
        assert_eq!(outcome, ends[&id], "{id}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn twin(sample: &str) -> String {
    EventId::twin_of(sample).expect("a sample's id").to_string()
}

#[track_caller]
fn assert_exactly(found: impl Iterator<Item = String>, wanted: &BTreeSet<String>, what: &str) {
    let found: Vec<String> = found.collect();
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(found.len(), distinct.len(), "{what} are told twice");
    let (lost, strange): (Vec<_>, Vec<_>) =
        (wanted.difference(&distinct).collect(), distinct.difference(wanted).collect());
    assert!(lost.is_empty() && strange.is_empty(), "{what}: lost {lost:?}, strange {strange:?}");
}

/// Kept recordings are there with their renditions; tickets, messages and all other recordings are gone.
async fn assert_nothing_left(mut server: Server, acknowledged: &[Acknowledged], samples: &[Value]) {
    let stores = Stores::open(server.data_dir());
    stores.drained(VOICE_JOBS).await;
    assert_no_messages_left(server.data_dir()).await;
    // Nothing runs any more that could hide what it left.
    server.kill();
    let kept: BTreeSet<String> = acknowledged
        .iter()
        .zip(samples)
        .filter(|(sent, sample)| sent.consents && sample["status"] == "completed")
        .map(|(sent, _)| format!("pravis/{}/{}", sent.owner.id, sent.id))
        .collect();
    assert!(!kept.is_empty());
    assert_exactly(stores.paths(VOICE_UPLOADS).await.into_iter(), &kept, "recordings");
    let renditions = kept.iter().map(|path| format!("{path}.opus")).collect();
    assert_exactly(stores.paths(VOICE_RESULTS).await.into_iter(), &renditions, "renditions");
    assert_eq!(stores.paths(VOICE_JOBS).await, [""; 0]);

    // A recogniser's input has no name once there is a word in it.
    for entry in fs::read_dir(server.data_dir().join("speech")).expect("the speech directory lists") {
        let entry = entry.expect("an entry");
        let is_input = entry.file_name().to_string_lossy().starts_with("speech-tmp-");
        assert!(!is_input || entry.metadata().expect("metadata").len() == 0, "{:?} is left", entry.path());
    }
}

/// Events are carried on to their end: a message that a dead process held comes again before it is gone.
async fn assert_no_messages_left(data_dir: &Path) {
    let queue = LocalQueue::open(&data_dir.join("queue.db"), Arc::new(SystemClock)).expect("the queue opens");
    let deadline = Instant::now() + REPORT_LIMIT;
    while queue.len(EVENT_QUEUE).await.expect("the queue counts") > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for name in [EVENT_QUEUE, POISON_BLOBS, &format!("{EVENT_QUEUE}-poison")] {
        assert_eq!(queue.len(name).await.expect("the queue counts"), 0, "{name}");
    }
}
