//! Clocks that are wrong delete nothing.

use std::sync::Arc;

use chrono::TimeDelta;
use pravis::error::Code;
use pravis::ports::clock::Clock;
use pravis::services::ops::lifecycle::Deed;

use super::house::{House, blobs, tickets};
use crate::support::clock::ManualClock;

#[tokio::test]
async fn the_first_sweep_only_looks() {
    let house = House::untouched();
    let user = house.customer("free", false).await;
    let kept = house.keep(&user).await;
    house.days(5);
    let first = house.sweep().await;
    assert!(first.dry_run && first.held.is_some());
    assert_eq!(blobs(&first, Deed::DeletedConsentWithdrawn), 2, "it tells what it would have done");
    assert!(house.is_there(&kept.upload()).await);
    house.days(1);
    let second = house.sweep().await;
    assert_eq!(second.held, None);
    assert!(!house.is_there(&kept.upload()).await);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_deletes_nothing() {
    let house = House::new().await;
    let user = house.customer("free", true).await;
    let kept = house.keep(&user).await;
    house.sweep().await;
    house.days(3000);
    let run = house.sweep().await;
    assert!(run.dry_run, "years passed since the last sweep, or did they?");
    assert_eq!(blobs(&run, Deed::DeletedExpired), 2);
    assert!(house.is_there(&kept.upload()).await && house.is_there(&kept.rendition()).await);
    // Put right again, it has gone back; only then is all as it was.
    house.days(-2999);
    let back = house.sweep().await;
    assert!(back.held.as_ref().is_some_and(|held| held.contains("gone back")), "{back:?}");
    house.days(1);
    let run = house.sweep().await;
    assert_eq!(run.held, None);
    assert!(house.is_there(&kept.upload()).await);
}

#[tokio::test]
async fn a_blob_of_the_future_is_left_alone() {
    let house = House::new().await;
    let user = house.customer("free", false).await;
    house.sweep().await;
    house.days(2);
    let kept = house.keep(&user).await;
    house.days(-1);
    let run = house.sweep().await;
    assert_eq!(run.held, None);
    assert_eq!(blobs(&run, Deed::LeftOfTheFuture), 2);
    assert!(house.is_there(&kept.upload()).await);
}

#[tokio::test]
async fn a_process_whose_clock_is_not_that_of_the_store_does_nothing() {
    let house = House::new().await;
    let user = house.customer("free", true).await;
    let kept = house.keep(&user).await;
    house.days(1);
    house.sweeps.begin_daily().await.unwrap();
    let tickets = tickets(&house.sweeps).await;
    let wrong = Arc::new(ManualClock::new());
    wrong.advance(house.clock.now() - wrong.now() + TimeDelta::days(1000));
    let mut elsewhere = house.sweeps.clone();
    elsewhere.clock = wrong.clone();
    for ticket in &tickets {
        let error = elsewhere.work(ticket).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
    }
    assert!(house.is_there(&kept.upload()).await);
    // Once they agree, the same tickets are worked.
    wrong.advance(TimeDelta::days(-1000));
    for ticket in &tickets {
        elsewhere.work(ticket).await.unwrap();
    }
    let run = house.sweep().await;
    assert!(run.finished_at.is_some() && house.is_there(&kept.upload()).await);
}
