//! A copy of everything, made for whom it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::Path;

use bytes::Bytes;
use chrono::Duration;
use pravis::containers::{ACCOUNT_JOBS, EXPORTS};
use pravis::error::Code;
use pravis::services::privacy::{self, Disclosure, KINDS};
use serde_json::{Value, json};
use zip::ZipArchive;

use super::*;
use crate::support::app::{PASSWORD, TestApp, eventually};

const PATH: &str = "/api/v1/users/me/exports";

/// The files of a zip.
fn unpacked(zip: &Bytes) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let name = file.name().unwrap().into_owned();
        assert!(files.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    files
}

async fn ask(person: &Person) -> String {
    let answer = person.post(PATH).await.expect(202);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("operation-location"), format!("{PATH}/{id}"));
    assert_eq!(answer.json()["status"], "queued");
    id
}

/// The files of a completed export.
async fn fetched(app: &TestApp, person: &Person, id: &str) -> BTreeMap<String, Vec<u8>> {
    let export = person.get(&format!("{PATH}/{id}")).await.expect(200).json();
    assert_eq!(export["status"], "completed", "{export}");
    let zip = app.client().get(export["downloadUrl"].as_str().unwrap()).await.expect(200);
    assert_eq!(zip.header("content-type"), "application/zip");
    assert_eq!(export["sizeBytes"], zip.body.len());
    unpacked(&zip.body)
}

fn read(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A customer who has used everything there is.
async fn busy(app: &TestApp) -> (Person, String) {
    let person = app.customer().await;
    for purpose in ["voiceStorage", "training", "analytics"] {
        consent(&person, purpose, true).await;
    }
    let preferences = json!({ "voice-volume": 0.5, "note": "my-own-preference" });
    person.call(http::Method::PATCH, "/api/v1/users/me/preferences").json(&preferences).await.expect(200);
    say(&person, &format!("show me {WORD} sarees")).await;
    let sample = submit(app, &person).await;
    work_voice_jobs(app).await;
    let key = person.post("/api/v1/voice/samples").header("idempotency-key", "once");
    key.json(&json!({ "contentType": "audio/wav" })).await.expect(201);
    let forgotten = json!({ "email": person.email });
    app.client().post("/api/v1/auth/password-reset-request").json(&forgotten).await.expect(200);
    shopped(app, &person).await;
    review(app, &person, 0).await;
    let second = review(app, &person, 1).await;
    let path = format!("/api/v1/users/me/reviews/{}", second["id"].as_str().unwrap());
    person.delete(&path).await.expect(200);
    project(app, &person).await;
    (person, sample)
}

#[tokio::test]
async fn an_export_holds_everything_and_no_secret() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let (person, sample) = busy(&app).await;
    let (other, _) = busy(&app).await;
    let id = ask(&person).await;
    work_account_jobs(&app).await;
    let files = fetched(&app, &person, &id).await;
    let account = read(&files, "account.json")[0].clone();
    assert_eq!((account["email"].as_str(), account["id"].as_str()), (Some(&*person.email), Some(person.id.as_str())));
    assert_eq!(account["consents"]["training"]["granted"], true);
    assert_eq!(read(&files, "preferences.json")[0]["values"]["note"], "my-own-preference");
    assert_eq!(read(&files, "consents.json").as_array().unwrap().len(), 3);
    assert_eq!(read(&files, "sessions.json").as_array().unwrap().len(), 1);
    assert_eq!(read(&files, "exports.json")[0]["id"], id.as_str());
    assert_eq!(read(&files, "cart.json")[0]["lines"][0]["quantity"], 2);
    assert_eq!(read(&files, "orders.json")[0]["contact"]["city"], "Hyderabad");
    let samples = read(&files, "voice-samples.json");
    let told = samples.as_array().unwrap().iter().find(|told| told["id"] == sample.as_str()).unwrap();
    assert!(told["recognition"]["transcript"].as_str().unwrap().contains(WORD));
    let exchanges = read(&files, "voice-exchanges.json");
    assert_eq!(exchanges.as_array().unwrap().len(), 2);
    assert!(exchanges.as_array().unwrap().iter().all(|exchange| exchange["query"].as_str().unwrap().contains(WORD)));
    let reports = read(&files, "reports.json");
    assert_eq!(reports.as_array().unwrap().len(), 2);
    assert!(reports.as_array().unwrap().iter().all(|row| row["subject"].is_string() && row["intent"].is_string()));
    assert_eq!(files[&format!("recordings/{sample}.wav")], hum(1.0));
    assert!(files[&format!("renditions/{sample}.opus")].starts_with(b"OggS"));
    // Its table of contents tells the truth.
    let index = read(&files, "index.json");
    assert_eq!((index["userId"].as_str(), index["exportId"].as_str()), (Some(person.id.as_str()), Some(&*id)));
    for file in index["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let items = match path.strip_suffix('/') {
            Some(_) => files.keys().filter(|name| name.starts_with(path)).count(),
            None => read(&files, path).as_array().unwrap().len(),
        };
        assert_eq!(file["items"], items, "{path}");
    }
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(page.contains("voice-samples.json") && page.contains("15 January 2026"), "{page}");
    // Nothing that opens a door, and nothing of anybody else.
    let user = of_kind(&app, &person, "user").await.remove(0);
    let session = of_kind(&app, &person, "session").await.remove(0);
    let reset = of_kind(&app, &person, "outbox").await;
    let reset = reset.iter().find(|it| it["event"]["type"] == "account.passwordResetRequested").unwrap().clone();
    let secrets = [&user["passwordHash"], &session["token"], &reset["event"]["data"]["token"]];
    let all: String = files.values().map(|content| String::from_utf8_lossy(content).into_owned()).collect();
    for secret in secrets.map(|secret| secret.as_str().unwrap()).into_iter().chain(["argon2", "bodyHash"]) {
        assert!(!all.contains(secret), "{secret} is in the export");
    }
    assert!(!all.contains(other.id.as_str()) && !all.contains(&other.email));
}

