//! An account that is erased: the days of thinking it over, and that nothing of it remains.

use chrono::Duration;
use pravis::containers::{ACCOUNT_JOBS, AUDIT, DOCUMENT_CONTAINERS, ERASURES, VOICE_UPLOADS};
use pravis::error::Code;
use pravis::ports::Condition;
use pravis::ports::documents::PartitionKey;
use pravis::services::accounts::Pseudonym;
use serde_json::{Value, json};

use super::*;
use crate::support::app::{PASSWORD, TestApp, eventually};
use crate::support::client::Answer;

const ME: &str = "/api/v1/users/me";
const LOGIN: &str = "/api/v1/auth/login";
/// Shorter than the life of events and exports, so that there are some.
const DAYS: (&str, &str) = ("PRAVIS_ERASURE_DAYS", "5");
const RESTORE: &str = "/api/v1/auth/restore";

async fn sign_in(app: &TestApp, path: &str, person: &Person, password: &str) -> Answer {
    app.client().post(path).json(&json!({ "email": person.email, "password": password })).await
}

/// Asks for the erasure with the password; gives its id.
async fn ask(person: &Person) -> String {
    let asked = person.delete(ME).json(&json!({ "password": PASSWORD })).await.expect(202).json();
    asked["erasureId"].as_str().unwrap().to_owned()
}

/// A customer of whom there is something everywhere, with the ids that must not remain.
async fn busy(app: &TestApp) -> (Person, Vec<String>) {
    let person = app.customer().await;
    for purpose in ["voiceStorage", "training", "analytics"] {
        consent(&person, purpose, true).await;
    }
    let preferences = json!({ "note": "my-own-preference" });
    person.call(http::Method::PATCH, "/api/v1/users/me/preferences").json(&preferences).await.expect(200);
    let said = say(&person, &format!("show me {WORD} sarees")).await;
    let sample = submit(app, &person).await;
    work_voice_jobs(app).await;
    let key = person.post("/api/v1/voice/samples").header("idempotency-key", "once");
    let waiting = key.json(&json!({ "contentType": "audio/wav" })).await.expect(201).json();
    let forgotten = json!({ "email": person.email });
    // From a network of its own: such requests are counted.
    let network = person.id.as_str().bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
    let stranger = app.client_at([127, 40, network, 1]);
    stranger.post("/api/v1/auth/password-reset-request").json(&forgotten).await.expect(200);
    review(app, &person, 0).await;
    project(app, &person).await;
    let export = person.post("/api/v1/users/me/exports").await.expect(202).json();
    work_account_jobs(app).await;
    let mut ids: Vec<String> = [&said["interactionId"], &waiting["id"], &export["id"]]
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    ids.extend([person.id.to_string(), sample, person.email.clone(), WORD.into(), "my-own-preference".into()]);
    (person, ids)
}

/// Lets the days pass and fires what comes due.
async fn come_due(app: &TestApp) {
    app.clock.advance(Duration::days(5));
    app.tick("AccountsErasuresStart").await;
}

/// The whole of an erasure that is due.
async fn finish(app: &TestApp) {
    work_account_jobs(app).await;
    app.clock.advance(Duration::minutes(21));
    work_account_jobs(app).await;
}

async fn record(app: &TestApp, id: &str) -> Value {
    let found = app.state.documents.read(&ERASURES, &PartitionKey::of(["pravis"]), id).await.unwrap();
    found.unwrap_or_else(|| panic!("no record of {id}")).read().unwrap()
}

/// Everything that all stores hold, as text: documents, rows, and the paths and contents of blobs.
async fn everything(app: &TestApp) -> String {
    let mut all = String::new();
    for container in DOCUMENT_CONTAINERS {
        let mut continuation = None;
        loop {
            let query = Query { limit: 1000, continuation, ..Query::default() };
            let page = app.state.documents.query(container, Scope::Container, query).await.unwrap();
            for document in page.items {
                all.push_str(&format!("{}/{:?}: {}\n", container.name, document.partition, document.body.get()));
            }
            continuation = page.next;
            if continuation.is_none() {
                break;
            }
        }
    }
    for table in analytics::TABLES {
        let projections = table.columns.iter().map(|column| Projection::Column(column.name)).collect();
        let select = Select { table, projections, filters: vec![], order: vec![], limit: 10_000 };
        for row in app.state.reporting.select(select).await.unwrap() {
            all.push_str(&format!("{}: {row:?}\n", table.name));
        }
    }
    for container in BLOB_CONTAINERS {
        for path in paths(app, container).await {
            all.push_str(&format!("{container}/{path}\n"));
            let content = app.blob(&BlobName::new(container, path)).await.unwrap_or_default();
            all.push_str(&String::from_utf8_lossy(&content));
        }
    }
    all
}

