//! Tokens of the credential that all adapters share, from the metadata service of a virtual machine.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential};
use futures_util::future::join_all;
use pravis::adapters::azure::{AzureTransport, credential};
use pravis::settings::{CredentialKind, CredentialSettings};

use crate::support::entra::{CLIENT_ID, Entra};
use crate::support::loopback::Fault;
use crate::support::process::eventually;

const STORAGE: &str = "https://storage.azure.com";

fn identity(entra: &Entra, client_id: Option<&str>) -> Arc<dyn TokenCredential> {
    let settings =
        CredentialSettings { kind: CredentialKind::ManagedIdentity, client_id: client_id.map(str::to_owned) };
    credential(&settings, &AzureTransport::over(entra.transport())).unwrap()
}

async fn token(credential: &Arc<dyn TokenCredential>, resource: &str) -> azure_core::Result<AccessToken> {
    credential.get_token(&[&format!("{resource}/.default")], None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_request_serves_all_who_want_the_same_token() {
    let entra = Entra::start().await;
    entra.fail(Fault::Slow(Duration::from_millis(200)));
    let credential = identity(&entra, None);
    let all = join_all((0..50).map(|_| {
        let credential = credential.clone();
        tokio::spawn(async move { token(&credential, STORAGE).await.unwrap().token.secret().to_owned() })
    }))
    .await;
    let all: Vec<String> = all.into_iter().map(Result::unwrap).collect();
    assert!(all.iter().all(|token| *token == all[0]));
    assert_eq!(entra.requests(), 1);
    assert_eq!(entra.tokens.check(&all[0], STORAGE), Ok(()));
    assert!(entra.tokens.check(&all[0], "https://vault.azure.net").unwrap_err().contains("token for"));
}

#[tokio::test]
async fn who_waits_for_a_token_that_cannot_be_had_does_not_ask_anew() {
    let entra = Entra::start().await;
    entra.fail(Fault::Status(400, None));
    let credential = identity(&entra, None);
    let all = join_all((0..50).map(|_| token(&credential, STORAGE))).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(entra.requests(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_while_the_old_one_serves() {
    let entra = Entra::start().await;
    entra.set_lifetime(Duration::from_secs(120));
    let credential = identity(&entra, None);
    let first = token(&credential, STORAGE).await.unwrap();
    // Nobody waits for the renewal, however long it takes.
    entra.fail(Fault::Slow(Duration::from_millis(500)));
    entra.set_lifetime(Duration::from_secs(3600));
    assert_eq!(token(&credential, STORAGE).await.unwrap().token, first.token);
    let renewed = eventually("a renewed token", async || {
        let present = token(&credential, STORAGE).await.unwrap();
        (present.token != first.token).then_some(present)
    })
    .await;
    assert!(renewed.expires_on > first.expires_on);
    assert_eq!(entra.requests(), 2);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_serves_on() {
    let entra = Entra::start().await;
    entra.set_lifetime(Duration::from_secs(120));
    let credential = identity(&entra, None);
    let first = token(&credential, STORAGE).await.unwrap();
    entra.fail(Fault::Status(400, None));
    assert_eq!(token(&credential, STORAGE).await.unwrap().token, first.token);
    eventually("an attempt to renew", async || (entra.requests() == 2).then_some(())).await;
    for _ in 0..100 {
        assert_eq!(token(&credential, STORAGE).await.unwrap().token, first.token);
    }
    assert_eq!(entra.requests(), 2, "an endpoint that refuses is not asked again and again");
}

#[tokio::test]
async fn a_token_about_to_expire_is_not_given() {
    let entra = Entra::start().await;
    entra.set_lifetime(Duration::from_secs(5));
    let credential = identity(&entra, None);
    let first = token(&credential, STORAGE).await.unwrap();
    assert_ne!(token(&credential, STORAGE).await.unwrap().token, first.token);
}

#[tokio::test]
async fn who_gives_up_does_not_break_off_the_request() {
    let entra = Entra::start().await;
    entra.fail(Fault::Slow(Duration::from_secs(1)));
    let credential = identity(&entra, None);
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::from_millis(20), token(&credential, STORAGE)).await;
        assert!(given_up.is_err());
    }
    token(&credential, STORAGE).await.unwrap();
    assert_eq!(entra.requests(), 1);
}

#[tokio::test]
async fn a_user_assigned_identity_is_named() {
    let entra = Entra::start().await;
    token(&identity(&entra, Some(CLIENT_ID)), STORAGE).await.unwrap();
    let issued = entra.tokens.all();
    assert_eq!(issued[0].1.client_id.as_deref(), Some(CLIENT_ID));
    let error = token(&identity(&entra, Some("another")), STORAGE).await.unwrap_err();
    assert_eq!(entra.refused(), ["an identity that is not assigned"]);
    assert!(format!("{error:?}").contains("HTTP 400"), "{error:?}");
}

#[tokio::test]
async fn what_a_vault_asks_tokens_for_is_bounded() {
    let entra = Entra::start().await;
    let credential = identity(&entra, None);
    for number in 0..32 {
        token(&credential, &format!("https://service-{number}.example")).await.unwrap();
    }
    token(&credential, STORAGE).await.unwrap_err();
    assert_eq!(entra.requests(), 32);
    token(&credential, "https://service-7.example").await.unwrap();
}
