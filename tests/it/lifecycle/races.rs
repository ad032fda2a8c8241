//! What changes while a sweep looks at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pravis::containers::{VOICE_UPLOADS, customer};
use pravis::ports::blobs::{BlobName, BlobStore, PutOptions, whole};
use pravis::ports::documents::{DocumentStore, NewDocument};
use pravis::ports::{PortError, PortErrorKind};
use pravis::services::ops::lifecycle::{Deed, Progress};
use pravis::types::{SampleId, TenantId};
use serde_json::json;

use super::house::{Hooked, House, Kept, blobs, nothing, tickets, work_off};

#[tokio::test]
async fn a_blob_that_is_written_again_before_it_is_deleted_stays() {
    let mut house = House::new().await;
    let stray = BlobName::new(VOICE_UPLOADS, "pravis/nobody/first");
    house.put(&stray, "old").await;
    house.days(2);
    let (store, name) = (house.blobs.clone(), stray.clone());
    let before: super::house::Hook = Box::new(move |call, path| {
        let (store, name, again) = (store.clone(), name.clone(), call == "delete" && path == name.path);
        Box::pin(async move {
            if again {
                store.put(&name, whole("new"), PutOptions::default()).await?;
            }
            Ok(())
        })
    });
    house.sweeps.blobs = Arc::new(Hooked { inner: house.blobs.clone(), before, after: nothing() });
    let run = house.sweep().await;
    assert_eq!(blobs(&run, Deed::LeftChanged), 1);
    assert!(house.is_there(&stray).await);
}

#[tokio::test]
async fn the_document_is_read_after_the_listing() {
    let mut house = House::new().await;
    let user = house.customer("free", true).await;
    let kept = Kept { user: user.clone(), sample: SampleId::generate() };
    house.put(&kept.upload(), "the recording").await;
    house.days(2);
    // Its sample is written when the page is listed already.
    let (documents, of, now) = (house.documents.clone(), kept.clone(), pravis::ports::clock::Clock::now(&*house.clock));
    let after: super::house::Hook = Box::new(move |_, container| {
        let (documents, of, now) = (documents.clone(), of.clone(), (container == VOICE_UPLOADS).then_some(now));
        Box::pin(async move {
            let Some(now) = now else { return Ok(()) };
            let body = json!({
                "kind": "sample", "id": of.sample, "status": "queued", "contentType": "audio/webm", "createdAt": now,
                "uploadUntil": now, "finishedAt": null
            });
            let partition = customer(&TenantId::pravis(), of.user.as_str());
            let document = NewDocument::new(of.sample.as_str(), &body)?;
            documents.upsert(&pravis::containers::CUSTOMERS, &partition, document).await.map(drop)
        })
    });
    house.sweeps.blobs = Arc::new(Hooked { inner: house.blobs.clone(), before: nothing(), after });
    house.sweep().await;
    assert!(house.is_there(&kept.upload()).await);
}

#[tokio::test]
async fn other_days_hold_from_the_next_page_on() {
    let mut house = House::new().await;
    let user = house.customer("free", true).await;
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(house.keep(&user).await);
    }
    house.tiers.0.lock().unwrap().by_tier.insert(pravis::types::TierId::FREE, 30);
    for _ in 0..4 {
        house.days(6);
        house.sweep().await;
    }
    house.days(7);
    house.sweeps.begin_daily().await.unwrap();
    house.sweeps.pace.page = 2;
    house.sweeps.pace.pages = 1;
    let tickets = tickets(&house.sweeps).await;
    let uploads = tickets.iter().find(|ticket| ticket.slice.container == VOICE_UPLOADS).unwrap();
    assert_eq!(house.sweeps.work(uploads).await.unwrap(), Progress::Underway);
    let left = house.paths(VOICE_UPLOADS).await;
    assert_eq!(left.len(), 4, "two are over");
    house.tiers.0.lock().unwrap().by_tier.insert(pravis::types::TierId::FREE, 365);
    work_off(&house.sweeps).await;
    assert_eq!(house.paths(VOICE_UPLOADS).await, left, "the others have time again");
    for kept in &all {
        let sample = house.sample(kept).await.unwrap();
        let deleted = sample["recording"]["status"] == "deleted";
        assert_eq!(deleted, !left.contains(&kept.path()), "{sample}");
    }
}