/// How many reviews everybody can read.
async fn shown_reviews(app: &TestApp) -> usize {
    everything(app).await.lines().filter(|line| line.starts_with("reviews/") && line.contains("\"shown\"")).count()
}

/// Fails when anything of a customer is left anywhere. The event for other systems, which lives a day, may
/// name the customer until then.
async fn nothing_remains(app: &TestApp, person: &Person, ids: &[String], when: &str) {
    assert_eq!(documents(app, person).await, Vec::<Value>::new(), "{when}");
    let all = everything(app).await;
    for line in all.lines().filter(|line| !line.contains("account.erased")) {
        // The audit log keeps ids, and nothing else of a person, for its year.
        let audited = |id: &str| line.starts_with("audit/") && (id.starts_with("usr_") || id.starts_with("ses_"));
        for id in ids.iter().filter(|id| !audited(id)) {
            assert!(!line.contains(id.as_str()), "{when}: {id} is in {line:.300}");
        }
    }
}

#[tokio::test]
async fn an_account_is_closed_at_once_and_erased_after_some_days() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command()), DAYS]).await;
    let (person, mut ids) = busy(&app).await;
    let (other, _) = busy(&app).await;
    assert_eq!(shown_reviews(&app).await, 2);
    // The other says the same words, and keeps them.
    ids.retain(|id| id != WORD && id != "my-own-preference");
    let second = sign_in(&app, LOGIN, &person, PASSWORD).await.expect(200).json();
    let asked = person.delete(ME).json(&json!({ "password": PASSWORD })).await.expect(202).json();
    assert_eq!((asked["success"].as_bool(), asked["dueAt"].as_str()), (Some(true), Some("2026-01-20T06:30:00Z")));
    let id = asked["erasureId"].as_str().unwrap();
    // Closed: on all devices, for all ways in.
    person.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    person.delete(ME).await.problem(401, Code::InvalidToken);
    let elsewhere = app.client().with_token(second["token"].as_str().unwrap());
    elsewhere.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    let refresh = json!({ "refresh_token": second["refresh_token"] });
    app.client().post("/api/v1/auth/refresh").json(&refresh).await.problem(401, Code::InvalidToken);
    let told = sign_in(&app, LOGIN, &person, PASSWORD).await.problem(403, Code::AccountClosing);
    assert!(told.detail.contains("20 January 2026") && told.detail.contains("auth/restore"), "{}", told.detail);
    sign_in(&app, LOGIN, &person, "wrong-password").await.problem(401, Code::InvalidCredentials);
    // Kept until then, and no longer.
    app.clock.advance(Duration::days(4));
    assert_eq!(app.tick("AccountsErasuresStart").await, "0 erasures started");
    assert!(!documents(&app, &person).await.is_empty());
    app.clock.advance(Duration::days(1));
    assert_eq!(app.tick("AccountsErasuresStart").await, "1 erasures started");
    work_account_jobs(&app).await;
    assert_eq!(record(&app, id).await["status"], "erased");
    let left = documents(&app, &person).await;
    assert!(left.iter().all(|document| document["kind"] == "outbox"), "{left:?}");
    sign_in(&app, RESTORE, &person, PASSWORD).await.problem(401, Code::InvalidCredentials);
    app.clock.advance(Duration::minutes(21));
    work_account_jobs(&app).await;
    nothing_remains(&app, &person, &ids, "at the end").await;
    assert_eq!(paths(&app, ACCOUNT_JOBS).await, [""; 0]);
    // The event for others goes after a day.
    app.clock.advance(Duration::days(1));
    let all = everything(&app).await;
    assert!(!all.lines().any(|line| !line.starts_with("audit/") && line.contains(person.id.as_str())));
    assert_eq!(shown_reviews(&app).await, 1);
    // The proof says how much it was, and nothing of whom.
    let proof = record(&app, id).await;
    assert_eq!((proof["status"].as_str(), &proof["requestedAt"]), (Some("completed"), &asked["requestedAt"]));
    for (place, count) in
        [("documents.user", 1), ("documents.sample", 2), ("documents.export", 1), ("documents.review", 1)]
    {
        assert_eq!(proof["found"][place], count, "{place}: {proof}");
    }
    for (place, count) in [("blobs.voice-uploads", 1), ("blobs.voice-results", 1), ("blobs.exports", 1), ("reports", 2)]
    {
        assert_eq!(proof["found"][place], count, "{place}: {proof}");
    }
    assert_eq!(serde_json::from_value::<Pseudonym>(proof["subject"].clone()).unwrap().as_str().len(), 43);
    let staff = app.staff().await;
    let listed = staff.get("/api/v1/admin/erasures").await.expect(200).json();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["found"]), (&json!(id), &proof["found"]));
    other.get("/api/v1/admin/erasures").await.problem(401, Code::InvalidToken);
    app.customer().await.get("/api/v1/admin/erasures").await.problem(403, Code::NotPermitted);
    // Others keep what is theirs.
    assert!(of_kind(&app, &other, "interaction").await.len() == 2 && facts(&app, Some(&other)).await == 2);
    assert!(paths(&app, VOICE_UPLOADS).await.iter().any(|path| path.contains(other.id.as_str())));
    // The address is free, and knows nothing of before.
    let asked = json!({ "email": person.email, "password": "another-password" });
    let anew = app.client().post("/api/v1/auth/register").json(&asked).await.expect(201).json();
    assert_ne!(anew["user_id"], person.id.as_str());
    let anew = app.client().with_token(anew["token"].as_str().unwrap());
    for path in ["voice/samples", "voice/history", "users/me/exports", "users/me/consents/history"] {
        assert_eq!(anew.get(&format!("/api/v1/{path}")).await.expect(200).json()["items"], json!([]), "{path}");
    }
    assert_eq!(anew.get("/api/v1/users/me/preferences").await.expect(200).json()["preferences"], json!({}));
}

