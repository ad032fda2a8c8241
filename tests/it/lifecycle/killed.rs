//! The program is killed (SIGKILL) again and again while it sweeps.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pravis::containers::{VOICE_RESULTS, VOICE_UPLOADS};
use pravis::ports::blobs::BlobName;
use pravis::ports::clock::{Clock, SystemClock};
use pravis::services::ops::lifecycle::Sweeps;
use ulid::Ulid;

use super::house::House;
use crate::support::clock::ManualClock;
use crate::support::process::{Standalone, eventually};

const KILLS: u32 = 15;
const RECORDINGS: usize = 60;
const STRAYS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sweep_comes_to_its_end_and_deletes_what_it_should_and_no_more() {
    let data = tempfile::tempdir().unwrap();
    // Made by the program itself, so that the files are its own.
    let mut program = Standalone::start(data.path()).await;
    program.process.kill().await;

    let past = Arc::new(ManualClock::new());
    past.advance(Utc::now() - past.now() - TimeDelta::days(3));
    let house = House::at(data.path(), past.clone());
    let (agrees, withdrawn) = (house.customer("premium", true).await, house.customer("premium", false).await);
    let (mut kept, mut unwanted) = (Vec::new(), Vec::new());
    for _ in 0..RECORDINGS {
        kept.push(house.keep(&agrees).await);
        unwanted.push(house.keep(&withdrawn).await);
    }
    for _ in 0..STRAYS {
        house.put(&BlobName::new(VOICE_UPLOADS, format!("pravis/{}/x", Ulid::generate())), "nobody's").await;
    }
    let mut sweeps: Sweeps = house.sweeps.clone();
    // Two days ago a sweep has looked, as the first does.
    sweeps.begin_daily().await.unwrap();
    super::house::work_off(&sweeps).await;
    sweeps.clock = Arc::new(SystemClock);
    past.advance(TimeDelta::days(3));
    let run = sweeps.begin_extra(false).await.unwrap();
    assert_eq!(run.held, None);

    let mut pause = Duration::from_millis(20);
    for _ in 0..KILLS {
        let mut program = Standalone::start(data.path()).await;
        tokio::time::sleep(pause).await;
        pause = pause * 5 / 4;
        program.process.kill().await;
        for kept in &kept {
            assert!(house.is_there(&kept.upload()).await && house.is_there(&kept.rendition()).await);
        }
        for kept in &unwanted {
            let there = house.is_there(&kept.upload()).await && house.is_there(&kept.rendition()).await;
            assert!(there || house.sample(kept).await.is_none_or(|sample| sample["kept"] == false));
        }
    }
    let _program = Standalone::start(data.path()).await;
    eventually("the end of the sweep", async || house.run(&run.id).await.finished_at).await;
    assert_eq!(house.paths(VOICE_UPLOADS).await.len(), RECORDINGS);
    assert_eq!(house.paths(VOICE_RESULTS).await.len(), RECORDINGS);
}
