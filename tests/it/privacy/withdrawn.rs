//! A withdrawn consent takes with it what it covered, whatever runs at that moment.

use pravis::containers::{ACCOUNT_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use serde_json::{Value, json};

use super::*;
use crate::support::app::{TestApp, eventually};
use crate::support::steps::{Steps, stepped};

const HISTORY: &str = "/api/v1/voice/history";

/// A customer who agreed to all, and spoke and typed.
async fn spoken(app: &TestApp) -> (Person, String) {
    let person = app.customer().await;
    for purpose in ["voiceStorage", "training", "analytics"] {
        consent(&person, purpose, true).await;
    }
    say(&person, &format!("show me {WORD} sarees")).await;
    let sample = submit(app, &person).await;
    work_voice_jobs(app).await;
    (person, sample)
}

/// Whether any document of a customer holds the customer's words.
async fn holds_words(app: &TestApp, person: &Person) -> bool {
    documents(app, person).await.iter().any(|document| document.to_string().contains(WORD))
}

#[tokio::test]
async fn without_voice_storage_neither_words_nor_sound_remain() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_with(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let person = app.customer().await;
    consent(&person, "voiceStorage", true).await;
    say(&person, &format!("show me {WORD} sarees")).await;
    let sample = submit(&app, &person).await;
    let path = format!("/api/v1/voice/samples/{sample}");
    let ended = || async {
        let sample = person.get(&path).await.expect(200).json();
        (sample["status"] == "completed").then_some(sample)
    };
    let kept = eventually("the end of the sample", ended).await;
    assert!(kept["recognition"]["transcript"].as_str().unwrap().contains(WORD), "{kept}");
    let listen = kept["listenUrl"].as_str().unwrap().to_owned();
    app.client().get(&listen).await.expect(200);
    consent(&person, "voiceStorage", false).await;
    // The triggers run by themselves here, and nobody waits for a timer.
    let clean = || async {
        let blobs = [paths(&app, VOICE_UPLOADS).await, paths(&app, VOICE_RESULTS).await].concat();
        (blobs.is_empty() && !holds_words(&app, &person).await).then_some(())
    };
    eventually("storage without words and sound", clean).await;
    let sample = person.get(&path).await.expect(200).json();
    assert_eq!(sample["listenUrl"], Value::Null);
    assert_eq!((&sample["result"], &sample["recognition"]["transcript"]), (&Value::Null, &Value::Null));
    assert_eq!(sample["recognition"]["segments"], json!([]));
    let items = person.get(HISTORY).await.expect(200).json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 2, "that there were exchanges is no word of theirs");
    assert!(items.as_array().unwrap().iter().all(|item| item["query"].is_null() && item["response"].is_null()));
    app.client().get(&listen).await.expect(404);
}

#[tokio::test]
async fn what_is_permitted_for_training_is_so_only_with_consent() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let person = app.customer().await;
    let marked = async || {
        let mut marks: Vec<bool> = Vec::new();
        for kind in ["sample", "interaction"] {
            let found = of_kind(&app, &person, kind).await;
            marks.extend(found.iter().map(|document| document["trainingAllowed"].as_bool().unwrap()));
        }
        (marks.iter().filter(|mark| **mark).count(), marks.len())
    };
    let speak = async || {
        say(&person, &format!("show me {WORD} sarees")).await;
        submit(&app, &person).await;
        work_voice_jobs(&app).await;
    };
    speak().await;
    assert_eq!(marked().await, (0, 3));
    consent(&person, "training", true).await;
    speak().await;
    assert_eq!(marked().await, (0, 6), "what is not kept trains nobody");
    consent(&person, "voiceStorage", true).await;
    speak().await;
    assert_eq!(marked().await, (3, 9));
    consent(&person, "training", false).await;
    work_account_jobs(&app).await;
    assert_eq!(marked().await, (0, 9));
    assert!(holds_words(&app, &person).await, "the words themselves may stay");
    speak().await;
    assert_eq!(marked().await, (0, 12));
}

#[tokio::test]
async fn without_analytics_no_fact_leads_to_the_customer() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let stranger = app.customer().await;
    say(&stranger, "help").await;
    project(&app, &stranger).await;
    assert_eq!((facts(&app, None).await, facts(&app, Some(&stranger)).await), (1, 0), "who never agreed has no name");
    let (person, _) = spoken(&app).await;
    project(&app, &person).await;
    assert_eq!((facts(&app, None).await, facts(&app, Some(&person)).await), (3, 2));
    consent(&person, "analytics", false).await;
    work_account_jobs(&app).await;
    assert_eq!((facts(&app, None).await, facts(&app, Some(&person)).await), (1, 0));
    // Events that come late bring the name back no more.
    project(&app, &person).await;
    assert_eq!(facts(&app, Some(&person)).await, 0);
    // Nor does a new consent, for what happened without one.
    say(&person, "help").await;
    consent(&person, "analytics", true).await;
    let silent = of_kind(&app, &person, "outbox").await;
    let silent = silent.iter().filter(|it| it["event"]["type"] == "voice.interaction");
    let silent = silent.max_by_key(|it| it["id"].as_str().unwrap().to_owned()).unwrap();
    deliver(&app, &silent["event"]).await;
    assert_eq!(facts(&app, Some(&person)).await, 0);
}

