//! Work that ends anywhere: invocations are dropped after any number of steps, again and again, and the world
//! goes on meanwhile. No document ever refers to a blob that a sweep deleted, and in the end nothing is left
//! that nobody refers to.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use chrono::TimeDelta;
use pravis::containers::{LIFECYCLE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use pravis::ports::blobs::BlobName;
use pravis::types::{SampleId, UserId};
use ulid::Ulid;

use super::house::{House, Kept, tickets};

const ROUNDS: u32 = 12;
const DROPS: u32 = 25;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

fn seed() -> u64 {
    let given = std::env::var("PRAVIS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u128::from(Ulid::generate()) as u64);
    println!("PRAVIS_TEST_SEED={seed}");
    seed
}

/// Drives a future for some steps and then drops it where it is. What it has asked of a store may still
/// happen, as with a request that was sent.
async fn dropped_after<F: Future>(steps: u64, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = steps;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// A day in the life of the boutique.
async fn live(house: &House, random: &mut Random, people: &mut Vec<(UserId, bool)>, recordings: &mut Vec<Kept>) {
    for _ in 0..8 {
        match random.below(9) {
            0 => {
                let consents = random.below(3) > 0;
                people.push((house.customer("free", consents).await, consents));
            }
            1..=3 if !people.is_empty() => {
                let (user, _) = &people[random.below(people.len() as u64) as usize];
                recordings.push(house.keep(user).await);
            }
            4 => {
                house
                    .put(
                        &BlobName::new(
                            VOICE_UPLOADS,
                            format!("pravis/{}/{}", UserId::generate(), SampleId::generate()),
                        ),
                        "x",
                    )
                    .await
            }
            5 => house.put(&BlobName::new(VOICE_RESULTS, format!("stray/{}", Ulid::generate())), "x").await,
            // Somebody withdraws a consent, or gives it again.
            6 if !people.is_empty() => {
                let at = random.below(people.len() as u64) as usize;
                people[at].1 = !people[at].1;
                let (user, consents) = people[at].clone();
                house.write_customer(&user, "free", consents).await;
            }
            // A recording that was never completed.
            7 if !people.is_empty() => {
                let (user, _) = &people[random.below(people.len() as u64) as usize];
                let kept = Kept { user: user.clone(), sample: SampleId::generate() };
                house.put(&kept.upload(), "being worked").await;
                house.write_sample(&kept, "queued", false).await;
            }
            _ => house.clock.advance(TimeDelta::hours(random.below(20) as i64)),
        }
    }
}

/// Whatever a document refers to is there.
async fn nothing_referred_to_is_gone(house: &House, recordings: &[Kept]) {
    for kept in recordings {
        // The blobs first: between the two looks a document may let go, but never take hold again.
        let there = house.is_there(&kept.upload()).await && house.is_there(&kept.rendition()).await;
        let Some(sample) = house.sample(kept).await else { continue };
        let refers = sample["kept"] == true && sample["recording"]["status"] != "deleted";
        assert!(there || !refers, "{kept:?} is lost: {sample}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_dies_anywhere_loses_nothing_and_leaves_nothing() {
    let mut random = Random(seed());
    let mut house = House::new().await;
    house.sweeps.pace.page = 3;
    house.sweeps.pace.pages = 4;
    let (mut people, mut recordings) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        live(&house, &mut random, &mut people, &mut recordings).await;
        house.clock.advance(TimeDelta::hours(26));
        for _ in 0..DROPS {
            let steps = random.below(60);
            if random.below(6) == 0 {
                dropped_after(steps, house.sweeps.begin_daily()).await;
            } else if random.below(8) == 0 {
                dropped_after(steps, house.sweeps.repair()).await;
            } else {
                let mut tickets = tickets(&house.sweeps).await;
                if !tickets.is_empty() {
                    let ticket = tickets.swap_remove(random.below(tickets.len() as u64) as usize);
                    if let Some(done) = dropped_after(steps * 4, house.sweeps.work(&ticket)).await {
                        done.unwrap();
                    }
                }
            }
            nothing_referred_to_is_gone(&house, &recordings).await;
        }
    }
    // Should there have been a pause of more than a week, this one only looks.
    house.sweep().await;
    // One sweep that nobody disturbs, when all that nobody refers to is old enough.
    house.days(2);
    let run = house.sweep().await;
    assert!(run.finished_at.is_some() && !run.dry_run, "{run:?}");
    nothing_referred_to_is_gone(&house, &recordings).await;
    // Blobs whose document let go of them in this very sweep after their container was passed.
    house.days(1);
    let run = house.sweep().await;
    assert!(run.finished_at.is_some() && !run.dry_run, "{run:?}");
    for container in [VOICE_UPLOADS, VOICE_RESULTS] {
        for path in house.paths(container).await {
            let mut parts = path.split('/').skip(1);
            let (user, sample) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let (user, sample) = (user.parse::<UserId>(), sample.trim_end_matches(".opus").to_owned());
            let document = match user {
                Ok(user) => house.document(&user, &sample).await,
                Err(_) => None,
            };
            let refers = document.as_ref().is_some_and(|sample| {
                sample["status"] == "queued" || (sample["kept"] == true && sample["recording"]["status"] != "deleted")
            });
            assert!(refers, "{container}/{path} is nobody's: {document:?}");
        }
    }
    assert!(house.paths(LIFECYCLE_JOBS).await.is_empty());
}
