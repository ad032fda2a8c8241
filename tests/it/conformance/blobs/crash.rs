//! What SIGKILL in the midst of writes leaves of the embedded store.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use pravis::adapters::blobs::directory::DirectoryBlobs;
use pravis::ports::blobs::{BlobName, BlobStore, PutOptions};
use pravis::ports::clock::SystemClock;

use super::{CONTAINER, KEY, pieces, read};

const PLACE_VARIABLE: &str = "PRAVIS_TEST_BLOBS_DIRECTORY";
const WRITERS: usize = 3;

fn open(place: &Path) -> Arc<DirectoryBlobs> {
    Arc::new(DirectoryBlobs::open(place, KEY, "http://127.0.0.1:7071", Arc::new(SystemClock)).unwrap())
}

fn name(writer: usize) -> BlobName {
    BlobName::new(CONTAINER, format!("crash/{writer}"))
}

/// The content of version `number`: its size and every byte follow from the number.
fn version(number: usize) -> Vec<u8> {
    vec![(number % 251) as u8; 200_000 + (number % 50) * 10_007]
}

#[tokio::test]
async fn a_killed_writer_leaves_whole_blobs_and_loses_none() {
    let place = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..6 {
        write_until_killed(place.path(), Duration::from_millis(7 * round), &mut acknowledged);
        let store = open(place.path());
        for (writer, number) in &acknowledged {
            let properties = store.properties(&name(*writer)).await.unwrap().expect("an acknowledged blob is there");
            let found: usize = properties.metadata["number"].parse().unwrap();
            assert!(found == *number || found == number + 1, "{found} is stored, {number} was acknowledged last");
            assert!(
                read(&*store, &name(*writer)).await == version(found),
                "content and metadata do not belong together"
            );
            assert_eq!(properties.content_type, format!("test/{found}"));
        }
    }
    assert_eq!(acknowledged.len(), WRITERS);
    assert_clean_up_removes_the_rest(place.path()).await;
}

async fn assert_clean_up_removes_the_rest(place: &Path) {
    let files = || std::fs::read_dir(place.join("content").join(CONTAINER)).unwrap().map(|entry| entry.unwrap().path());
    for file in files() {
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }
    let orphans = files().count() - WRITERS;
    let store = open(place);
    assert_eq!(store.clean_up().await.unwrap(), orphans as u64);
    assert_eq!(files().count(), WRITERS);
    assert_eq!(store.list(CONTAINER, "", 10, None).await.unwrap().items.len(), WRITERS);
}

/// Lets a process write until some writes are acknowledged and `longer` has passed, then kills it;
/// enters the last acknowledged version of each writer.
fn write_until_killed(place: &Path, longer: Duration, acknowledged: &mut BTreeMap<usize, usize>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "conformance::blobs::crash::writer_process", "--ignored", "--nocapture"])
        .env(PLACE_VARIABLE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut writes = BufReader::new(child.stdout.take().unwrap()).lines().map_while(|line| {
        let line = line.unwrap();
        let Some(write) = line.strip_prefix("written ") else { return Some(None) };
        let (writer, number) = write.split_once(' ').unwrap();
        Some(Some((writer.parse::<usize>().unwrap(), number.parse::<usize>().unwrap())))
    });
    let mut enough = 4 * WRITERS;
    for write in writes.by_ref() {
        acknowledged.extend(write);
        enough -= usize::from(write.is_some());
        if enough == 0 {
            break;
        }
    }
    assert_eq!(enough, 0, "the writer ended by itself");
    std::thread::sleep(longer);
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(writes.flatten());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as the process that another test kills"]
async fn writer_process() {
    let place = std::env::var_os(PLACE_VARIABLE).expect("run by the test that kills it");
    let store = open(Path::new(&place));
    join_all((0..WRITERS).map(|writer| write_versions(&*store, writer))).await;
}

async fn write_versions(store: &dyn BlobStore, writer: usize) {
    let last = store.properties(&name(writer)).await.unwrap();
    let first = last.map_or(0, |properties| properties.metadata["number"].parse::<usize>().unwrap() + 1);
    for number in first.. {
        let content = Bytes::from(version(number));
        let halves = pieces(vec![Ok(content.slice(..100_000)), Ok(content.slice(100_000..))]);
        let options = PutOptions {
            content_type: Some(format!("test/{number}")),
            metadata: [("number".to_owned(), number.to_string())].into(),
            ..PutOptions::default()
        };
        store.put(&name(writer), halves, options).await.unwrap();
        println!("\nwritten {writer} {number}");
    }
}
