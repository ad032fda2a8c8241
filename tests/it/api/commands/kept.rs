//! What is kept of an exchange: with consent what was said, without it none of the words; and its
//! owner can take all of it away.

use pravis::containers::{CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::documents::{Query, Scope};
use pravis::ports::reporting::{Cell, Comparison, Projection, Select};
use pravis::services::analytics;
use pravis::types::TenantId;
use serde_json::json;

use super::say;
use crate::support::app::{Person, TestApp, eventually};

const HISTORY: &str = "/api/v1/voice/history";

async fn consent(person: &Person, granted: bool) {
    let asked = json!({ "purpose": "voiceStorage", "granted": granted, "version": "1.0" });
    person.post("/api/v1/users/me/consents").json(&asked).await.expect(201);
}

/// Everything that is stored of a customer, as text.
async fn stored(app: &TestApp, person: &Person) -> String {
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let all = Query { limit: 500, ..Query::default() };
    let page = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), all).await.unwrap();
    page.items.iter().map(|document| document.body.get().to_owned()).collect::<Vec<_>>().join("\n").to_lowercase()
}

#[tokio::test]
async fn without_consent_no_word_is_kept() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    for said in ["show me zanzibari sarees", "zanzibar", "call me on 9848012345", "add the zanzibar saree to my cart"] {
        let answer = say(&person, said).await;
        assert!(answer["interactionId"].as_str().unwrap().starts_with("int_"));
    }
    let listed = person.get(HISTORY).await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
    assert!(listed["items"].as_array().unwrap().iter().all(|item| item["query"].is_null()));
    let stored = stored(&app, &person).await;
    assert!(stored.contains("interaction"), "there is something to look through");
    for word in ["zanzibar", "9848012345"] {
        assert!(!stored.contains(word), "{word} is kept without consent");
    }
}

#[tokio::test]
async fn with_consent_the_words_are_kept_until_it_is_withdrawn() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    consent(&person, true).await;
    let first = say(&person, "show me zanzibari sarees").await;
    let items = person.get(HISTORY).await.expect(200).json()["items"].clone();
    let [kept] = &items.as_array().unwrap()[..] else { panic!("{items}") };
    assert_eq!(kept["query"], "show me zanzibari sarees");
    assert_eq!(kept["id"], first["interactionId"]);
    assert_eq!((kept["intent"].as_str(), kept["language"].as_str()), (Some("search"), Some("en-IN")));
    assert_eq!(kept["createdAt"].as_str().unwrap().get(..19), Some("2026-01-15T06:30:00"));
    consent(&person, false).await;
    say(&person, "show me katanga sarees").await;
    app.clock.advance(chrono::Duration::seconds(1));
    assert!(!stored(&app, &person).await.contains("katanga"));
    let forgotten = || async { (!stored(&app, &person).await.contains("zanzibar")).then_some(()) };
    eventually("what was kept before is gone", forgotten).await;
    let items = person.get(HISTORY).await.expect(200).json()["items"].clone();
    assert!(
        items.as_array().unwrap().len() == 2 && items.as_array().unwrap().iter().all(|item| item["query"].is_null())
    );
}

#[tokio::test]
async fn a_history_is_listed_newest_first_page_by_page() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    let mut said = Vec::new();
    for _ in 0..7 {
        said.push(say(&person, "silk sarees").await["interactionId"].clone());
        app.clock.advance(chrono::Duration::seconds(1));
    }
    say(&other, "help").await;
    say(&app.client(), "help").await;
    said.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..5 {
        let page = person.get(&format!("{HISTORY}?limit=3{cursor}")).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, said);
    for bad in ["cursor=nonsense", "cursor=%00", "limit=0", "limit=101"] {
        person.get(&format!("{HISTORY}?{bad}")).await.problem(422, Code::ValidationFailed);
    }
    // A cursor shows nobody else's pages.
    let theirs = person.get(&format!("{HISTORY}?limit=3")).await.json()["next"].as_str().unwrap().to_owned();
    let answer = other.get(&format!("{HISTORY}?limit=3&cursor={theirs}")).await;
    assert!(answer.status == 422 || answer.json()["items"].as_array().unwrap().len() <= 1);
    assert!(seen.iter().all(|id| !answer.text().contains(id.as_str().unwrap())));
}

#[tokio::test]
async fn exchanges_are_deleted_one_by_one_or_all() {
    let app = TestApp::start().await;
    let (person, other) = (app.customer().await, app.customer().await);
    let id = say(&person, "silk sarees").await["interactionId"].as_str().unwrap().to_owned();
    say(&person, "help").await;
    say(&other, "help").await;
    let gone = person.delete(&format!("{HISTORY}/{id}")).await.expect(200).json();
    assert_eq!((gone["success"].as_bool(), gone["interactions"].as_u64()), (Some(true), Some(1)));
    person.delete(&format!("{HISTORY}/{id}")).await.problem(404, Code::NotFound);
    // Nothing else of the account goes by this way.
    person.delete(&format!("{HISTORY}/{}", person.id)).await.problem(404, Code::NotFound);
    let sample = json!({ "contentType": "audio/wav" });
    person.post("/api/v1/voice/samples").json(&sample).await.expect(201);
    for path in [HISTORY, "/api/v1/voice/clear-history"] {
        let cleared = person.delete(path).await.expect(200).json();
        let counts = (cleared["interactions"].as_u64(), cleared["samples"].as_u64());
        assert_eq!(counts, if path == HISTORY { (Some(1), Some(1)) } else { (Some(0), Some(0)) });
        assert!(cleared["message"].is_string());
    }
    assert_eq!(person.get(HISTORY).await.json()["items"], json!([]));
    assert_eq!(person.get("/api/v1/voice/samples").await.json()["items"], json!([]));
    assert_eq!(other.get(HISTORY).await.json()["items"].as_array().unwrap().len(), 1);
    person.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn every_exchange_reaches_the_reports_once_and_without_words() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    consent(&person, true).await;
    let exchanges = [say(&person, "show me zanzibari silk sarees").await, say(&app.client(), "open the cart").await];
    for answer in exchanges {
        let interaction = answer["interactionId"].as_str().unwrap();
        let event = Cell::Text(interaction.replacen("int_", "evt_", 1));
        let ask = || async {
            let table = *analytics::TABLES.first().unwrap();
            let select = Select {
                table,
                projections: table.columns.iter().map(|column| Projection::Column(column.name)).collect(),
                filters: vec![Comparison::Equal("event_id", event.clone())],
                order: Vec::new(),
                limit: 10,
            };
            let rows = app.state.reporting.select(select).await.unwrap();
            (!rows.is_empty()).then_some(rows)
        };
        let rows = eventually("the fact in the reports", ask).await;
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert!(row.contains(&Cell::Text("voice.interaction".into())), "{row:?}");
        assert!(row.contains(&Cell::Text(answer["intent"].as_str().unwrap().into())), "{row:?}");
        assert!(row.contains(&Cell::Integer(answer["total"].as_i64().unwrap())), "{row:?}");
        assert!(!format!("{row:?}").contains("zanzibar"));
    }
}