#[tokio::test]
async fn the_link_is_good_for_a_short_time_and_for_one_file() {
    let app = TestApp::start_with(&[]).await;
    let (person, other) = (app.customer().await, app.customer().await);
    let (id, theirs) = (ask(&person).await, ask(&other).await);
    // The triggers run by themselves here.
    let done = |person: &Person, id: &str| {
        let call = person.get(&format!("{PATH}/{id}"));
        async {
            let export = call.await.expect(200).json();
            (export["status"] == "completed").then_some(export)
        }
    };
    let export = eventually("the export", || done(&person, &id)).await;
    eventually("the other's export", || done(&other, &theirs)).await;
    let link = export["downloadUrl"].as_str().unwrap();
    app.client().get(link).await.expect(200);
    app.client().get(&link.replace(&id, &theirs)).await.problem(403, Code::NotPermitted);
    app.client().delete(link).await.problem(403, Code::NotPermitted);
    app.clock.advance(Duration::minutes(6));
    app.client().get(link).await.problem(403, Code::NotPermitted);
    let fresh = person.get(&format!("{PATH}/{id}")).await.expect(200).json();
    app.client().get(fresh["downloadUrl"].as_str().unwrap()).await.expect(200);
    for caller in [&other, &app.staff().await, &app.admin().await] {
        caller.get(&format!("{PATH}/{id}")).await.problem(404, Code::NotFound);
        caller.delete(&format!("{PATH}/{id}")).await.problem(404, Code::NotFound);
    }
    app.client().post(PATH).await.problem(401, Code::NotAuthenticated);
    let events = of_kind(&app, &person, "outbox").await;
    let told: BTreeSet<_> = events.iter().filter_map(|event| event["event"]["type"].as_str()).collect();
    assert!(told.is_superset(&BTreeSet::from(["account.exportRequested", "account.exportReady"])), "{told:?}");
}

#[tokio::test]
async fn there_is_one_at_a_time_and_three_a_day() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    let first = person.post(PATH).header("idempotency-key", "one").await.expect(202);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let again = person.post(PATH).header("idempotency-key", "one").await.expect(202);
    assert_eq!((again.json(), again.header("operation-location")), (first.json(), first.header("operation-location")));
    let refused = person.post(PATH).await.problem(409, Code::Conflict);
    assert!(refused.detail.contains(&id), "{}", refused.detail);
    for _ in 0..2 {
        work_account_jobs(&app).await;
        ask(&person).await;
    }
    work_account_jobs(&app).await;
    let refused = person.post(PATH).await;
    refused.problem(429, Code::TooManyRequests);
    assert_eq!(refused.header("retry-after"), "63000", "until midnight: 17 hours and a half");
    let listed = person.get(PATH).await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    app.clock.advance(Duration::hours(18));
    let asked = json!({ "email": person.email, "password": PASSWORD });
    let signed_in = app.client().post("/api/v1/auth/login").json(&asked).await.expect(200).json();
    let person = app.client().with_token(signed_in["token"].as_str().unwrap());
    person.post(PATH).await.expect(202);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_export_is_made() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    let asked = futures_util::future::join_all((0..10).map(|_| person.post(PATH).into_future())).await;
    let made = asked.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(made, 1, "{asked:#?}");
    for answer in asked.iter().filter(|answer| answer.status != 202) {
        answer.problem(409, Code::Conflict);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_five_times_at_once_there_is_one_file() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let (person, _) = busy(&app).await;
    let id = ask(&person).await;
    let deliveries = (0..5).map(|_| app.fire("AccountsJobsRun", &app.state));
    for outcomes in futures_util::future::join_all(deliveries).await {
        outcomes.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    }
    assert_eq!(paths(&app, EXPORTS).await.len(), 1);
    assert_eq!(paths(&app, ACCOUNT_JOBS).await, [""; 0]);
    fetched(&app, &person, &id).await;
    let ready = of_kind(&app, &person, "outbox").await;
    assert_eq!(ready.iter().filter(|event| event["event"]["type"] == "account.exportReady").count(), 1);
}