#[tokio::test]
async fn a_slice_begins_anew_under_other_rules() {
    let mut house = House::new().await;
    for number in 0..6 {
        house.put(&BlobName::new(VOICE_UPLOADS, format!("pravis/nobody/{number}")), "x").await;
    }
    house.days(2);
    let run = house.sweeps.begin_daily().await.unwrap();
    house.sweeps.pace.page = 2;
    house.sweeps.pace.pages = 1;
    for ticket in tickets(&house.sweeps).await {
        house.sweeps.work(&ticket).await.unwrap();
    }
    house.sweeps.rules = "of the next version".into();
    work_off(&house.sweeps).await;
    let states = house.sweeps.slice_states(&run.id).await.unwrap();
    let uploads = states.iter().find(|state| state.slice.container == VOICE_UPLOADS).unwrap();
    assert_eq!((uploads.restarts, uploads.done, uploads.rules.as_str()), (1, true, "of the next version"));
    assert!(house.paths(VOICE_UPLOADS).await.is_empty());
    assert!(house.run(&run.id).await.finished_at.is_some());

    // Two versions that take turns for ever come to an end, too.
    house.put(&BlobName::new(VOICE_UPLOADS, "pravis/nobody/again"), "x").await;
    house.days(1);
    let run = house.sweeps.begin_daily().await.unwrap();
    house.sweeps.pace.page = 1;
    for number in 0..20 {
        house.put(&BlobName::new(VOICE_UPLOADS, format!("pravis/nobody/{number:04}")), "x").await;
    }
    for turn in 0..40 {
        house.sweeps.rules = format!("version {}", turn % 2);
        for ticket in tickets(&house.sweeps).await {
            house.sweeps.work(&ticket).await.unwrap();
        }
    }
    let run = house.run(&run.id).await;
    assert!(run.finished_at.is_some() && run.problems[0].contains("the rules kept changing"), "{run:?}");
}

#[tokio::test]
async fn a_store_that_fails_is_asked_again_and_one_bad_blob_does_not_stop_the_rest() {
    let mut house = House::new().await;
    for number in 0..5 {
        house.put(&BlobName::new(VOICE_UPLOADS, format!("pravis/nobody/{number}")), "x").await;
    }
    house.days(2);
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = failures.clone();
    let before: super::house::Hook = Box::new(move |call, path| {
        let fails = call == "delete" && path == "pravis/nobody/3";
        counted.fetch_add(usize::from(fails), Ordering::SeqCst);
        Box::pin(
            async move { if fails { Err(PortError::new(PortErrorKind::Unavailable, "it fails")) } else { Ok(()) } },
        )
    });
    house.sweeps.blobs = Arc::new(Hooked { inner: house.blobs.clone(), before, after: nothing() });
    let run = house.sweeps.begin_daily().await.unwrap();
    let mut refused = 0;
    while let Some(ticket) = tickets(&house.sweeps).await.pop() {
        refused += usize::from(house.sweeps.work(&ticket).await.is_err());
        assert!(refused < 10);
    }
    assert_eq!((refused, failures.load(Ordering::SeqCst)), (3, 4), "three times the ticket had to come again");
    let run = house.run(&run.id).await;
    assert_eq!(blobs(&run, Deed::LeftFailed), 1);
    assert_eq!(house.paths(VOICE_UPLOADS).await, ["pravis/nobody/3"]);
    // The next sweep gets it.
    house.sweeps.blobs = house.blobs.clone();
    house.days(1);
    house.sweep().await;
    assert!(house.paths(VOICE_UPLOADS).await.is_empty());
}
