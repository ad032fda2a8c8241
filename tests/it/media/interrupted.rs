//! The job of a picture dies, is delivered again, or meets its own deletion, at every single step.

use pravis::containers::{CATALOGUE, MEDIA_JOBS};
use pravis::ports::documents::{Query, Scope};
use serde_json::json;

use super::*;
use crate::support::steps::{Steps, stepped};

const RUN: &str = "ShopMediaJobsRun";

/// The events of pictures in the catalogue.
async fn events(app: &TestApp) -> Vec<Value> {
    let partition = PartitionKey::of(["pravis", "picture"]);
    let query = Query { limit: 1000, ..Query::default() };
    let page = app.state.documents.query(&CATALOGUE, Scope::Partition(&partition), query).await.unwrap();
    let bodies = page.items.iter().map(|document| document.read::<Value>().unwrap());
    bodies.filter(|body| body["event"].is_object()).collect()
}

/// Everything is as after a job that ran once from its beginning to its end.
async fn is_ready_once(app: &TestApp, staff: &Client, product: &str, path: &str) {
    assert_eq!(staff.get(path).await.expect(200).json()["status"], "ready", "{path}");
    let document = stored(app, product).await;
    assert_eq!(document["pictures"].as_array().unwrap().len(), 1);
    assert_eq!(kept(app).await, files(&document));
    assert_eq!(files(&document).len(), 2);
    nothing_left(app).await;
    let events = events(app).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["event"]["type"], "picture.ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_dies_anywhere_ends_alike() {
    let mut deaths = 0;
    for step in 0..60 {
        let app = TestApp::start_idle(&[]).await;
        let staff = app.staff().await;
        let product = a_product(&app).await;
        let path = submit(&app, &staff, &product, photo(100, 80, 3)).await;
        let steps = Steps::fail_from(step);
        app.fire(RUN, &stepped(&app, &steps).await).await;
        let died = steps.was_reached();
        deaths += usize::from(died);
        if died {
            // It comes again, as often as it takes.
            for _ in 0..2 {
                app.fire(RUN, &app.state).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
            }
        }
        is_ready_once(&app, &staff, &product, &path).await;
        if !died {
            assert!(deaths >= 8, "only {deaths} steps");
            return;
        }
    }
    panic!("the job has no end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_is_deleted_while_it_is_worked_leaves_nothing() {
    for step in 0..60 {
        let app = TestApp::start_idle(&[]).await;
        let staff = app.staff().await;
        let product = a_product(&app).await;
        let path = submit(&app, &staff, &product, photo(100, 80, 4)).await;
        let steps = Steps::pause_at(step);
        let state = stepped(&app, &steps).await;
        let deleting = async {
            tokio::select! {
                () = steps.reached() => {}
                () = tokio::time::sleep(std::time::Duration::from_secs(10)) => return,
            }
            staff.delete(&path).await.expect(200);
            steps.resume();
        };
        let work = async { app.fire(RUN, &state).await };
        let (outcomes, ()) = tokio::join!(work, deleting);
        outcomes.into_iter().for_each(|outcome| drop(outcome.unwrap()));
        if !steps.was_reached() {
            assert!(step >= 8, "only {step} steps");
            return;
        }
        // What a job wrote after the deletion had taken its ticket is found by the job itself.
        app.fire(RUN, &app.state).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
        assert_eq!(files(&stored(&app, &product).await), [""; 0], "at step {step}");
        staff.get(&path).await.expect(404);
        nothing_left(&app).await;
    }
    panic!("the job has no end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_at_once_have_one_end() {
    for step in [0, 1, 2, 4, 6, 8] {
        let app = TestApp::start_idle(&[]).await;
        let staff = app.staff().await;
        let product = a_product(&app).await;
        let path = submit(&app, &staff, &product, photo(100, 80, 5)).await;
        let steps = Steps::pause_at(step);
        let state = stepped(&app, &steps).await;
        let other = async {
            steps.reached().await;
            let outcomes = app.fire(RUN, &app.state).await;
            steps.resume();
            outcomes
        };
        // One of them may be told to come again.
        let (_, _) = tokio::join!(app.fire(RUN, &state), other);
        app.fire(RUN, &app.state).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
        is_ready_once(&app, &staff, &product, &path).await;
    }
}

#[tokio::test]
async fn a_ticket_of_nobody_changes_nothing() {
    let app = TestApp::start_idle(&[]).await;
    let product = a_product(&app).await;
    let before = stored(&app, &product).await;
    let strange = [
        json!({ "tenantId": "pravis", "productId": product, "mediaId": "med_01KAXQ8W0V7D3T4Z5J6N8P9R2S" }).to_string(),
        json!({ "tenantId": "nobody", "productId": product, "mediaId": "med_01KAXQ8W0V7D3T4Z5J6N8P9R2S" }).to_string(),
        "{}".to_owned(),
        "nonsense".to_owned(),
    ];
    for (number, content) in strange.into_iter().enumerate() {
        let name = pravis::ports::blobs::BlobName::new(MEDIA_JOBS, format!("pravis/{number}.json"));
        app.state.blobs.put(&name, pravis::ports::blobs::whole(content), Default::default()).await.unwrap();
    }
    app.fire(RUN, &app.state).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    assert_eq!(stored(&app, &product).await, before);
}