#[tokio::test]
async fn rewriting_keeps_nothing_longer() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let (person, _) = spoken(&app).await;
    app.clock.advance(chrono::Duration::days(29));
    let signed_in = json!({ "email": person.email, "password": crate::support::app::PASSWORD });
    let signed_in = app.client().post("/api/v1/auth/login").json(&signed_in).await.expect(200).json();
    let person_now = app.client().with_token(signed_in["token"].as_str().unwrap());
    let asked = json!({ "purpose": "training", "granted": false, "version": "1.0" });
    person_now.post("/api/v1/users/me/consents").json(&asked).await.expect(201);
    work_account_jobs(&app).await;
    let day = 86_400;
    for kind in ["sample", "interaction"] {
        for document in of_kind(&app, &person, kind).await {
            assert_eq!(document["ttl"].as_i64().unwrap(), (90 - 29) * day, "{kind}");
        }
    }
    let asked = json!({ "purpose": "voiceStorage", "granted": false, "version": "1.0" });
    person_now.post("/api/v1/users/me/consents").json(&asked).await.expect(201);
    work_account_jobs(&app).await;
    for document in of_kind(&app, &person, "interaction").await {
        assert_eq!(document["ttl"].as_i64().unwrap(), day, "without words it lives thirty days in all");
    }
    assert!(of_kind(&app, &person, "sample").await.iter().all(|sample| sample["ttl"].as_i64().unwrap() <= day));
}

#[tokio::test]
async fn what_was_kept_before_goes_also_when_consent_is_given_again() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let (person, before) = spoken(&app).await;
    app.clock.advance(chrono::Duration::seconds(1));
    consent(&person, "voiceStorage", false).await;
    app.clock.advance(chrono::Duration::seconds(1));
    consent(&person, "voiceStorage", true).await;
    app.clock.advance(chrono::Duration::seconds(1));
    let after = submit(&app, &person).await;
    work_voice_jobs(&app).await;
    work_account_jobs(&app).await;
    let samples = of_kind(&app, &person, "sample").await;
    let kept = |id: &str| samples.iter().find(|sample| sample["id"] == id).unwrap()["kept"].as_bool().unwrap();
    assert_eq!((kept(&before), kept(&after)), (false, true));
    let left = all_blobs(&app).await;
    assert!(!left.iter().any(|path| path.contains(&before)), "{left:?}");
    assert!(left.iter().any(|path| path.starts_with(VOICE_RESULTS) && path.contains(&after)), "{left:?}");
    let items = person.get(HISTORY).await.expect(200).json()["items"].clone();
    assert_eq!(items.as_array().unwrap().iter().filter(|item| item["query"].is_string()).count(), 1);
}

#[tokio::test]
async fn a_ticket_stays_until_nothing_can_be_under_way() {
    let app = TestApp::start_idle(&[]).await;
    let (person, other) = (app.customer().await, app.customer().await);
    consent(&person, "voiceStorage", true).await;
    consent(&person, "voiceStorage", false).await;
    let tickets = || paths(&app, ACCOUNT_JOBS);
    assert_eq!(tickets().await, [format!("pravis/{}/clean-up-voiceStorage.json", person.id)]);
    work_account_jobs(&app).await;
    assert_eq!(tickets().await.len(), 1);
    assert_eq!(app.tick("AccountsJobsReconcile").await, "0 tickets fired again");
    app.clock.advance(chrono::Duration::minutes(6));
    assert_eq!(app.tick("AccountsJobsReconcile").await, "1 tickets fired again");
    // What slipped through is taken the second time: here, words that were written by a request which asked
    // before and died before it asked again.
    consent(&other, "voiceStorage", true).await;
    say(&other, &format!("show me {WORD} sarees")).await;
    let mut late = of_kind(&app, &other, "interaction").await.remove(0);
    for system in ["id", "tenantId", "userId", "ttl"] {
        late.as_object_mut().unwrap().remove(system);
    }
    let id = format!("int_{}", ulid::Ulid::generate());
    late["id"] = json!(id);
    let late = pravis::ports::documents::NewDocument::new(&id, &late).unwrap();
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    app.state.documents.create(&CUSTOMERS, &partition, late).await.unwrap();
    assert!(holds_words(&app, &person).await);
    app.clock.advance(chrono::Duration::minutes(15));
    work_account_jobs(&app).await;
    assert!(!holds_words(&app, &person).await);
    assert_eq!(tickets().await, [""; 0]);
    assert!(holds_words(&app, &other).await, "others are not touched");
}