#[tokio::test]
async fn who_thinks_better_of_it_finds_all_as_it_was() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command()), DAYS]).await;
    let (person, _) = busy(&app).await;
    sign_in(&app, RESTORE, &person, PASSWORD).await.problem(409, Code::Conflict);
    let first = ask(&person).await;
    sign_in(&app, RESTORE, &person, "wrong-password").await.problem(401, Code::InvalidCredentials);
    app.clock.advance(Duration::days(4));
    let restored = sign_in(&app, RESTORE, &person, PASSWORD).await.expect(200).json();
    let api = app.client().with_token(restored["token"].as_str().unwrap());
    assert_eq!(api.get("/api/v1/auth/me").await.expect(200).json()["isActive"], true);
    assert_eq!(api.get("/api/v1/voice/history").await.expect(200).json()["items"].as_array().unwrap().len(), 2);
    sign_in(&app, LOGIN, &person, PASSWORD).await.expect(200);
    // A ticket that was written for it is of no use.
    let ticket = json!({ "tenantId": "pravis", "userId": person.id, "job": { "kind": "erasure", "erasureId": first } });
    let name = BlobName::new(ACCOUNT_JOBS, format!("pravis/{}/erasure-{first}.json", person.id));
    app.state.blobs.put(&name, whole(ticket.to_string()), PutOptions::default()).await.unwrap();
    come_due(&app).await;
    work_account_jobs(&app).await;
    assert!(of_kind(&app, &person, "user").await.len() == 1 && paths(&app, ACCOUNT_JOBS).await.is_empty());
    let events = of_kind(&app, &person, "outbox").await;
    assert!(events.iter().any(|it| it["event"]["type"] == "account.erasureCancelled"));
    // It can be asked for again, and is another one.
    let again = sign_in(&app, LOGIN, &person, PASSWORD).await.expect(200).json();
    let again = app.client().with_token(again["token"].as_str().unwrap());
    let second = again.delete(ME).await.expect(202).json();
    assert_ne!(second["erasureId"], first.as_str());
}

