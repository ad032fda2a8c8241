//! Slices are worked in turns, by anybody, and told of as a whole.

use chrono::TimeDelta;
use pravis::containers::{LIFECYCLE_JOBS, VOICE_UPLOADS};
use pravis::ports::blobs::BlobName;
use pravis::services::ops::lifecycle::{Deed, Progress, SweepTicket};

use super::house::{House, blobs, tickets, work_off};

async fn strays(house: &House, count: usize) {
    for number in 0..count {
        house.put(&BlobName::new(VOICE_UPLOADS, format!("pravis/nobody{number}/x")), "four").await;
    }
    house.days(2);
}

#[tokio::test]
async fn a_slice_goes_on_where_it_stopped() {
    let mut house = House::new().await;
    strays(&house, 25).await;
    house.sweeps.pace.page = 4;
    house.sweeps.pace.pages = 1;
    let run = house.sweeps.begin_daily().await.unwrap();
    work_off(&house.sweeps).await;
    let states = house.sweeps.slice_states(&run.id).await.unwrap();
    let uploads = states.iter().find(|state| state.slice.container == VOICE_UPLOADS).unwrap();
    assert!(uploads.turns >= 7, "{uploads:?}");
    let run = house.run(&run.id).await;
    assert_eq!(run.tally[&Deed::DeletedOrphaned].blobs, 25);
    assert_eq!(run.tally[&Deed::DeletedOrphaned].bytes, 100);
    assert!(run.finished_at.is_some() && run.problems.is_empty());
}

#[tokio::test]
async fn of_two_that_work_a_slice_one_counts() {
    let mut house = House::new().await;
    strays(&house, 40).await;
    house.sweeps.pace.page = 3;
    let run = house.sweeps.begin_daily().await.unwrap();
    for _ in 0..1000 {
        let tickets = tickets(&house.sweeps).await;
        if tickets.is_empty() {
            break;
        }
        let mut both = Vec::new();
        for ticket in tickets.iter().chain(&tickets) {
            let (sweeps, ticket) = (house.sweeps.clone(), ticket.clone());
            both.push(tokio::spawn(async move { sweeps.work(&ticket).await.unwrap() }));
        }
        for worker in both {
            worker.await.unwrap();
        }
    }
    let run = house.run(&run.id).await;
    assert!(run.finished_at.is_some());
    assert!(house.paths(VOICE_UPLOADS).await.is_empty() && house.paths(LIFECYCLE_JOBS).await.is_empty());
    // What the other deleted is found gone, or not listed any more; nothing is counted twice.
    assert!(blobs(&run, Deed::DeletedOrphaned) + blobs(&run, Deed::LeftChanged) <= 40, "{:?}", run.tally);
}

#[tokio::test]
async fn a_sweep_that_is_begun_twice_is_one() {
    let house = House::new().await;
    strays(&house, 3).await;
    let first = house.sweeps.begin_daily().await.unwrap();
    house.clock.advance(TimeDelta::minutes(1));
    let second = house.sweeps.begin_daily().await.unwrap();
    assert_eq!((first.id, first.started_at), (second.id, second.started_at));
    work_off(&house.sweeps).await;
    let again = house.sweeps.begin_daily().await.unwrap();
    assert!(again.finished_at.is_some() && tickets(&house.sweeps).await.is_empty());
}

#[tokio::test]
async fn lost_tickets_are_given_again_and_others_not() {
    let house = House::new().await;
    strays(&house, 3).await;
    let run = house.sweeps.begin_daily().await.unwrap();
    assert_eq!(house.sweeps.repair().await.unwrap(), 0, "all lie there");
    use pravis::ports::Condition;
    use pravis::ports::blobs::BlobStore;
    let lost = tickets(&house.sweeps).await.swap_remove(0);
    house.blobs.delete(&lost.blob(), Condition::None).await.unwrap();
    assert_eq!(house.sweeps.repair().await.unwrap(), 1);
    house.clock.advance(TimeDelta::minutes(31));
    let all = run.slices.len();
    assert_eq!(house.sweeps.repair().await.unwrap(), all, "the platform gave them up");
    work_off(&house.sweeps).await;
    assert!(house.run(&run.id).await.finished_at.is_some());
    assert_eq!(house.sweeps.repair().await.unwrap(), 0, "it is over");
    house.sweeps.begin_extra(true).await.unwrap();
    house.days(3);
    assert_eq!(house.sweeps.repair().await.unwrap(), 0, "what is old is left");
}

#[tokio::test]
async fn a_ticket_that_points_nowhere_does_nothing() {
    let house = House::new().await;
    strays(&house, 3).await;
    let run = house.sweeps.begin_daily().await.unwrap();
    let good = tickets(&house.sweeps).await.swap_remove(0);
    for ticket in [
        SweepTicket { run: "2020-01-01".into(), ..good.clone() },
        SweepTicket { slice: "voice-uploads-3of16".parse().unwrap(), ..good.clone() },
    ] {
        assert_eq!(house.sweeps.work(&ticket).await.unwrap(), Progress::Unknown);
    }
    // One that says it may act on a run that only looks does not.
    let looks = house.sweeps.begin_extra(true).await.unwrap();
    for ticket in tickets(&house.sweeps).await.into_iter().filter(|ticket| ticket.run == looks.id) {
        house.sweeps.work(&SweepTicket { dry_run: false, ..ticket }).await.unwrap();
    }
    assert_eq!(house.paths(VOICE_UPLOADS).await.len(), 3);
    // And one that says it only looks, though the run acts, only looks.
    for ticket in tickets(&house.sweeps).await.into_iter().filter(|ticket| ticket.run == run.id) {
        house.sweeps.work(&SweepTicket { dry_run: true, ..ticket }).await.unwrap();
    }
    assert_eq!(house.paths(VOICE_UPLOADS).await.len(), 3);
}