#[tokio::test]
async fn an_export_goes_when_it_is_deleted_and_after_a_week() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    let (deleted, waiting) = (ask(&person).await, || paths(&app, EXPORTS));
    work_account_jobs(&app).await;
    let link = person.get(&format!("{PATH}/{deleted}")).await.json()["downloadUrl"].as_str().unwrap().to_owned();
    person.delete(&format!("{PATH}/{deleted}")).await.expect(200);
    person.delete(&format!("{PATH}/{deleted}")).await.problem(404, Code::NotFound);
    app.client().get(&link).await.problem(404, Code::NotFound);
    assert_eq!(waiting().await, [""; 0]);
    // One that is only asked for goes, too, and makes room for another.
    let queued = ask(&person).await;
    person.delete(&format!("{PATH}/{queued}")).await.expect(200);
    assert_eq!(paths(&app, ACCOUNT_JOBS).await, [""; 0]);
    ask(&person).await;
    work_account_jobs(&app).await;
    app.clock.advance(Duration::days(7) - Duration::minutes(1));
    assert_eq!(app.tick("AccountsExportsSweep").await, "0 files of exports removed");
    app.clock.advance(Duration::minutes(2));
    assert!(of_kind(&app, &person, "export").await.is_empty());
    assert_eq!(app.tick("AccountsExportsSweep").await, "1 files of exports removed");
    assert_eq!(waiting().await, [""; 0]);
}

/// The job dies before each single call that it makes to a store, and is delivered again when its lease
/// is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_whose_maker_dies_anywhere_is_made_all_the_same() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let (busy, _) = busy(&app).await;
    // Tokens of a quarter of an hour would not last; what is exported is another's every time.
    drop(busy);
    let mut deaths = 0;
    for number in 0.. {
        let person = app.customer().await;
        consent(&person, "voiceStorage", true).await;
        let sample = submit(&app, &person).await;
        work_voice_jobs(&app).await;
        let id = ask(&person).await;
        let steps = Steps::fail_from(number);
        let outcomes = app.fire("AccountsJobsRun", &stepped(&app, &steps).await).await;
        assert_eq!(outcomes.iter().any(Result::is_err), steps.was_reached(), "call {number}");
        app.clock.advance(Duration::minutes(4));
        work_account_jobs(&app).await;
        let files = fetched(&app, &person, &id).await;
        assert_eq!(files[&format!("recordings/{sample}.wav")], hum(1.0), "died at call {number}");
        app.clock.advance(Duration::hours(2));
        app.tick("AccountsExportsSweep").await;
        let of_this = paths(&app, EXPORTS).await.into_iter().filter(|path| path.contains(&id)).count();
        assert_eq!(of_this, 1, "died at call {number}");
        assert_eq!(paths(&app, ACCOUNT_JOBS).await, [""; 0], "died at call {number}");
        if !steps.was_reached() {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 15, "only {deaths} calls");
}

/// Deleted before each single call that its job makes to a store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_deleted_while_it_is_made_leaves_nothing() {
    let app = TestApp::start_idle(&[]).await;
    let mut interleaved = 0;
    for number in 0.. {
        let person = app.customer().await;
        let id = ask(&person).await;
        let steps = Steps::pause_at(number);
        let state = stepped(&app, &steps).await;
        let job = app.fire("AccountsJobsRun", &state);
        let deletion = async {
            steps.reached().await;
            let answer = person.delete(&format!("{PATH}/{id}")).await;
            assert_eq!(answer.status, 200, "before call {number}");
            steps.resume();
            std::future::pending::<()>().await
        };
        tokio::select! {
            biased;
            () = deletion => unreachable!(),
            _ = job => {}
        }
        if !steps.was_reached() {
            break;
        }
        interleaved += 1;
        // Delivered again, should there be a ticket.
        work_account_jobs(&app).await;
        let left: Vec<_> = all_blobs(&app).await.into_iter().filter(|path| path.contains(&id)).collect();
        assert_eq!(left, [""; 0], "deleted before call {number}");
        assert!(of_kind(&app, &person, "export").await.is_empty());
    }
    assert!(interleaved >= 10, "only {interleaved} calls");
}