#[tokio::test]
async fn a_token_alone_is_not_enough() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    for wrong in ["wrong-password", "", &"x".repeat(20_000)] {
        let refused = person.delete(ME).json(&json!({ "password": wrong })).await;
        refused.problem(401, Code::InvalidCredentials);
    }
    assert_eq!(person.delete(ME).json(&json!({ "password": 7 })).await.refused_fields(), ["password"]);
    app.client().delete(ME).await.problem(401, Code::NotAuthenticated);
    app.clock.advance(Duration::minutes(6));
    person.delete(ME).await.problem(401, Code::InvalidCredentials);
    for _ in 0..8 {
        person.delete(ME).json(&json!({ "password": "wrong-password" })).await;
    }
    person.delete(ME).json(&json!({ "password": PASSWORD })).await.problem(429, Code::TooManyRequests);
    person.get("/api/v1/auth/me").await.expect(200);
    // From a network that did not guess, the sign-in of this moment is enough.
    let elsewhere = app.client_at([127, 8, 8, 8]);
    let asked = json!({ "email": person.email, "password": PASSWORD });
    let fresh = elsewhere.post(LOGIN).json(&asked).await.expect(200).json();
    let fresh = elsewhere.with_token(fresh["token"].as_str().unwrap());
    fresh.delete(ME).await.expect(202);
}

#[tokio::test]
async fn without_days_to_think_it_over_it_begins_at_once() {
    let app = TestApp::start_with(&[("PRAVIS_ERASURE_DAYS", "0")]).await;
    let person = app.customer().await;
    let id = ask(&person).await;
    // The triggers run by themselves here.
    let erased = || async {
        let found = app.state.documents.read(&ERASURES, &PartitionKey::of(["pravis"]), &id).await.unwrap();
        found.filter(|found| found.body.get().contains("\"erased\""))
    };
    eventually("the erasure", erased).await;
    sign_in(&app, LOGIN, &person, PASSWORD).await.problem(401, Code::InvalidCredentials);
}

/// The erasure dies before each single call that it makes to a store, in its first and in its second part,
/// and is delivered again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_dies_anywhere_is_completed_all_the_same() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command()), DAYS]).await;
    let mut deaths = [0, 0];
    for part in [0, 1] {
        for number in 0.. {
            let (person, ids) = busy(&app).await;
            let id = ask(&person).await;
            come_due(&app).await;
            if part == 1 {
                work_account_jobs(&app).await;
                app.clock.advance(Duration::minutes(21));
            }
            let steps = Steps::fail_from(number);
            let outcomes = app.fire("AccountsJobsRun", &stepped(&app, &steps).await).await;
            assert_eq!(outcomes.iter().any(Result::is_err), steps.was_reached(), "part {part}, call {number}");
            finish(&app).await;
            let when = format!("part {part}, died at call {number}");
            nothing_remains(&app, &person, &ids, &when).await;
            let proof = record(&app, &id).await;
            assert_eq!(proof["status"], "completed", "{when}");
            assert_eq!(proof["found"]["documents.user"], 1, "{when}: {proof}");
            assert_eq!(paths(&app, ACCOUNT_JOBS).await, [""; 0], "{when}");
            // One event, however often it was begun.
            let erased = everything(&app).await.matches(&format!("\"erasureId\":\"{id}\"")).count();
            assert_eq!(erased, 1, "{when}");
            if !steps.was_reached() {
                break;
            }
            deaths[part] += 1;
        }
    }
    assert!(deaths[0] >= 25 && deaths[1] >= 12, "only {deaths:?} calls");
}

