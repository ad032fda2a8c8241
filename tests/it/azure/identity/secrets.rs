//! Secrets of a vault that changes, fails and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pravis::adapters::azure::{AzureTransport, credential};
use pravis::adapters::secrets::KeyVaultSecrets;
use pravis::ports::secrets::{Secret, SecretRef, SecretSource, Secrets};
use pravis::ports::{PortError, PortErrorKind};
use pravis::settings::{CredentialKind, CredentialSettings, KeyVaultSettings};

use crate::support::entra::Entra;
use crate::support::loopback::Fault;
use crate::support::process::eventually;
use crate::support::vault::Vault;

/// So long that nothing is read again within a test.
const NEVER: Duration = Duration::from_secs(3600);

async fn doubles() -> (Entra, Vault) {
    let entra = Entra::start().await;
    let vault = Vault::start(&entra).await;
    vault.set("colour", "indigo");
    (entra, vault)
}

fn value(text: &str) -> Option<Secret> {
    Some(Secret::new(text))
}

/// Fails when anything that must not be seen is in a text.
fn shows_nothing(text: &str, entra: &Entra) {
    assert!(!text.contains("hush") && !text.contains("indigo"), "{text}");
    for (token, _) in entra.tokens.all() {
        assert!(!text.contains(&token), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_call_serves_all_who_want_a_secret() {
    let (entra, vault) = doubles().await;
    vault.fail(Fault::Slow(Duration::from_millis(200)));
    let secrets = Arc::new(vault.secrets(&entra, NEVER));
    let readers = (0..50).map(|_| {
        let secrets = secrets.clone();
        tokio::spawn(async move { secrets.get("colour").await.unwrap() })
    });
    for read in join_all(readers).await {
        assert_eq!(read.unwrap(), value("indigo"));
    }
    secrets.get("colour").await.unwrap();
    // The refresher may have begun its first round before there was a name, or after.
    assert!(vault.reads("colour") <= 2, "{}", vault.reads("colour"));
    assert_eq!(vault.refused(), [""; 0]);
}

#[tokio::test]
async fn a_given_value_wins_and_a_reference_is_another_name() {
    let (entra, vault) = doubles().await;
    let given = BTreeMap::from([
        ("colour".to_owned(), SecretRef::parse("madder")),
        ("border".to_owned(), SecretRef::parse("@keyvault(thread)")),
    ]);
    vault.set("thread", "zari");
    let transport = AzureTransport::over(entra.transport());
    let identity = CredentialSettings { kind: CredentialKind::ManagedIdentity, client_id: None };
    let settings = KeyVaultSettings { url: vault.url(), refresh: NEVER };
    let make = |given| KeyVaultSecrets::new(&settings, given, credential(&identity, &transport).unwrap(), &transport);
    let secrets = Arc::new(make(given).unwrap());
    assert_eq!(secrets.get("colour").await.unwrap(), value("madder"));
    assert_eq!(secrets.get("border").await.unwrap(), value("zari"));
    assert_eq!((vault.reads("colour"), vault.reads("border")), (0, 0));
    let source = SecretSource::new(SecretRef::parse("@keyvault(thread)"), secrets);
    assert_eq!(source.get().await.unwrap().expose(), "zari");
    let wrong = BTreeMap::from([("blob-key".to_owned(), SecretRef::parse("@keyvault(a/../b)"))]);
    assert_eq!(make(wrong).err().unwrap().name, "PRAVIS_SECRET_BLOB_KEY");
}

#[tokio::test]
async fn a_new_value_is_found_and_announced() {
    let (entra, vault) = doubles().await;
    let secrets = vault.secrets(&entra, NEVER);
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
    secrets.refresh().await.unwrap();
    let mut changes = secrets.changes();
    changes.mark_unchanged();
    secrets.refresh().await.unwrap();
    assert!(!changes.has_changed().unwrap());
    vault.set("colour", "turmeric");
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
    secrets.refresh().await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(secrets.get("colour").await.unwrap(), value("turmeric"));
    vault.set("colour", "lac");
    assert_eq!(secrets.fresh("colour").await.unwrap(), value("lac"));
    assert_eq!(secrets.get("colour").await.unwrap(), value("lac"));
}

#[tokio::test]
async fn secrets_in_use_are_read_again_by_themselves_until_nobody_is_left() {
    let (entra, vault) = doubles().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let secrets = vault.secrets(&entra, Duration::from_millis(100));
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
    vault.set("colour", "turmeric");
    eventually("the new value", async || (secrets.get("colour").await.unwrap() == value("turmeric")).then_some(()))
        .await;
    drop(secrets);
    eventually("the end of all tasks", async || (tasks() <= before).then_some(())).await;
}

#[tokio::test]
async fn disabled_and_deleted_secrets_are_none_and_expired_ones_are_not() {
    let (entra, vault) = doubles().await;
    vault.expire("colour");
    let secrets = vault.secrets(&entra, NEVER);
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
    vault.disable("colour");
    assert_eq!(secrets.fresh("colour").await.unwrap(), None);
    vault.set("colour", "turmeric");
    assert_eq!(secrets.fresh("colour").await.unwrap(), value("turmeric"));
    vault.delete("colour");
    assert_eq!(secrets.fresh("colour").await.unwrap(), None);
    assert_eq!(secrets.get("colour").await.unwrap(), None);
}

#[tokio::test]
async fn the_value_before_is_the_newest_that_may_be_used() {
    let (entra, vault) = doubles().await;
    let secrets = vault.secrets(&entra, NEVER);
    assert!(secrets.replaced("colour").await.unwrap().is_none());
    assert!(secrets.replaced("unknown").await.unwrap().is_none());
    let day = |day| chrono::Utc::now() - chrono::Duration::days(day);
    for (name, created) in [("walnut", day(9)), ("lac", day(7)), ("madder", day(8)), ("indigo", day(6))] {
        vault.set_at("dye", name, created);
    }
    let replaced = secrets.replaced("dye").await.unwrap().unwrap();
    assert_eq!(replaced.value.expose(), "lac");
    assert_eq!(replaced.at.timestamp(), day(6).timestamp());
    vault.set_at("dye", "lost", day(5));
    vault.disable("dye");
    vault.set_at("dye", "turmeric", day(4));
    assert_eq!(secrets.replaced("dye").await.unwrap().unwrap().value.expose(), "indigo");
}

#[tokio::test]
async fn a_vault_that_is_away_at_the_start_is_waited_for_in_the_background() {
    let (entra, vault) = doubles().await;
    vault.fail(Fault::Gone);
    let secrets = vault.secrets(&entra, NEVER);
    let mut changes = secrets.changes();
    secrets.preload(["colour"]);
    assert_eq!(secrets.get("colour").await.unwrap_err().kind(), PortErrorKind::Unavailable);
    vault.fail(None);
    tokio::time::timeout(Duration::from_secs(30), changes.changed()).await.expect("read in time").unwrap();
    vault.fail(Fault::Gone);
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
}

#[tokio::test]
async fn last_values_stay_while_the_vault_is_away() {
    let (entra, vault) = doubles().await;
    let secrets = vault.secrets(&entra, Duration::from_millis(50));
    secrets.get("colour").await.unwrap();
    let before = vault.requests();
    for fault in [Fault::Status(500, None), Fault::Gone, Fault::Garbage, Fault::Cut] {
        vault.fail(fault);
        assert!(secrets.refresh().await.is_err(), "{fault:?}");
        assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"), "{fault:?}");
    }
    assert!(vault.requests() > before);
    vault.set("colour", "turmeric");
    vault.fail(None);
    eventually("the new value", async || (secrets.get("colour").await.unwrap() == value("turmeric")).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_fault_is_told_in_time_and_shows_nothing() {
    use PortErrorKind::{Throttled, TimedOut, Unavailable};
    let cases = [
        (Fault::Slow(Duration::from_secs(60)), TimedOut, Some(5)),
        (Fault::Status(429, Some(60)), Throttled, Some(60)),
        (Fault::Status(429, None), Throttled, None),
        (Fault::Status(503, Some(60)), Unavailable, Some(60)),
        (Fault::Status(500, None), Unavailable, None),
        (Fault::Status(400, None), PortErrorKind::InvalidRequest, None),
        (Fault::Status(404, None), Unavailable, None),
        (Fault::Status(403, None), Unavailable, None),
        (Fault::Cut, Unavailable, None),
        (Fault::Garbage, Unavailable, None),
        (Fault::Gone, Unavailable, None),
    ];
    let told = cases.map(|(fault, kind, pause)| async move {
        let (entra, vault) = doubles().await;
        vault.set("other", "x");
        let secrets = vault.secrets(&entra, NEVER);
        // So that there is a token that could be shown.
        secrets.get("other").await.unwrap();
        vault.fail(fault);
        let started = Instant::now();
        let error: PortError = secrets.get("colour").await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10), "{fault:?}: {:?}", started.elapsed());
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert_eq!(error.retry_after(), pause.map(Duration::from_secs), "{fault:?}");
        shows_nothing(&format!("{error} {error:?}"), &entra);
    });
    join_all(told).await;
}

#[tokio::test]
async fn a_missing_role_is_named_and_the_last_value_stays() {
    let (entra, vault) = doubles().await;
    let secrets = vault.secrets(&entra, NEVER);
    secrets.get("colour").await.unwrap();
    vault.forbid(true);
    let error = secrets.fresh("colour").await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.to_string().contains("HTTP 403 (ForbiddenByRbac)"), "{error}");
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
}

#[tokio::test]
async fn a_token_for_another_service_is_refused() {
    let (entra, vault) = doubles().await;
    vault.challenge_for("https://storage.azure.com");
    let error = vault.secrets(&entra, NEVER).get("colour").await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.to_string().contains("HTTP 401"), "{error}");
    assert!(vault.refused().contains(&"a token for https://storage.azure.com".to_owned()), "{:?}", vault.refused());
}

#[tokio::test]
async fn without_an_identity_the_error_says_so() {
    let (entra, vault) = doubles().await;
    entra.fail(Fault::Status(400, None));
    let secrets = vault.secrets(&entra, NEVER);
    let error = secrets.get("colour").await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.to_string().contains("no token: HTTP 400"), "{error}");
    shows_nothing(&format!("{error:?}"), &entra);
    entra.fail(None);
    assert_eq!(secrets.get("colour").await.unwrap(), value("indigo"));
}
