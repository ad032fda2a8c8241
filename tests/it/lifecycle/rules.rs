//! What becomes of each kind of blob.

use chrono::TimeDelta;
use pravis::containers::{EXPORTS, LIFECYCLE_JOBS, MEDIA, SPEECH, VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use pravis::ports::blobs::{AccessTier, BlobName};
use pravis::services::ops::lifecycle::Deed;
use pravis::types::{SampleId, UserId};
use serde_json::json;

use super::house::{House, Kept, blobs, deeds};

#[tokio::test]
async fn recordings_live_as_long_as_the_tier_of_their_owner_says() {
    let house = House::new().await;
    let (free, premium) = (house.customer("free", true).await, house.customer("premium", true).await);
    let (short, long) = (house.keep(&free).await, house.keep(&premium).await);
    house.days(3);
    // A sweep each day, so that none is held.
    house.sweep().await;
    assert_eq!(house.tier(&short.upload()).await, Some(AccessTier::Hot));
    for _ in 0..5 {
        house.days(6);
        house.sweep().await;
    }
    for kept in [&short, &long] {
        assert_eq!(house.tier(&kept.upload()).await, Some(AccessTier::Cool), "after 33 days");
        assert_eq!(house.tier(&kept.rendition()).await, Some(AccessTier::Cool));
        assert_eq!(house.sample(kept).await.unwrap()["recording"]["tier"], "cool");
    }
    for _ in 0..10 {
        house.days(6);
        house.sweep().await;
    }
    assert!(!house.is_there(&short.upload()).await && !house.is_there(&short.rendition()).await, "after 93 days");
    let sample = house.sample(&short).await.expect("what was said is kept for longer");
    assert_eq!(sample["recording"]["status"], "deleted");
    assert_eq!(sample["recognition"]["transcript"], "red sarees");
    assert_eq!(house.tier(&long.upload()).await, Some(AccessTier::Cold));
    for _ in 0..15 {
        house.days(6);
        house.sweep().await;
    }
    assert_eq!(house.tier(&long.upload()).await, Some(AccessTier::Archive), "after 183 days");
    assert_eq!(house.tier(&long.rendition()).await, Some(AccessTier::Cold), "it can still be listened to");
    assert_eq!(house.sample(&long).await.unwrap()["recording"]["status"], "archived");
}

#[tokio::test]
async fn a_dry_run_tells_what_the_sweep_then_does() {
    let house = House::new().await;
    let media = BlobName::new(MEDIA, "pravis/front-320.webp");
    house.show("prd_1", &[&media.path]).await;
    let speech = BlobName::new(SPEECH, "aaaa.opus");
    let export = BlobName::new(EXPORTS, "pravis/usr_1/exp_1.zip");
    house.put(&media, "picture").await;
    house.put(&speech, "namaste").await;
    house.put(&export, "zip").await;
    let user = house.customer("free", true).await;
    let erased = UserId::generate();
    let withdrawn = house.customer("enterprise", false).await;
    let (kept, of_erased, of_withdrawn) =
        (house.keep(&user).await, house.keep(&erased).await, house.keep(&withdrawn).await);
    // A job that is still to be worked, however long it takes, with its ticket; a ticket that nobody needs.
    let busy = Kept { user: user.clone(), sample: SampleId::generate() };
    house.put(&busy.upload(), "being worked").await;
    house.write_sample(&busy, "queued", false).await;
    let ticket = |kept: &Kept| BlobName::new(VOICE_JOBS, format!("pravis/{}.json", kept.sample));
    for of in [&busy, &kept] {
        let content = json!({ "tenantId": "pravis", "userId": of.user, "sampleId": of.sample }).to_string();
        house.put(&ticket(of), &content).await;
    }
    let not_kept = Kept { user: user.clone(), sample: SampleId::generate() };
    house.put(&not_kept.upload(), "no consent").await;
    house.write_sample(&not_kept, "completed", false).await;
    let strays = ["pravis/usr_x", "loose", "pravis/a/b/c/d"].map(|path| BlobName::new(VOICE_UPLOADS, path));
    for stray in &strays {
        house.put(stray, "whose?").await;
    }
    house.clock.advance(TimeDelta::hours(30));
    let young = Kept { user: user.clone(), sample: SampleId::generate() };
    house.put(&young.upload(), "its sample is about to be written").await;

    let before = house.look().await;
    assert!(before.dry_run && before.finished_at.is_some() && house.is_there(&of_withdrawn.upload()).await);
    let done = house.sweep().await;
    assert!(!done.dry_run, "{:?}", done.held);
    let deleted =
        |run| deeds(run).iter().filter(|(deed, _)| deed.is_deletion()).map(|(_, count)| count.blobs).sum::<u64>();
    assert_eq!((deleted(&before), deleted(&done)), (9, 9));
    assert_eq!(blobs(&before, Deed::DeletedOrphaned), 5, "three strays, one without consent, one stale ticket");
    for deed in [Deed::DeletedAccountErased, Deed::DeletedConsentWithdrawn] {
        assert_eq!(blobs(&before, deed), 2);
        // Once the document has let go of the one blob, the other is nobody's.
        assert_eq!(blobs(&done, deed), 1);
    }

    for gone in [&of_erased, &of_withdrawn] {
        assert!(!house.is_there(&gone.upload()).await && !house.is_there(&gone.rendition()).await);
    }
    assert!(house.sample(&of_erased).await.is_none());
    let sample = house.sample(&of_withdrawn).await.unwrap();
    assert_eq!((&sample["kept"], &sample["recognition"]["transcript"]), (&json!(false), &json!(null)));
    for there in
        [&kept.upload(), &kept.rendition(), &busy.upload(), &young.upload(), &ticket(&busy), &media, &speech, &export]
    {
        assert!(house.is_there(there).await, "{there:?}");
    }
    for gone in strays.iter().chain([&not_kept.upload(), &ticket(&kept)]) {
        assert!(!house.is_there(gone).await, "{gone:?}");
    }
    assert!(house.paths(LIFECYCLE_JOBS).await.is_empty());

    house.days(6);
    house.sweep().await;
    assert!(house.is_there(&export).await);
    house.days(2);
    house.sweep().await;
    assert!(!house.is_there(&export).await, "after 9 days");
    for _ in 0..60 {
        house.days(6);
        house.sweep().await;
    }
    assert!(!house.is_there(&speech).await && house.is_there(&media).await, "after a year");
}

#[tokio::test]
async fn an_account_that_is_only_closed_keeps_its_recordings_and_nothing_else() {
    let house = House::new().await;
    let user = house.customer("free", true).await;
    let kept = house.keep(&user).await;
    let mut account = house.document(&user, user.as_str()).await.unwrap();
    account["active"] = json!(false);
    house.write(&user, user.as_str(), &account).await;
    // A blob of each container under the name that it would have in the other.
    let strays =
        [BlobName::new(VOICE_UPLOADS, format!("{}.opus", kept.path())), BlobName::new(VOICE_RESULTS, kept.path())];
    for stray in &strays {
        house.put(stray, "confused").await;
    }
    house.days(3);
    house.sweep().await;
    assert!(house.is_there(&kept.upload()).await && house.is_there(&kept.rendition()).await);
    assert!(!house.is_there(&strays[0]).await && !house.is_there(&strays[1]).await);
}