/// A voice job is under way while the whole account is erased, before each single call of the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voice_job_that_ends_late_brings_nothing_back() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command()), DAYS]).await;
    let mut interleaved = 0;
    for number in 0.. {
        let person = app.customer().await;
        consent(&person, "voiceStorage", true).await;
        let sample = submit(&app, &person).await;
        let ids = [person.id.to_string(), sample, person.email.clone(), WORD.to_owned()];
        let steps = Steps::pause_at(number);
        let state = stepped(&app, &steps).await;
        let job = app.fire("VoiceJobsRun", &state);
        let erasure = async {
            steps.reached().await;
            ask(&person).await;
            come_due(&app).await;
            work_account_jobs(&app).await;
            steps.resume();
            std::future::pending::<()>().await
        };
        tokio::select! {
            biased;
            () = erasure => unreachable!(),
            _ = job => {}
        }
        if !steps.was_reached() {
            break;
        }
        interleaved += 1;
        work_voice_jobs(&app).await;
        app.clock.advance(Duration::minutes(21));
        work_account_jobs(&app).await;
        nothing_remains(&app, &person, &ids, &format!("erased before call {number}")).await;
    }
    assert!(interleaved >= 8, "only {interleaved} calls");
}

#[tokio::test]
async fn what_comes_late_is_taken_as_well() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command()), DAYS]).await;
    let (person, ids) = busy(&app).await;
    let events = of_kind(&app, &person, "outbox").await;
    let id = ask(&person).await;
    come_due(&app).await;
    work_account_jobs(&app).await;
    // A queue that lags, an upload by an address that was signed before, a request that was under way.
    for event in &events {
        deliver(&app, &event["event"]).await;
    }
    follow_reviews(&app, &events).await;
    let upload = BlobName::new(VOICE_UPLOADS, format!("pravis/{}/{}", person.id, ids[4]));
    app.state.blobs.put(&upload, whole(hum(1.0)), PutOptions::default()).await.unwrap();
    let late = json!({ "kind": "preferences", "values": { "note": "my-own-preference" } });
    let late = pravis::ports::documents::NewDocument::new("preferences", &late).unwrap();
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    app.state.documents.create(&CUSTOMERS, &partition, late).await.unwrap();
    app.clock.advance(Duration::minutes(21));
    work_account_jobs(&app).await;
    nothing_remains(&app, &person, &ids, "at the second look").await;
    let proof = record(&app, &id).await;
    assert_eq!(
        (&proof["late"]["blobs.voice-uploads"], &proof["late"]["documents.preferences"]),
        (&json!(1), &json!(1))
    );
    // The queue lags still.
    for event in &events {
        deliver(&app, &event["event"]).await;
    }
    follow_reviews(&app, &events).await;
    nothing_remains(&app, &person, &ids, "after late events").await;
    assert_eq!(shown_reviews(&app).await, 0);
    assert_eq!(facts(&app, None).await, 0);
}

/// With the triggers running by themselves, the files of the embedded stores are read byte for byte.
#[tokio::test]
async fn not_a_byte_remains_in_the_files() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_with(&[("PRAVIS_RECOGNISER", &recogniser.command()), DAYS]).await;
    let person = app.customer().await;
    for purpose in ["voiceStorage", "training", "analytics"] {
        consent(&person, purpose, true).await;
    }
    let preferences = json!({ "note": "my-own-preference" });
    person.call(http::Method::PATCH, "/api/v1/users/me/preferences").json(&preferences).await.expect(200);
    let said = say(&person, &format!("show me {WORD} sarees")).await;
    let sample = submit(&app, &person).await;
    let path = format!("/api/v1/voice/samples/{sample}");
    let ended = || async { (person.get(&path).await.json()["status"] == "completed").then_some(()) };
    eventually("the end of the sample", ended).await;
    eventually("the facts", || async { (facts(&app, Some(&person)).await == 2).then_some(()) }).await;
    let markers = [person.id.as_str(), &person.email, WORD, &sample, said["interactionId"].as_str().unwrap()];
    let before = bytes_of(app.dir());
    for marker in markers {
        assert!(holds(&before, marker), "{marker} is nowhere, so this test shows nothing");
    }
    let id = ask(&person).await;
    come_due(&app).await;
    let status = async || record_if(&app, &id).await.map(|record| record["status"].clone());
    eventually("the erasure", || async { (status().await == Some(json!("erased"))).then_some(()) }).await;
    app.clock.advance(Duration::minutes(21));
    app.tick("AccountsJobsReconcile").await;
    eventually("its second look", || async { (status().await == Some(json!("completed"))).then_some(()) }).await;
    // The event for other systems lives a day; sessions' throttles and the like are in memory.
    app.clock.advance(Duration::days(1) + Duration::minutes(1));
    app.stores.embedded.documents.as_ref().unwrap().purge_expired(10_000).await.unwrap();
    app.stores.embedded.blobs.as_ref().unwrap().clean_up().await.unwrap();
    let clean = || async {
        // The audit log keeps ids for its year.
        let query = Query { limit: 1000, ..Query::default() };
        for record in app.state.documents.query(&AUDIT, Scope::Container, query).await.unwrap().items {
            app.state.documents.delete(&AUDIT, &record.partition, &record.id, Condition::None).await.unwrap();
        }
        let after = bytes_of(app.dir());
        let left: Vec<_> = markers.into_iter().filter(|marker| holds(&after, marker)).collect();
        if left.is_empty() {
            Some(())
        } else {
            eprintln!("still there: {left:?}");
            None
        }
    };
    eventually("files without a trace", clean).await;
}

