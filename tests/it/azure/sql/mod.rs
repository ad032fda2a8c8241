//! Azure SQL: logins, pools, faults, and what its columns hold.

mod faults;
mod logins;
mod pools;
mod values;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use pravis::adapters::reporting::{AzureSql, SqlLimits};
use pravis::ports::reporting::{Cell, ReportingDb, Row};
use pravis::ports::secrets::Secret;
use pravis::settings::SqlSettings;

use crate::conformance::reporting::{SALES, sale, select};
use crate::support::sql_server::SqlServer;

/// Whoever asks it for a token has gone wrong.
#[derive(Debug)]
pub struct NoCredential;

#[async_trait::async_trait]
impl TokenCredential for NoCredential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        panic!("a login by password needs no token")
    }
}

/// Gives tokens out, and remembers for what.
#[derive(Debug)]
struct Tokens {
    token: Mutex<String>,
    scopes: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl TokenCredential for Tokens {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.scopes.lock().unwrap().extend(scopes.iter().map(|scope| (*scope).to_owned()));
        let expires = (std::time::SystemTime::now() + Duration::from_secs(3600)).into();
        Ok(AccessToken::new(self.token.lock().unwrap().clone(), expires))
    }
}

/// One connection string for both pools, with its password.
pub fn settings(url: &str) -> SqlSettings {
    SqlSettings { write: Secret::new(url), read: None, password: None }
}

/// Limits for servers that are near.
fn quick() -> SqlLimits {
    SqlLimits {
        write: Duration::from_secs(20),
        read: Duration::from_secs(20),
        migration: Duration::from_secs(20),
        connect: Duration::from_secs(10),
        wait: Duration::from_secs(10),
        trust: Duration::from_secs(5),
        connections: 4,
        pause: Duration::from_millis(5),
    }
}

fn connect(url: &str, limits: SqlLimits) -> AzureSql {
    AzureSql::new(&settings(url), None, Arc::new(NoCredential), limits).unwrap()
}

/// A server with the table of sales, and the adapter on it.
async fn with_sales(limits: SqlLimits) -> (SqlServer, AzureSql) {
    let server = SqlServer::start();
    let db = connect(&server.url(), limits);
    db.migrate(const { &[&SALES] }).await.unwrap();
    (server, db)
}

fn red(order: &str, paise: i64) -> Row {
    sale(order, "red", paise, None, 0)
}

/// The sales that are stored: order and price.
async fn stored(db: &AzureSql) -> Vec<(String, i64)> {
    let rows = db.select(select(&SALES, &["order", "paise"])).await.unwrap();
    let pair = |row: Row| match row.as_slice() {
        [Cell::Text(order), Cell::Integer(paise)] => (order.clone(), *paise),
        other => panic!("{other:?}"),
    };
    rows.into_iter().map(pair).collect()
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
