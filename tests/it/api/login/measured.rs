//! Measurements, run by hand: `cargo test --test it -- --ignored --nocapture api::login::measured`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{at, sign_in};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::Client;

const TRIES: usize = 1_000;

fn percentile(sorted: &[Duration], part: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

/// How far the ranks of two samples are apart, in standard deviations of chance (Mann and Whitney 1947).
fn rank_distance(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> =
        one.iter().map(|time| (*time, true)).chain(other.iter().map(|time| (*time, false))).collect();
    all.sort();
    let ranks: f64 = all.iter().zip(1..).filter(|((_, mine), _)| *mine).map(|(_, rank)| f64::from(rank)).sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// Whether the time of an answer tells if an address has an account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes"]
async fn the_time_of_an_unknown_account_and_of_a_wrong_password() {
    let app = TestApp::start().await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let clients: Vec<Client> = (0..4).map(|number| at(&app, number)).collect();
    'measured: loop {
        // Each account takes ten attempts from a network.
        let person = app.customer().await;
        let nobody = format!("no-{}", person.email);
        for client in &clients {
            for attempt in 0..10 {
                for turn in 0..2 {
                    // Who comes first takes turns as well.
                    let (email, times) = match (attempt + turn) % 2 {
                        0 => (&person.email, &mut known),
                        _ => (&nobody, &mut unknown),
                    };
                    let started = Instant::now();
                    assert_eq!(sign_in(client, email, "wrong-password", None).await.status, 401);
                    times.push(started.elapsed());
                }
            }
            if known.len() >= TRIES {
                break 'measured;
            }
        }
    }
    known.sort();
    unknown.sort();
    let [of_known, of_unknown] = [&known, &unknown].map(|times| percentile(times, 0.5));
    let distance = rank_distance(&known, &unknown);
    let apart = of_known.abs_diff(of_unknown);
    println!(
        "{} tries each: wrong password {of_known:?}, unknown account {of_unknown:?}, apart {apart:?}",
        known.len()
    );
    println!("rank distance {distance:.2} standard deviations; beyond 3.3 the samples would differ (p < 0.001)");
    assert!(distance.abs() < 3.3, "the time tells which addresses have accounts");
}

/// The times of other endpoints, asked one after the other.
async fn others(app: &TestApp, me: &Client) -> Vec<Duration> {
    let mut times = Vec::new();
    let shopper = app.client();
    for number in 0..1_500 {
        let started = Instant::now();
        match number % 2 {
            0 => shopper.get("/api/v1/products?limit=5").await.expect(200),
            _ => me.get("/api/v1/auth/me").await.expect(200),
        };
        times.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times.sort();
    times
}

/// What a flood of guesses does to all else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of a minute"]
async fn other_endpoints_idle_and_under_a_flood_of_guesses() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    others(&app, &person).await;
    let idle = others(&app, &person).await;
    let before = app.state.passwords.computed();
    // Each guess is at another account, so that only the pool of hashes bounds them.
    let flood = join_all((0..16_u8).map(|number| {
        let client = at(&app, number);
        async move {
            for guess in 0_u64.. {
                sign_in(&client, &format!("guess-{number}-{guess}@example.in"), "wrong-password", None).await;
            }
        }
    }));
    let started = Instant::now();
    let busy = tokio::select! {
        busy = others(&app, &person) => busy,
        _ = flood => unreachable!("guesses never end"),
    };
    let rate = (app.state.passwords.computed() - before) as f64 / started.elapsed().as_secs_f64();
    for (what, times) in [("idle", &idle), ("flood", &busy)] {
        println!(
            "{what:5} p50 {:?} p95 {:?} p99 {:?}",
            percentile(times, 0.5),
            percentile(times, 0.95),
            percentile(times, 0.99)
        );
    }
    let ratio = percentile(&busy, 0.99).as_secs_f64() / percentile(&idle, 0.99).as_secs_f64();
    println!("p99 under a flood is {ratio:.2} of idle, at {rate:.0} hashes a second");
    sign_in(&app.client(), &person.email, PASSWORD, None).await.expect(200);
}
