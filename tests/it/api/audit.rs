//! The audit log: what it tells, who reads it, and that neither a flood nor a failing store harms it.

use chrono::Duration;
use pravis::audit::{AuditLog, Note, Origin, Outcome, actions};
use pravis::containers::{AUDIT, CUSTOMERS, customer};
use pravis::error::Code;
use pravis::ports::documents::{NewDocument, PartitionKey, Query, Scope};
use pravis::types::TenantId;
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, eventually};

const AUDIT_LOG: &str = "/api/v1/admin/audit";

/// The records that a search finds, on all its pages.
async fn records(staff: &Person, query: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = staff.get(&format!("{AUDIT_LOG}?{query}{cursor}")).await.expect(200).json();
        found.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

/// The first record that a search finds, once there is one.
async fn recorded(app: &TestApp, staff: &Person, query: &str) -> Value {
    eventually(query, || async {
        app.state.audit.flush().await.unwrap();
        records(staff, query).await.into_iter().next()
    })
    .await
}

#[tokio::test]
async fn what_happens_to_an_account_is_recorded_with_who_and_from_where() {
    let app = TestApp::start().await;
    let (staff, person) = (app.staff().await, app.customer().await);
    let consent = json!({ "purpose": "training", "granted": true, "version": "1.0" });
    let agreed =
        person.post("/api/v1/users/me/consents").header("user-agent", "A phone").json(&consent).await.expect(201);
    let record = recorded(&app, &staff, &format!("action=consent.changed&subject={}", person.id)).await;
    assert_eq!(record["actor"], person.id.as_str());
    assert_eq!(record["outcome"], "succeeded");
    assert_eq!(record["details"], consent);
    assert_eq!((&record["network"], &record["device"]), (&json!("127.0.0.0/24"), &json!("A phone")));
    assert_eq!(record["requestId"], agreed.header("x-request-id"));
    assert_eq!(record["at"], "2026-01-15T06:30:00.000000Z");
    recorded(&app, &staff, &format!("action=account.registered&subject={}", person.id)).await;
    person.post("/api/v1/auth/logout").await.expect(200);
    let ended = recorded(&app, &staff, &format!("action=session.ended&subject={}", person.id)).await;
    assert_eq!(ended["details"]["of"], person.principal.session().unwrap().as_str());
}

#[tokio::test]
async fn failed_sign_ins_are_counted_by_account_and_network_and_name_nobody() {
    let app = TestApp::start().await;
    let (staff, person) = (app.staff().await, app.customer().await);
    let guesser = app.client_at([127, 0, 9, 1]);
    let guess = |email: &str| {
        let asked = json!({ "email": email, "password": "wrong-password" });
        guesser.post("/api/v1/auth/login").json(&asked).into_future()
    };
    for _ in 0..10 {
        guess(&person.email).await.problem(401, Code::InvalidCredentials);
    }
    for _ in 0..3 {
        guess(&person.email).await.problem(429, Code::TooManyRequests);
    }
    guess("nobody@example.in").await.problem(401, Code::InvalidCredentials);
    app.clock.advance(Duration::seconds(61));
    let count = async |query: &str| {
        app.state.audit.flush().await.unwrap();
        let records = records(&staff, query).await;
        records.iter().map(|record| record["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(count(&format!("action=login.failed&subject={}", person.id)).await, [10]);
    assert_eq!(count(&format!("action=login.throttled&subject={}", person.id)).await, [3]);
    let all = records(&staff, "action=login.failed").await;
    let unknown = all.iter().find(|record| record["subject"].is_null()).expect("a record of the unknown address");
    assert_eq!((&unknown["details"]["account"], &unknown["network"]), (&json!("unknown"), &json!("127.0.9.0/24")));
    let text = json!(all).to_string();
    assert!(!text.contains("@") && !text.contains("wrong-password") && !text.contains("127.0.9.1"), "{text}");
}

#[tokio::test]
async fn refusals_are_recorded_and_expired_tokens_are_not() {
    let app = TestApp::start().await;
    let (staff, person) = (app.staff().await, app.customer().await);
    person.get(AUDIT_LOG).await.problem(403, Code::NotPermitted);
    app.client().with_token("nonsense").get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    let refused = recorded(&app, &staff, &format!("action=access.refused&actor={}", person.id)).await;
    assert_eq!(refused["details"]["reason"], "OpsAuditList");
    recorded(&app, &staff, "action=token.refused").await;
    app.clock.advance(Duration::minutes(20));
    person.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    app.state.audit.flush().await.unwrap();
    let staff = app.staff().await;
    assert_eq!(records(&staff, "action=token.refused").await.len(), 1);
}

#[tokio::test]
async fn only_staff_reads_it_and_only_of_its_own_boutique() {
    let app = TestApp::start().await;
    app.client().get(AUDIT_LOG).await.problem(401, Code::NotAuthenticated);
    app.customer().await.get(AUDIT_LOG).await.problem(403, Code::NotPermitted);
    let record = json!({
        "id": "evt_1", "at": "2026-01-15T06:00:00.000000Z", "action": "role.changed", "outcome": "succeeded", "actor": null,
        "subject": null, "network": null, "device": null, "requestId": null, "count": 1,
        "lastAt": "2026-01-15T06:00:00.000000Z", "details": {},
    });
    let rivals = PartitionKey::of(["rival", "2026-01-15"]);
    app.state.documents.create(&AUDIT, &rivals, NewDocument::new("evt_1", &record).unwrap()).await.unwrap();
    assert_eq!(records(&app.admin().await, "action=role.changed").await, Vec::<Value>::new());
    // Nothing but reading is offered.
    for (name, function) in app.http_functions().filter(|(_, function)| function.route.contains("audit")) {
        assert_eq!(function.method, http::Method::GET, "{name}");
    }
}

#[tokio::test]
async fn a_search_goes_back_in_time_page_by_page_and_day_by_day() {
    let app = TestApp::start().await;
    let start = app.state.clock.now();
    let mut expected = Vec::new();
    for number in 0..25 {
        let at = start - Duration::hours(9 * number);
        let id = format!("evt_{number:02}");
        let record = json!({
            "id": id, "at": at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true), "action": "role.changed",
            "outcome": "succeeded", "actor": format!("usr_{}", number % 2), "subject": "usr_9", "network": null,
            "device": null, "requestId": null, "count": 1, "lastAt": at, "details": {},
        });
        let partition = PartitionKey::of(["pravis", &at.date_naive().to_string()]);
        app.state.documents.create(&AUDIT, &partition, NewDocument::new(id.as_str(), &record).unwrap()).await.unwrap();
        expected.push(id);
    }
    let staff = app.staff().await;
    let ids = async |query: &str| {
        let found = records(&staff, query).await;
        found.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let range = "action=role.changed&from=2026-01-01T00:00:00Z&to=2026-01-16T00:00:00Z";
    for limit in [1, 2, 7, 25, 100] {
        assert_eq!(ids(&format!("{range}&limit={limit}")).await, expected, "{limit} a page");
    }
    let odd: Vec<_> = expected.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(ids(&format!("{range}&actor=usr_1&limit=3")).await, odd);
    // The beginning belongs to the range, its end does not.
    let between = "action=role.changed&from=2026-01-14T12:30:00Z&to=2026-01-15T06:30:00Z";
    assert_eq!(ids(between).await, expected[1..=2]);
    assert_eq!(ids(&format!("{range}&subject=usr_8")).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_search_that_is_none_is_refused_with_what_is_allowed() {
    let app = TestApp::start().await;
    let staff = app.staff().await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("from=2026-01-16T00:00:00Z&to=2026-01-15T00:00:00Z", "from"),
        ("from=2025-01-01T00:00:00Z&to=2026-01-15T00:00:00Z", "from"),
        ("to=-262143-01-01T00:00:00Z", "to"),
        ("action=nonsense", "action"),
        ("actor=", "actor"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=e30", "cursor"),
    ] {
        assert_eq!(staff.get(&format!("{AUDIT_LOG}?{query}")).await.refused_fields(), [field], "{query}");
    }
    for _ in 0..2 {
        app.customer().await;
    }
    eventually("two records", || async {
        (records(&staff, "action=account.registered").await.len() > 1).then_some(())
    })
    .await;
    let page = staff.get(&format!("{AUDIT_LOG}?action=account.registered&limit=1")).await.expect(200).json();
    let cursor = page["next"].as_str().expect("there is another page");
    let other = staff.get(&format!("{AUDIT_LOG}?action=role.changed&limit=1&cursor={cursor}")).await;
    assert_eq!(other.refused_fields(), ["cursor"]);
}

#[tokio::test]
async fn an_event_that_is_told_again_is_recorded_once() {
    let app = TestApp::start().await;
    let (staff, person) = (app.staff().await, app.customer().await);
    recorded(&app, &staff, &format!("action=account.registered&subject={}", person.id)).await;
    let partition = customer(&TenantId::pravis(), person.id.as_str());
    let query = Query { limit: 100, ..Query::default() };
    let stored = app.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.unwrap();
    let changed: Vec<Value> = stored.items.iter().map(|document| document.read().unwrap()).collect();
    for _ in 0..3 {
        app.changed("OpsAuditRecord", changed.clone()).await;
    }
    assert_eq!(records(&staff, &format!("action=account.registered&subject={}", person.id)).await.len(), 1);
}

#[tokio::test]
async fn a_flood_is_a_bounded_number_of_records() {
    let app = TestApp::start().await;
    let log = AuditLog::new(app.state.documents.clone(), app.state.clock.clone());
    for number in 0..20_000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let origin = Origin::from_parts(Some([10, b, c, d].into()), None, "req_1");
        log.note(Note {
            tenant: TenantId::pravis(),
            action: actions::TOKEN_REFUSED,
            outcome: Outcome::Refused,
            actor: Some(number.to_string()),
            subject: None,
            origin,
            reason: "invalidToken",
        });
    }
    app.clock.advance(Duration::seconds(61));
    log.flush().await.unwrap();
    let found = records(&app.staff().await, "action=token.refused&limit=100").await;
    assert!(found.len() <= 501, "{}", found.len());
    assert_eq!(found.iter().map(|record| record["count"].as_u64().unwrap()).sum::<u64>(), 20_000);
}

#[tokio::test]
async fn records_end_after_a_year() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    recorded(&app, &app.staff().await, &format!("subject={}", person.id)).await;
    let search = "from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z";
    app.clock.advance(Duration::days(364));
    assert!(!records(&app.staff().await, search).await.is_empty());
    app.clock.advance(Duration::days(2));
    assert!(records(&app.staff().await, search).await.is_empty());
}