#[tokio::test]
async fn what_fails_again_and_again_is_told() {
    let app = TestApp::start_idle(&[]).await;
    let person = app.customer().await;
    let id = ask(&person).await;
    for _ in 0..5 {
        // Call 0 reads the ticket, 1 the export, 2 takes it; the rest is dead.
        app.fire("AccountsJobsRun", &stepped(&app, &Steps::fail_from(3)).await).await;
        app.clock.advance(Duration::minutes(1) / 2);
        let export = person.get(&format!("{PATH}/{id}")).await.expect(200).json();
        assert_eq!((export["status"].as_str(), &export["downloadUrl"]), (Some("processing"), &Value::Null));
        app.clock.advance(Duration::minutes(3) - Duration::minutes(1) / 2);
        // The token lasts a quarter of an hour.
        let token = app.state.keys.sign(&person.principal, app.state.clock.now()).unwrap().token;
        assert!(!token.is_empty());
    }
    work_account_jobs(&app).await;
    let token = app.state.keys.sign(&person.principal, app.state.clock.now()).unwrap().token;
    let person = app.client().with_token(token);
    let export = person.get(&format!("{PATH}/{id}")).await.expect(200).json();
    assert_eq!((export["status"].as_str(), &export["expiresAt"]), (Some("failed"), &Value::Null));
    assert_eq!(paths(&app, ACCOUNT_JOBS).await, [""; 0]);
    person.post(PATH).await.expect(202);
}

/// The literals that follow a mark in the sources.
fn literals(folder: &Path, mark: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            literals(&path, mark, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let rest = text.match_indices(mark).map(|(at, mark)| &text[at + mark.len()..]);
            found.extend(rest.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

/// Kinds of other partitions than the customers'.
const ELSEWHERE: [&str; 8] =
    ["apiKey", "feedPlace", "holding", "picture", "policy", "product", "stock", "stockHistory"];

#[test]
fn every_kind_of_document_is_classified() {
    let handlers = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers");
    let mut kinds = BTreeSet::new();
    for folder in ["services", "http", "identity", "ordering"] {
        for mark in ["KIND: &str = \"", "KIND: &'static str = \"", "kind: \"", "\"kind\": \""] {
            literals(&handlers.join(folder), mark, &mut kinds);
        }
    }
    for known in ["user", "consent", "session", "sample", "interaction", "outbox", "idempotency", "export"] {
        assert!(kinds.contains(known), "{known} is not found; is it written in another way?");
    }
    // A name with a dot is that of an event.
    kinds.retain(|kind| !ELSEWHERE.contains(&kind.as_str()) && !kind.contains('.'));
    let unknown: Vec<_> = kinds.iter().filter(|kind| privacy::disclosure(kind).is_none()).collect();
    assert!(
        unknown.is_empty(),
        "these kinds of documents need a place in handlers/services/privacy/kinds.rs: {unknown:?}"
    );
}

#[tokio::test]
async fn what_is_stored_is_classified_field_by_field() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let (person, _) = busy(&app).await;
    ask(&person).await;
    let email = json!({ "email": "another@example.in", "currentPassword": crate::support::app::PASSWORD });
    for (path, body) in [("phone", json!({ "phone": "+919876543210" })), ("email", email)] {
        let answer = person.post(&format!("/api/v1/users/me/{path}")).json(&body).await;
        assert!(answer.status.is_success(), "{answer}");
    }
    // What is left out on purpose: keys, and what the store adds.
    let left_out = [
        "kind",
        "tenantId",
        "userId",
        "ttl",
        "passwordHash",
        "token",
        "used",
        "attempts",
        "workingUntil",
        "epoch",
        "sessionEpoch",
        "version",
        "nextOrder",
        "done",
        "ofCart",
        "attentionAt",
    ];
    let mut seen = BTreeSet::new();
    for document in documents(&app, &person).await {
        let kind = document["kind"].as_str().unwrap().to_owned();
        let disclosure = privacy::disclosure(&kind).unwrap_or_else(|| panic!("{kind} is not classified"));
        if let Disclosure::Shown { fields, .. } = disclosure {
            for field in document.as_object().unwrap().keys() {
                let known = fields.contains(&field.as_str()) || left_out.contains(&field.as_str());
                assert!(
                    known || (["cart", "preferences"].contains(&kind.as_str()) && field == "id"),
                    "{kind}.{field} is neither shown nor left out"
                );
            }
        }
        seen.insert(kind);
    }
    let expected = KINDS.iter().map(|(kind, _)| (*kind).to_owned()).filter(|kind| kind != "nothing" && kind != "sale");
    assert_eq!(seen, expected.collect::<BTreeSet<_>>());
}
