//! The suite on Azure SQL's adapter, through its driver, against a server of the tests.

use std::sync::Arc;

use pravis::adapters::reporting::{AzureSql, SqlLimits};

use super::{Subject, reporting_suite};
use crate::azure::sql::{NoCredential, settings};
use crate::support::sql_server::SqlServer;

reporting_suite!(subject);

async fn subject() -> Subject {
    let server = SqlServer::start();
    let db = AzureSql::new(&settings(&server.url()), None, Arc::new(NoCredential), SqlLimits::default()).unwrap();
    Subject { db: Arc::new(db), _kept: Box::new(server) }
}
