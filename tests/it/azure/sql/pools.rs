//! How many connections there are, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pravis::adapters::reporting::{AzureSql, SqlLimits};
use pravis::ports::PortErrorKind;
use pravis::ports::reporting::{Comparison, ReportingDb};

use super::{connect, quick, red, stored, until, with_sales};
use crate::conformance::reporting::{SALES, select, text};
use crate::support::sql_server::Fault;

async fn asks(db: Arc<AzureSql>) -> usize {
    db.select(select(&SALES, &["order"])).await.unwrap().len()
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    let (server, db) = with_sales(quick()).await;
    for n in 0..20 {
        db.upsert(&SALES, vec![red("a", n)]).await.unwrap();
        assert_eq!(stored(&db).await, [("a".to_owned(), n)]);
    }
    assert_eq!(server.logins().len(), 2, "one to write, one to read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_take_turns() {
    let (server, first) = with_sales(quick()).await;
    first.upsert(&SALES, vec![red("a", 1), red("b", 2)]).await.unwrap();
    drop(first);
    until("the first adapter's connections are closed", || server.sessions() == 0).await;
    let db = Arc::new(connect(&format!("{};Max Pool Size=5", server.url()), quick()));
    // Five are in use at the same time, and no more.
    server.faults().add("SELECT TOP (@P1)", 5, Fault::Hold);
    let calls: Vec<_> = (0..200).map(|_| tokio::spawn(asks(db.clone()))).collect();
    until("five are held", || server.faults().held() == 5).await;
    assert_eq!(server.sessions(), 5);
    server.faults().release();
    assert!(join_all(calls).await.into_iter().all(|rows| rows.unwrap() == 2));
    assert_eq!((server.most_sessions(), server.logins().iter().filter(|login| login.read_only).count()), (5, 5));
}

#[tokio::test]
async fn waiting_for_a_connection_has_an_end() {
    let (server, db) = with_sales(SqlLimits { connections: 2, wait: Duration::from_millis(100), ..quick() }).await;
    let db = Arc::new(db);
    server.faults().add("SELECT TOP (@P1)", 2, Fault::Hold);
    let held = [tokio::spawn(asks(db.clone())), tokio::spawn(asks(db.clone()))];
    until("both are held", || server.faults().held() == 2).await;
    let error = db.select(select(&SALES, &["order"])).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Throttled);
    assert!(error.retry_after().is_some());
    server.faults().release();
    for call in held {
        assert_eq!(call.await.unwrap(), 0);
    }
    assert_eq!(asks(db).await, 0);
}

#[tokio::test]
async fn callers_that_go_away_leave_no_place_taken() {
    let (server, db) = with_sales(SqlLimits { connections: 3, ..quick() }).await;
    let db = Arc::new(db);
    for _ in 0..3 {
        // More than there are places: some are dropped while they wait for one.
        server.faults().add("SELECT TOP (@P1)", 3, Fault::Hold);
        let calls: Vec<_> = (0..8).map(|_| tokio::spawn(asks(db.clone()))).collect();
        until("all places are in use", || server.faults().held() == 3).await;
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(join_all(calls).await.into_iter().all(|call| call.unwrap_err().is_cancelled()));
        server.faults().release();
        until("none is held", || server.faults().held() == 0).await;
    }
    assert!(join_all((0..30).map(|_| asks(db.clone()))).await.into_iter().all(|rows| rows == 0));
    until("only the pools' connections are left", || server.sessions() <= 3 + 1).await;
}

#[tokio::test]
async fn callers_that_go_away_while_logging_in_leave_no_place_taken() {
    let (server, db) = with_sales(SqlLimits { connections: 1, ..quick() }).await;
    let db = Arc::new(db);
    server.faults().add("LOGIN", 1, Fault::Hold);
    let call = tokio::spawn(asks(db.clone()));
    until("the login is held", || server.faults().held() == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(asks(db).await, 0);
    server.faults().release();
}

#[tokio::test]
async fn a_writer_that_goes_away_leaves_nothing_half_written() {
    let (server, db) = with_sales(SqlLimits { connections: 1, ..quick() }).await;
    let db = Arc::new(db);
    server.faults().add("COMMIT", 1, Fault::Hold);
    server.faults().add("MERGE", 1, Fault::Hold);
    let writer = db.clone();
    let call = tokio::spawn(async move { writer.upsert(&SALES, vec![red("a", 1), red("b", 2)]).await });
    until("the rows are about to be merged", || server.faults().held() == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    server.faults().clear();
    server.faults().release();
    db.upsert(&SALES, vec![red("c", 3)]).await.unwrap();
    assert_eq!(stored(&db).await, [("c".to_owned(), 3)]);
}

#[tokio::test]
async fn connections_that_died_unnoticed_are_replaced() {
    let (server, db) = with_sales(quick()).await;
    for n in 0..3 {
        db.upsert(&SALES, vec![red("a", n)]).await.unwrap();
        assert_eq!(stored(&db).await, [("a".to_owned(), n)]);
        server.disconnect();
    }
}

#[tokio::test]
async fn connections_that_were_idle_are_tried_before_use() {
    let (server, db) = with_sales(SqlLimits { trust: Duration::ZERO, ..quick() }).await;
    db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
    assert_eq!(stored(&db).await.len(), 1);
    let (logins, tried) = (server.logins().len(), server.count("SELECT 1"));
    for fault in [Fault::Refuse(40197), Fault::Drop, Fault::DropInAnswer] {
        server.faults().add("SELECT 1", 1, fault);
        let deleted = db.delete(&SALES, vec![Comparison::Equal("order", text("b"))]).await.unwrap();
        assert_eq!(deleted, 0);
    }
    assert_eq!((server.logins().len() - logins, server.count("SELECT 1") - tried), (3, 3));
    db.upsert(&SALES, vec![red("a", 2)]).await.unwrap();
    assert_eq!((server.logins().len() - logins, server.count("SELECT 1") - tried), (3, 4));
}