/// The withdrawal and its clean-up happen before each single call that a voice job makes to a store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_ends_after_the_withdrawal_leaves_nothing() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let mut interleaved = 0;
    for number in 0.. {
        let person = app.customer().await;
        consent(&person, "voiceStorage", true).await;
        consent(&person, "training", true).await;
        let sample = submit(&app, &person).await;
        let steps = Steps::pause_at(number);
        let state = stepped(&app, &steps).await;
        let job = app.fire("VoiceJobsRun", &state);
        let withdrawal = async {
            steps.reached().await;
            consent(&person, "voiceStorage", false).await;
            work_account_jobs(&app).await;
            steps.resume();
        };
        let ended = tokio::select! {
            biased;
            _ = async { tokio::join!(withdrawal, std::future::pending::<()>()) } => unreachable!(),
            outcomes = job => outcomes,
        };
        if !steps.was_reached() {
            ended.into_iter().for_each(|outcome| drop(outcome.unwrap()));
            break;
        }
        interleaved += 1;
        // Whatever came of the job, the host delivers its ticket again as long as there is one.
        work_voice_jobs(&app).await;
        let left: Vec<_> = all_blobs(&app).await.into_iter().filter(|path| path.contains(&sample)).collect();
        assert_eq!(left, [""; 0], "withdrawn before call {number}");
        assert!(!holds_words(&app, &person).await, "withdrawn before call {number}");
        for kind in ["sample", "interaction"] {
            for document in of_kind(&app, &person, kind).await {
                assert_eq!(document["trainingAllowed"], false, "withdrawn before call {number}: {document}");
                assert!(document["status"].is_null() || document["status"] == "completed", "{document}");
            }
        }
    }
    assert!(interleaved >= 8, "only {interleaved} calls");
}

/// The same with an exchange in text, whose request is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_ends_after_the_withdrawal_holds_no_words() {
    let app = TestApp::start_idle(&[]).await;
    let mut interleaved = 0;
    for number in 0.. {
        let person = app.customer().await;
        consent(&person, "voiceStorage", true).await;
        let steps = Steps::pause_at(number);
        let state = stepped(&app, &steps).await;
        let http = app.registry.get("VoiceCommand").unwrap().http_trigger().unwrap();
        let request = pravis::http::Request {
            id: "req".into(),
            method: http::Method::POST,
            path: "/api/v1/voice/command".into(),
            params: Vec::new(),
            query: String::new(),
            headers: [(http::header::CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect(),
            caller: pravis::identity::Caller::Known(person.principal.clone()),
            client: Default::default(),
            body: json!({ "text": format!("show me {WORD} sarees") }).to_string().into(),
        };
        let talk = (http.handler)(state, request);
        let withdrawal = async {
            steps.reached().await;
            consent(&person, "voiceStorage", false).await;
            work_account_jobs(&app).await;
            steps.resume();
            std::future::pending::<()>().await
        };
        tokio::select! {
            biased;
            () = withdrawal => unreachable!(),
            answer = talk => assert_eq!(answer.unwrap().status(), 200),
        }
        if !steps.was_reached() {
            assert!(holds_words(&app, &person).await, "undisturbed, the words are kept");
            break;
        }
        interleaved += 1;
        assert!(!holds_words(&app, &person).await, "withdrawn before call {number}");
    }
    assert!(interleaved >= 3, "only {interleaved} calls");
}

/// The clean-up dies before each single call that it makes to a store, and is delivered again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_up_that_dies_anywhere_is_done_all_the_same() {
    let recogniser = Recogniser::new();
    let app = TestApp::start_idle(&[("PRAVIS_RECOGNISER", &recogniser.command())]).await;
    let mut deaths = 0;
    for number in 0.. {
        let (person, sample) = spoken(&app).await;
        consent(&person, "voiceStorage", false).await;
        let steps = Steps::fail_from(number);
        let outcomes = app.fire("AccountsJobsRun", &stepped(&app, &steps).await).await;
        assert_eq!(outcomes.iter().any(Result::is_err), steps.was_reached(), "call {number}");
        work_account_jobs(&app).await;
        let left: Vec<_> = all_blobs(&app).await.into_iter().filter(|path| path.contains(&sample)).collect();
        assert_eq!((left, holds_words(&app, &person).await), (vec![], false), "died at call {number}");
        // The next round begins without tickets.
        app.clock.advance(chrono::Duration::minutes(21));
        work_account_jobs(&app).await;
        if !steps.was_reached() {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 10, "only {deaths} calls");
}