async fn record_if(app: &TestApp, id: &str) -> Option<Value> {
    let found = app.state.documents.read(&ERASURES, &PartitionKey::of(["pravis"]), id).await.unwrap();
    found.map(|found| found.read().unwrap())
}

/// The content of every file of a directory, the logs of the databases carried over first.
fn bytes_of(directory: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes_of(&path));
        } else if path.extension().is_some_and(|extension| extension == "db" || extension == "sqlite3") {
            let connection = rusqlite::Connection::open(&path).unwrap();
            connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
    }
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // A file may go while they are read.
        if let (false, Ok(content)) = (path.is_dir(), std::fs::read(&path)) {
            found.push((path.display().to_string(), content));
        }
    }
    found
}

fn holds(files: &[(String, Vec<u8>)], marker: &str) -> bool {
    let marker = marker.as_bytes();
    files.iter().any(|(name, content)| {
        let found = content.windows(marker.len()).any(|window| window == marker);
        if found {
            eprintln!("{name} holds {}", String::from_utf8_lossy(marker));
        }
        found
    })
}

#[tokio::test]
async fn orders_of_an_erased_customer_give_their_pieces_back_or_leave_a_sale_that_names_nobody() {
    use pravis::containers::sales;
    use shop::stock::{figures, product_with};
    let app = TestApp::start_idle(&[DAYS]).await;
    let (person, staff) = (app.customer().await, app.staff().await);
    let product = product_with(&app, 5).await;
    let mut orders = Vec::new();
    for pieces in [2, 1] {
        let placed = shop::order_directly(&person, &product, pieces).await.expect(201).json();
        orders.push(placed["orderId"].as_str().unwrap().to_owned());
    }
    for to in ["packed", "shipped"] {
        let path = format!("/api/v1/admin/orders/{}/transitions", orders[1]);
        staff.post(&path).json(&json!({ "to": to })).await.expect(200);
    }
    shopped(&app, &person).await;
    let before = figures(&app, &product).await;
    assert_eq!((before.on_hand, before.sold), (4, 1));
    ask(&person).await;
    come_due(&app).await;
    finish(&app).await;
    let ids = [person.id.to_string(), person.email.clone(), "Temple Street".into(), "98480 12345".into()];
    nothing_remains(&app, &person, &ids, "after the erasure").await;
    let after = figures(&app, &product).await;
    assert_eq!((after.on_hand, after.reserved, after.sold), (4, 0, 1));
    let read = async |id: &str| {
        let found = app.state.documents.read(&CUSTOMERS, &sales(&TenantId::pravis()), id).await.unwrap();
        found.map(|document| document.read::<Value>().unwrap())
    };
    assert!(read(&orders[0]).await.is_none(), "nothing was sold");
    let sale = read(&orders[1]).await.unwrap();
    assert_eq!((&sale["status"], &sale["lines"][0]["quantity"]), (&json!("shipped"), &json!(1)));
    assert!(sale.get("contact").is_none() && sale["totalPaise"].is_u64(), "{sale}");
}
