//! Death by SIGKILL in the middle of writing.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use pravis::ports::documents::{DocumentStore, Operation, PartitionKey};
use serde_json::json;
use tokio::task::JoinSet;
use ulid::Ulid;

use super::sqlite::open;
use super::{PEOPLE, document};

/// Where the child writes; the test that finds it set is the child.
const FILE: &str = "PRAVIS_TEST_CRASH_FILE";

/// The test runs itself in another process, which writes for ever and tells each acknowledged
/// write, kills it, and looks for all that it was told. Several times over one file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_outlive_a_killed_process() {
    if let Some(path) = std::env::var_os(FILE) {
        write_for_ever(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents.db");
    let mut acknowledged = Vec::new();
    for acknowledgements in [1, 1, 2, 3, 5, 8, 50, 200, 1000] {
        let told = killed_after(acknowledgements, spawn(&path));
        assert!(told.len() >= acknowledgements);
        acknowledged.extend(told);
        let store = open(&path);
        for id in &acknowledged {
            for id in [id.clone(), format!("{id}-event")] {
                let read = store.read(&PEOPLE, &partition(), &id).await.unwrap();
                assert!(read.is_some(), "{id} was acknowledged and is lost");
            }
        }
        store.create(&PEOPLE, &partition(), document(&Ulid::generate().to_string(), json!({}))).await.unwrap();
    }
}

fn partition() -> PartitionKey {
    PartitionKey::of(["t", "u"])
}

fn spawn(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["conformance::documents::crash::acknowledged_writes_outlive_a_killed_process", "--exact", "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the child once it told of so many writes; gives all that it told.
fn killed_after(acknowledgements: usize, mut child: Child) -> Vec<String> {
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The last line may be cut off, and the test runner has words of its own.
        if let Some(id) = line.unwrap().strip_prefix("acknowledged ").and_then(|rest| rest.strip_suffix('.')) {
            told.push(id.to_owned());
        }
        if told.len() == acknowledgements {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    told
}

async fn write_for_ever(path: &Path) {
    let store = Arc::new(open(path));
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            loop {
                let id = Ulid::generate().to_string();
                let both = [id.clone(), format!("{id}-event")];
                let both = both.map(|id| Operation::Create(document(&id, json!({ "text": "x".repeat(500) }))));
                store.batch(&PEOPLE, &partition(), both.to_vec()).await.unwrap();
                writeln!(std::io::stdout().lock(), "acknowledged {id}.").unwrap();
            }
        });
    }
    writers.join_all().await;
}
