//! The suite on Azure SQL's adapter, through its driver: against a server of the tests, or, when
//! `PRAVIS_TEST_SQL_URL` holds a connection string, against that server, one case at a time. The tables of the
//! suite are dropped from its database.

use std::sync::{Arc, LazyLock};

use pravis::adapters::reporting::{AzureSql, SqlLimits};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::{Subject, reporting_suite};
use crate::azure::sql::{NoCredential, settings};
use crate::support::sql_server::SqlServer;

reporting_suite!(subject);

/// Held by the case that has the real server.
static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

async fn subject() -> Subject {
    match std::env::var("PRAVIS_TEST_SQL_URL") {
        Ok(url) => {
            let turn = TURN.clone().lock_owned().await;
            empty(&url).await;
            on(&url, Box::new(turn))
        }
        Err(_) => {
            let server = SqlServer::start();
            on(&server.url(), Box::new(server))
        }
    }
}

fn on(url: &str, kept: Box<dyn std::any::Any + Send + Sync>) -> Subject {
    let db = AzureSql::new(&settings(url), None, Arc::new(NoCredential), SqlLimits::default()).unwrap();
    Subject { db: Arc::new(db), _kept: kept }
}

async fn empty(url: &str) {
    let config = tiberius::Config::from_ado_string(url).expect("PRAVIS_TEST_SQL_URL: an ADO.NET connection string");
    let stream = TcpStream::connect(config.get_addr()).await.expect("the server of PRAVIS_TEST_SQL_URL");
    let mut client = tiberius::Client::connect(config, stream.compat_write()).await.expect("a login there");
    let tables = "DROP TABLE IF EXISTS [sales], [visits], [pairs]";
    client.simple_query(tables).await.unwrap().into_results().await.unwrap();
}
