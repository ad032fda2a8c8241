//! Files of pictures live as long as a product shows them, uploads as long as they are worked.

use std::sync::Arc;

use chrono::TimeDelta;
use pravis::containers::{CATALOGUE, MEDIA, MEDIA_UPLOADS};
use pravis::ports::blobs::{BlobName, BlobStore};
use pravis::ports::documents::{DocumentStore, NewDocument, PartitionKey};
use pravis::services::ops::lifecycle::Deed;
use serde_json::json;

use super::house::{Hooked, House, blobs, nothing};

fn file(path: &str) -> BlobName {
    BlobName::new(MEDIA, path)
}

#[tokio::test]
async fn a_file_goes_a_day_after_the_last_product_let_go_of_it() {
    let house = House::new().await;
    let [alone, shared, archived, named, stray, rivals] =
        ["alone", "shared", "archived", "named", "stray", "rivals"].map(|name| format!("pravis/{name}-320.webp"));
    let loose = "loose.webp".to_owned();
    for path in [&alone, &shared, &archived, &named, &stray, &rivals, &loose] {
        house.put(&file(path), "a picture").await;
    }
    house.show("prd_1", &[&alone, &shared]).await;
    house.show("prd_2", &[&shared]).await;
    let body = json!({ "archivedAt": "2026-01-01T00:00:00Z", "pictures": [{ "sources": [{ "path": archived }] }] });
    house.write_product("prd_3", &body).await;
    house.write_product("prd_4", &json!({ "images": [format!("https://cdn.example/media/{named}?w=1")] })).await;
    // What a product of another boutique names is its own of that name.
    let rival = NewDocument::new("prd_5", &json!({ "pictures": [{ "sources": [{ "path": rivals }] }] })).unwrap();
    house.documents.upsert(&CATALOGUE, &PartitionKey::of(["rival", "product"]), rival).await.unwrap();

    house.clock.advance(TimeDelta::hours(23));
    house.sweep().await;
    assert_eq!(house.paths(MEDIA).await.len(), 7, "its product may be about to be written");
    house.clock.advance(TimeDelta::hours(2));
    let run = house.sweeps.begin_extra(false).await.unwrap();
    super::house::work_off(&house.sweeps).await;
    assert_eq!(blobs(&house.run(&run.id).await, Deed::DeletedOrphaned), 3);
    for gone in [&stray, &rivals, &loose] {
        assert!(!house.is_there(&file(gone)).await, "{gone}");
    }
    for there in [&alone, &shared, &archived, &named] {
        assert!(house.is_there(&file(there)).await, "{there}");
    }
    house.show("prd_1", &[]).await;
    house.days(1);
    house.sweep().await;
    assert!(!house.is_there(&file(&alone)).await && house.is_there(&file(&shared)).await);
    for _ in 0..100 {
        house.days(6);
        house.sweep().await;
    }
    assert_eq!(house.paths(MEDIA).await.len(), 3, "for years");
}

#[tokio::test]
async fn while_a_product_cannot_be_read_nothing_goes() {
    let house = House::new().await;
    let stray = file("pravis/stray-320.webp");
    house.put(&stray, "a picture").await;
    house.write_product("prd_1", &json!({ "pictures": "unreadable" })).await;
    house.days(2);
    let begun = house.sweeps.begin_daily().await.unwrap();
    for _ in 0..20 {
        for ticket in super::house::tickets(&house.sweeps).await {
            let _ = house.sweeps.work(&ticket).await;
        }
    }
    let run = house.run(&begun.id).await;
    assert_eq!((blobs(&run, Deed::LeftFailed), house.is_there(&stray).await), (1, true));
    house.show("prd_1", &[]).await;
    house.days(1);
    house.sweep().await;
    assert!(!house.is_there(&stray).await);
}

#[tokio::test]
async fn an_upload_stays_as_long_as_it_is_worked() {
    let house = House::new().await;
    let product = "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S";
    let write = async |media: &str, status: &str| {
        let now = pravis::ports::clock::Clock::now(&*house.clock);
        let body = json!({
            "mediaId": media, "productId": product, "status": status, "alt": { "en-IN": "x", "hi-IN": "x", "te-IN": "x" },
            "position": null, "contentType": "image/jpeg", "byteSize": 1, "createdAt": now, "uploadUntil": now,
            "finishedAt": null, "reason": null,
        });
        let document = NewDocument::new(format!("{product}.{media}"), &body).unwrap();
        house.documents.upsert(&CATALOGUE, &PartitionKey::of(["pravis", "picture"]), document).await.unwrap();
        let upload = BlobName::new(MEDIA_UPLOADS, format!("pravis/{product}/{media}"));
        house.put(&upload, "a picture").await;
        upload
    };
    let busy = write("med_01KAXQ8W0V7D3T4Z5J6N8P9R2A", "processing").await;
    let ended = write("med_01KAXQ8W0V7D3T4Z5J6N8P9R2B", "ready").await;
    let strays = ["pravis/x", "loose", "pravis/prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S/med_01KAXQ8W0V7D3T4Z5J6N8P9R2C"]
        .map(|path| BlobName::new(MEDIA_UPLOADS, path));
    for stray in &strays {
        house.put(stray, "whose?").await;
    }
    house.days(3);
    house.sweep().await;
    assert!(house.is_there(&busy).await);
    for gone in strays.iter().chain([&ended]) {
        assert!(!house.is_there(gone).await, "{gone:?}");
    }
}

/// The same picture is uploaded again in the moment between the sweep's look and its hand.
#[tokio::test]
async fn a_file_that_is_taken_up_again_while_it_is_judged_stays() {
    let mut house = House::new().await;
    let again = file("pravis/again-320.webp");
    house.put(&again, "a picture").await;
    house.days(2);
    let (inner, name): (Arc<dyn BlobStore>, _) = (house.blobs.clone(), again.clone());
    let before: super::house::Hook = Box::new(move |call, path| {
        let (inner, name) = (inner.clone(), name.clone());
        let hit = call == "delete" && path == name.path;
        Box::pin(async move {
            if hit {
                // What a job does with a file that is there already.
                inner.set_metadata(&name, Default::default()).await?;
            }
            Ok(())
        })
    });
    house.sweeps.blobs = Arc::new(Hooked { inner: house.blobs.clone(), before, after: nothing() });
    let run = house.sweep().await;
    assert_eq!((blobs(&run, Deed::LeftChanged), blobs(&run, Deed::DeletedOrphaned)), (1, 0));
    assert!(house.is_there(&again).await);
    // And it has a day again.
    house.sweeps.blobs = house.blobs.clone();
    house.clock.advance(TimeDelta::hours(23));
    let run = house.sweeps.begin_extra(false).await.unwrap();
    super::house::work_off(&house.sweeps).await;
    assert_eq!(blobs(&house.run(&run.id).await, Deed::DeletedOrphaned), 0);
}
