//! How connections are opened.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pravis::adapters::reporting::{AzureSql, SqlLimits};
use pravis::ports::reporting::ReportingDb;
use pravis::ports::secrets::{Secret, SecretRef, SecretSource, Secrets};
use pravis::ports::{PortError, PortErrorKind, PortResult};
use pravis::settings::SqlSettings;

use super::{NoCredential, Tokens, connect, quick, red, settings, stored};
use crate::conformance::reporting::{SALES, select};
use crate::support::sql_server::{DATABASE, Fault, SqlServer, USER};

async fn refused(db: &AzureSql) -> PortError {
    db.select(select(&SALES, &["order"])).await.unwrap_err()
}

/// All that a log could show of an error.
fn shown(error: &PortError) -> String {
    format!("{error} {error:?}")
}

#[tokio::test]
async fn reads_alone_carry_the_read_only_intent() {
    let server = SqlServer::start();
    let db = connect(&server.url(), quick());
    assert!(server.logins().is_empty(), "nothing is opened before the first call");
    db.migrate(const { &[&SALES] }).await.unwrap();
    db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
    assert!(server.logins().iter().all(|login| !login.read_only));
    assert_eq!(stored(&db).await, [("a".to_owned(), 1)]);
    assert_eq!(server.logins().iter().filter(|login| login.read_only).count(), 1);
    for statement in server.statements() {
        let asks = statement.text.starts_with("SELECT TOP (@P1)");
        assert_eq!(statement.read_only, asks, "{statement:?}");
    }
    let login = &server.logins()[0];
    assert_eq!((login.user.as_str(), login.database.as_str()), (USER, DATABASE));
    assert_eq!(login.application, "pravis-boutique-api");
}

#[tokio::test]
async fn writes_and_reads_may_go_to_different_servers() {
    let (primary, replica) = (SqlServer::start(), SqlServer::start());
    let setting = SqlSettings { read: Some(Secret::new(replica.url())), ..settings(&primary.url()) };
    let db = AzureSql::new(&setting, None, Arc::new(NoCredential), quick()).unwrap();
    connect(&replica.url(), quick()).migrate(const { &[&SALES] }).await.unwrap();
    db.migrate(const { &[&SALES] }).await.unwrap();
    db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
    assert!(stored(&db).await.is_empty(), "the other server has no rows");
    assert_eq!(stored(&connect(&primary.url(), quick())).await.len(), 1);
    assert!(replica.logins().last().unwrap().read_only);
}

