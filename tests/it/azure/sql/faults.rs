//! Connections that break, servers that refuse: what is stored, what is told.

use std::time::{Duration, Instant};

use pravis::adapters::reporting::SqlLimits;
use pravis::ports::PortErrorKind;
use pravis::ports::reporting::{Comparison, ReportingDb};

use super::{connect, quick, red, stored, with_sales};
use crate::conformance::reporting::{SALES, select, text};
use crate::support::sql_server::{Fault, SqlServer};

/// The requests of one upsert, in their order.
const UPSERT: [&str; 8] =
    ["BEGIN", "CREATE TABLE #", "SELECT TOP 0", "INSERT BULK", "BULK", "MERGE", "DROP TABLE", "COMMIT"];
const BREAKS: [Fault; 3] = [Fault::Drop, Fault::DropInAnswer, Fault::DropAfter];

fn named(order: &str) -> Vec<Comparison> {
    vec![Comparison::Equal("order", text(order))]
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_point_costs_an_upsert_nothing() {
    let (server, db) = with_sales(quick()).await;
    let mut expected = Vec::new();
    for request in UPSERT {
        for (at, fault) in BREAKS.into_iter().enumerate() {
            let (one, two) = (format!("{request} {at} a"), format!("{request} {at} b"));
            server.faults().add(request, 1, fault.clone());
            db.upsert(&SALES, vec![red(&one, 1), red(&two, 2)])
                .await
                .unwrap_or_else(|error| panic!("{fault:?} at {request}: {error:?}"));
            assert!(server.faults().take(request).is_none(), "{request} was not met");
            expected.extend([(one, 1), (two, 2)]);
            expected.sort();
            assert_eq!(stored(&db).await, expected, "{fault:?} at {request}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_keeps_breaking_leaves_nothing_behind() {
    for request in UPSERT.into_iter().filter(|request| *request != "COMMIT") {
        let (server, db) = with_sales(quick()).await;
        server.faults().add(request, usize::MAX, Fault::DropAfter);
        let before = server.count(request);
        let error = db.upsert(&SALES, vec![red("a", 1), red("b", 2)]).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{request}");
        assert_eq!(server.count(request) - before, 4, "attempts at {request}");
        server.faults().clear();
        assert!(stored(&db).await.is_empty(), "{request}");
    }
}

#[tokio::test]
async fn a_large_upsert_is_all_or_nothing() {
    let (server, db) = with_sales(quick()).await;
    // The second of three parts is refused for good.
    let rows = || (0..12_000).map(|n| red(&format!("{n:05}"), n)).collect::<Vec<_>>();
    server.faults().add("TRUNCATE", 1, Fault::Refuse(229));
    assert_eq!(db.upsert(&SALES, rows()).await.unwrap_err().kind(), PortErrorKind::Unavailable);
    assert!(stored(&db).await.is_empty());
    db.upsert(&SALES, rows()).await.unwrap();
    let all = pravis::ports::reporting::Projection::Count;
    let count = pravis::ports::reporting::Select { projections: vec![all], order: vec![], ..select(&SALES, &[]) };
    assert_eq!(db.select(count).await.unwrap(), [[pravis::ports::reporting::Cell::Integer(12_000)]]);
    assert_eq!(server.count("MERGE"), 1 + 3);
}

#[tokio::test]
async fn passing_refusals_are_repeated() {
    let (server, db) = with_sales(quick()).await;
    let cases =
        [("MERGE", 1205), ("BEGIN", 40501), ("BULK", 40197), ("MERGE", 49919), ("COMMIT", 40613), ("MERGE", 1222)];
    for (n, (request, number)) in (0..).zip(cases) {
        server.faults().add(request, 2, Fault::Refuse(number));
        db.upsert(&SALES, vec![red("a", n)]).await.unwrap_or_else(|error| panic!("{number} at {request}: {error:?}"));
        assert_eq!(stored(&db).await, [("a".to_owned(), n)], "{number} at {request}");
    }
    for number in [4060, 40613, 10928] {
        server.disconnect();
        server.faults().add("LOGIN", 2, Fault::Refuse(number));
        assert_eq!(stored(&db).await.len(), 1, "{number}");
    }
}

#[tokio::test]
async fn refusals_are_repeated_only_so_often_and_only_where_it_helps() {
    let cases = [
        (1205, PortErrorKind::Throttled, 4),
        (10929, PortErrorKind::Throttled, 4),
        (40613, PortErrorKind::Unavailable, 4),
        (229, PortErrorKind::Unavailable, 1),
        (208, PortErrorKind::Unavailable, 1),
        (8115, PortErrorKind::InvalidRequest, 1),
        (2628, PortErrorKind::InvalidRequest, 1),
        (102, PortErrorKind::InvalidRequest, 1),
    ];
    let (server, db) = with_sales(quick()).await;
    for (number, kind, attempts) in cases {
        let before = server.count("SELECT TOP (@P1)");
        server.faults().add("SELECT TOP (@P1)", attempts, Fault::Refuse(number));
        let error = db.select(select(&SALES, &["order"])).await;
        assert_eq!(server.count("SELECT TOP (@P1)") - before, attempts, "{number}");
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_deletion_is_repeated_until_its_commit_and_not_after() {
    let (server, db) = with_sales(quick()).await;
    for (request, fault) in
        [("BEGIN", Fault::DropAfter), ("DELETE", Fault::DropInAnswer), ("DELETE", Fault::Refuse(1205))]
    {
        db.upsert(&SALES, vec![red("a", 1), red("b", 2)]).await.unwrap();
        server.faults().add(request, 1, fault.clone());
        assert_eq!(db.delete(&SALES, named("a")).await.unwrap(), 1, "{fault:?} at {request}");
        assert_eq!(stored(&db).await.len(), 1);
    }
    for (fault, left) in [(Fault::DropAfter, 0), (Fault::Drop, 1)] {
        db.upsert(&SALES, vec![red("b", 2)]).await.unwrap();
        server.faults().add("COMMIT", 1, fault);
        let deletions = server.count("DELETE");
        let error = db.delete(&SALES, named("b")).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "how many went cannot be known");
        assert_eq!(server.count("DELETE"), deletions + 1);
        assert_eq!(stored(&db).await.len(), left);
    }
}

#[tokio::test]
async fn a_broken_answer_is_asked_for_again() {
    let (server, db) = with_sales(quick()).await;
    db.upsert(&SALES, (0..500).map(|n| red(&format!("{n:03}"), n)).collect()).await.unwrap();
    for fault in BREAKS {
        server.faults().add("SELECT TOP (@P1)", 3, fault);
        let rows = stored(&db).await;
        assert!((0..500).eq(rows.into_iter().map(|(_, paise)| paise)));
    }
}

#[tokio::test]
async fn a_migration_survives_breaks() {
    for (request, fault) in [
        ("sp_getapplock", Fault::DropAfter),
        ("CREATE TABLE [", Fault::DropAfter),
        ("CREATE INDEX", Fault::DropInAnswer),
        ("COMMIT", Fault::Drop),
        ("COMMIT", Fault::DropAfter),
        ("CREATE TABLE [", Fault::Refuse(1205)),
    ] {
        let server = SqlServer::start();
        server.faults().add(request, 1, fault.clone());
        let db = connect(&server.url(), quick());
        db.migrate(const { &[&SALES] }).await.unwrap_or_else(|error| panic!("{fault:?} at {request}: {error:?}"));
        db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
        assert_eq!(stored(&db).await.len(), 1, "{fault:?} at {request}");
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_no_table() {
    let server = SqlServer::start();
    let db = connect(&server.url(), quick());
    server.faults().add("CREATE INDEX [sales_by_group]", 1, Fault::Refuse(262));
    assert_eq!(db.migrate(const { &[&SALES] }).await.unwrap_err().kind(), PortErrorKind::Unavailable);
    assert_eq!(db.select(select(&SALES, &["order"])).await.unwrap_err().kind(), PortErrorKind::Unavailable);
    db.migrate(const { &[&SALES] }).await.unwrap();
    assert!(stored(&db).await.is_empty());
}

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    let server = SqlServer::start();
    let starts = (0..6).map(|_| {
        let db = connect(&server.url(), quick());
        async move { db.migrate(const { &[&SALES] }).await }
    });
    assert!(futures_util::future::join_all(starts).await.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!((server.count("CREATE TABLE ["), server.count("CREATE INDEX")), (1, 2));
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time_and_its_connection_with_it() {
    let limits = SqlLimits { read: Duration::from_millis(300), write: Duration::from_millis(600), ..quick() };
    let (server, db) = with_sales(limits).await;
    db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
    assert_eq!(stored(&db).await.len(), 1);
    let logins = server.logins().len();

    server.faults().add("SELECT TOP (@P1)", 1, Fault::Hold);
    let started = Instant::now();
    let error = db.select(select(&SALES, &["order"])).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::TimedOut);
    assert!((300..5000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    // Its late answer would be taken for that to the next question.
    server.faults().release();
    assert_eq!(stored(&db).await, [("a".to_owned(), 1)]);
    assert_eq!(server.logins().len(), logins + 1);

    server.faults().add("MERGE", 1, Fault::Hold);
    let error = db.upsert(&SALES, vec![red("b", 2)]).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::TimedOut);
    server.faults().release();
    db.upsert(&SALES, vec![red("c", 3)]).await.unwrap();
    assert_eq!(stored(&db).await, [("a".to_owned(), 1), ("c".to_owned(), 3)]);
}

#[tokio::test]
async fn a_replica_that_lags_answers_with_what_it_has() {
    let (server, db) = with_sales(quick()).await;
    db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
    server.hold_replica();
    db.upsert(&SALES, vec![red("a", 2), red("b", 1)]).await.unwrap();
    assert_eq!(stored(&db).await, [("a".to_owned(), 1)]);
    server.release_replica();
    assert_eq!(stored(&db).await, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
}

#[tokio::test]
async fn a_replica_without_the_table_yet_is_unavailable() {
    let server = SqlServer::start();
    server.hold_replica();
    let db = connect(&server.url(), quick());
    db.migrate(const { &[&SALES] }).await.unwrap();
    let error = db.select(select(&SALES, &["order"])).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    server.release_replica();
    assert!(stored(&db).await.is_empty());
}
