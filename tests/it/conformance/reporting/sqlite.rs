//! The suite on the embedded database, and what only that promises.

use std::sync::Arc;

use pravis::adapters::reporting::SqliteReporting;
use pravis::ports::reporting::ReportingDb;

use super::{SALES, Subject, reporting_suite, sale, select, text};

reporting_suite!(subject);

async fn subject() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let db = SqliteReporting::open(&folder.path().join("reporting.db")).unwrap();
    Subject { db: Arc::new(db), _kept: Box::new(folder) }
}

#[tokio::test]
async fn what_is_dropped_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reporting.db");
    let first = SqliteReporting::open(&path).unwrap();
    first.migrate(const { &[&SALES] }).await.unwrap();
    let second = SqliteReporting::open(&path).unwrap();
    second.migrate(const { &[&SALES] }).await.unwrap();
    first.upsert(&SALES, vec![sale("a", "red", 1, None, 0)]).await.unwrap();
    assert_eq!(second.select(select(&SALES, &["order"])).await.unwrap(), [[text("a")]]);
    drop((first, second));
    let third = SqliteReporting::open(&path).unwrap();
    assert_eq!(third.select(select(&SALES, &["order"])).await.unwrap(), [[text("a")]]);
}