#[tokio::test]
async fn everything_is_encrypted_under_a_certificate_that_is_checked() {
    let server = SqlServer::start_encrypted();
    let db = connect(&server.url(), quick());
    db.migrate(const { &[&SALES] }).await.unwrap();
    // More than one packet and one record each way.
    let rows = (0..2000).map(|n| red(&format!("{n:04}"), n)).collect();
    db.upsert(&SALES, rows).await.unwrap();
    assert_eq!(stored(&db).await.len(), 2000);
    assert!(server.logins().iter().all(|login| login.encrypted));

    let strangers = server.url().replace("TrustServerCertificateCA", "Ignored");
    let error = refused(&connect(&strangers, quick())).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_without_encryption_is_not_logged_in_to() {
    let server = SqlServer::start();
    let db = connect(&server.url().replace("Encrypt=DANGER_PLAINTEXT", ""), quick());
    assert_eq!(refused(&db).await.kind(), PortErrorKind::Unavailable);
    assert!(server.logins().is_empty(), "no password went out");
}

#[tokio::test]
async fn a_token_of_the_credential_logs_in() {
    let server = SqlServer::start_encrypted();
    server.set_token("token-1");
    let tokens = Arc::new(Tokens { token: Mutex::new("token-1".to_owned()), scopes: Mutex::default() });
    let db = AzureSql::new(&settings(&server.target()), None, tokens.clone(), quick()).unwrap();
    db.migrate(const { &[&SALES] }).await.unwrap();
    assert_eq!(*tokens.scopes.lock().unwrap(), ["https://database.windows.net/.default"]);
    let login = server.logins().remove(0);
    assert_eq!((login.token.as_deref(), login.user.as_str(), login.password.as_str()), (Some("token-1"), "", ""));

    // A connection that is open stays so; the next one is opened with the token of that time.
    server.set_token("token-2");
    *tokens.token.lock().unwrap() = "token-2".to_owned();
    db.upsert(&SALES, vec![red("a", 1)]).await.unwrap();
    assert_eq!(stored(&db).await.len(), 1);
    let used: Vec<_> = server.logins().into_iter().filter_map(|login| login.token).collect();
    assert_eq!(used, ["token-1", "token-2"]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_shown() {
    let server = SqlServer::start();
    let tokens = Arc::new(Tokens { token: Mutex::new("secret-token".to_owned()), scopes: Mutex::default() });
    let db = AzureSql::new(&settings(&server.target()), None, tokens, quick()).unwrap();
    let error = refused(&db).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(!shown(&error).contains("secret-token"), "{error:?}");
}

/// One secret, which can be replaced.
struct OneSecret(Mutex<Option<Secret>>);

#[async_trait::async_trait]
impl Secrets for OneSecret {
    async fn get(&self, name: &str) -> PortResult<Option<Secret>> {
        assert_eq!(name, "sql-password");
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn a_password_that_was_replaced_is_in_use_at_the_next_connection() {
    let server = SqlServer::start();
    let secrets = Arc::new(OneSecret(Mutex::default()));
    let source = SecretSource::new(SecretRef::Named("sql-password".to_owned()), secrets.clone());
    let setting = settings(&format!("{};User ID={USER}", server.target()));
    let db = AzureSql::new(&setting, Some(source), Arc::new(NoCredential), quick()).unwrap();
    let error = db.migrate(const { &[&SALES] }).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no secret named sql-password");
    for password in ["first; 'quoted'", "zweites Paßwort"] {
        server.set_password(password);
        *secrets.0.lock().unwrap() = Some(Secret::new(password));
        server.disconnect();
        db.migrate(const { &[&SALES] }).await.unwrap();
        assert_eq!(server.logins().last().unwrap().password, password);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_once_and_not_shown() {
    let server = SqlServer::start();
    let url = format!("{};User ID={USER};Password=hunter2", server.target());
    let error = refused(&connect(&url, quick())).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.to_string().contains("the login is refused"), "{error}");
    assert!(!shown(&error).contains("hunter2") && !shown(&error).contains(USER), "{error:?}");
    assert_eq!(server.logins().len(), 1, "an account is not locked by repetition");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_secrets() {
    // Nobody listens where somebody just did.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for server in [format!("127.0.0.1,{port}"), "nowhere.invalid,1433".to_owned()] {
        let url = format!("Server=tcp:{server};Database=d;User ID=u;Password=hunter2");
        let error = refused(&connect(&url, quick())).await;
        assert!(error.retryable(), "{error:?}");
        assert!(!shown(&error).contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_a_login_is_given_up_in_time() {
    let server = SqlServer::start();
    server.faults().add("LOGIN", 9, Fault::Hold);
    let limits = SqlLimits { connect: Duration::from_millis(100), ..quick() };
    let db = connect(&server.url(), limits);
    let started = Instant::now();
    assert_eq!(refused(&db).await.kind(), PortErrorKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_redirection_is_followed() {
    let (gateway, node) = (SqlServer::start(), SqlServer::start());
    gateway.faults().add("LOGIN", usize::MAX, Fault::Redirect("127.0.0.1".to_owned(), node.port()));
    let db = connect(&gateway.url(), quick());
    db.migrate(const { &[&SALES] }).await.unwrap();
    assert!(stored(&db).await.is_empty());
    assert_eq!(gateway.logins().len(), 2);
    assert!(gateway.statements().is_empty());
    let login = node.logins().remove(0);
    assert_eq!((login.server.as_str(), login.user.as_str()), ("127.0.0.1", USER));
    assert!(node.logins()[1].read_only);
}

#[tokio::test]
async fn redirections_without_end_are_not_followed() {
    let server = SqlServer::start();
    server.faults().add("LOGIN", usize::MAX, Fault::Redirect("127.0.0.1".to_owned(), server.port()));
    let error = refused(&connect(&server.url(), quick())).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert_eq!(server.logins().len(), 4 * 3, "four attempts, each with two redirections");
}
