//! Passwords, access lists, tokens and certificates.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use bytes::Bytes;
use pravis::adapters::cache::{Redis, RedisOptions};
use pravis::ports::cache::{Cache, Invalidations};
use pravis::ports::limits::{Quota, RateLimits};
use pravis::ports::secrets::{Secret, SecretRef, Secrets};
use pravis::ports::{PortErrorKind, PortResult};
use pravis::settings::{RedisLogin, RedisSettings};
use redis::cmd;

use super::{NoCredential, PATIENT, no_secrets, patient, redis as open, settings};
use crate::support::process::eventually;
use crate::support::redis::{Certificates, Server};

const TTL: Duration = Duration::from_secs(60);

/// All that the product needs of an access list, with the least of it that names commands by group.
const RIGHTS: [&str; 9] =
    ["on", "~pravis:*", "&pravis:*", "+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+time"];

fn with_password(url: &str, user: Option<&str>, password: &str) -> RedisSettings {
    let login = RedisLogin::Password(SecretRef::Given(Secret::new(password)));
    RedisSettings { user: user.map(str::to_owned), login, ..settings(url) }
}

async fn works(redis: &Redis) {
    let cache = redis.cache();
    cache.set("key", Bytes::from_static(b"value"), TTL).await.unwrap();
    assert_eq!(cache.get("key").await.unwrap(), Some(Bytes::from_static(b"value")));
    assert_eq!(cache.increment("count", 2, TTL).await.unwrap(), 2);
    cache.delete("count").await.unwrap();
    assert!(redis.limits().take("key", Quota { burst: 9, per: TTL }, 1).await.unwrap().allowed);
    redis.invalidations().publish(Bytes::from_static(b"changed")).await.unwrap();
}

#[tokio::test]
async fn a_password_lets_in() {
    let server = Server::start(&["--requirepass", "kanjivaram"]).await;
    works(&patient(&with_password(&server.url(), None, "kanjivaram"))).await;
}

#[tokio::test]
async fn a_user_of_an_access_list_needs_no_more_than_its_own_keys() {
    let server = Server::start(&[]).await;
    let mut admin = server.admin("").await;
    let user = cmd("ACL").arg("SETUSER").arg("shop").arg(&RIGHTS).arg(">kanjivaram").exec_async(&mut admin).await;
    user.unwrap();
    let redis = patient(&with_password(&server.url(), Some("shop"), "kanjivaram"));
    works(&redis).await;
    let news = redis.invalidations();
    let _stream = news.subscribe().await.unwrap();
    eventually("a subscription", async || news.is_hearing().then_some(())).await;
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_told_without_it() {
    let server = Server::start(&["--requirepass", "kanjivaram"]).await;
    for wrong in [with_password(&server.url(), None, "paithani-7"), settings(&server.url())] {
        let cache = patient(&wrong).cache();
        let error = cache.get("key").await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Unavailable);
        assert_eq!(error.to_string(), "redis connect: the login is refused");
        assert!(!format!("{error:?} {wrong:?}").contains("paithani"));
    }
}

/// A store in which a test replaces a secret.
struct Changing(Mutex<&'static str>);

#[async_trait]
impl Secrets for Changing {
    async fn get(&self, _: &str) -> PortResult<Option<Secret>> {
        Ok(Some(Secret::new(*self.0.lock().unwrap())))
    }
}

#[tokio::test]
async fn a_replaced_password_is_read_again() {
    let server = Server::start(&["--requirepass", "old"]).await;
    let secrets = Arc::new(Changing(Mutex::new("old")));
    let named = RedisSettings {
        login: RedisLogin::Password(SecretRef::Named("redis-password".to_owned())),
        ..settings(&server.url())
    };
    let patient = RedisOptions { time_limit: PATIENT, ..RedisOptions::default() };
    let redis = Redis::with(&named, secrets.clone(), Arc::new(NoCredential), patient).unwrap();
    works(&redis).await;
    let mut admin = server.admin(":old@").await;
    cmd("CONFIG").arg(&["SET", "requirepass", "new"]).exec_async(&mut admin).await.unwrap();
    cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).exec_async(&mut admin).await.unwrap();
    let cache = redis.cache();
    let refused = async || cache.get("key").await.err().filter(|error| error.to_string().contains("login"));
    eventually("that the old password is refused", refused).await;
    *secrets.0.lock().unwrap() = "new";
    eventually("the new password", async || cache.get("key").await.ok()).await;
    works(&redis).await;
}

/// Gives the token that the test has put there.
#[derive(Debug)]
struct Issuer(Mutex<AccessToken>);

impl Issuer {
    fn new(token: &'static str, life: Duration) -> Self {
        Self(Mutex::new(Self::token(token, life)))
    }

    fn issue(&self, token: &'static str, life: Duration) {
        *self.0.lock().unwrap() = Self::token(token, life);
    }

    fn token(token: &'static str, life: Duration) -> AccessToken {
        AccessToken::new(token, OffsetDateTime::now_utc() + life)
    }
}

#[async_trait]
impl TokenCredential for Issuer {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://redis.azure.com/.default"]);
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn tokens_are_renewed_before_they_expire_and_on_new_connections() {
    const OBJECT_ID: &str = "6a2f5b3c-0d0e-4c63-9f1b-0d3a5f9f7c11";
    let certificates = Certificates::new();
    let server = Server::start_with(Some(&certificates), &[]).await;
    let mut admin = server.admin("").await;
    let mut user = cmd("ACL");
    user.arg("SETUSER").arg(OBJECT_ID).arg(&RIGHTS).arg(&[">first-token", ">second-token", ">third-token"]);
    user.exec_async(&mut admin).await.unwrap();
    let entra =
        RedisSettings { user: Some(OBJECT_ID.to_owned()), login: RedisLogin::Entra, ..settings(&server.tls_url()) };
    let issuer = Arc::new(Issuer::new("first-token", Duration::from_secs(4)));
    let options = RedisOptions { time_limit: PATIENT, roots: Some(certificates.root.clone()) };
    let redis = Redis::with(&entra, no_secrets(), issuer.clone(), options).unwrap();
    works(&redis).await;

    // The crate logs in once more with its first token.
    let auths = async |least: usize| {
        let look = async || {
            let stats: String = cmd("INFO").arg("commandstats").query_async(&mut server.admin("").await).await.unwrap();
            let line = stats.lines().find(|line| line.starts_with("cmdstat_auth:"))?.to_owned();
            let calls: usize = line.split(['=', ',']).nth(1)?.parse().ok()?;
            (calls >= least).then_some(line)
        };
        eventually("logins", look).await
    };
    auths(1).await;
    issuer.issue("second-token", Duration::from_secs(3600));
    let renewed = auths(2).await;
    assert!(renewed.contains("rejected_calls=0,failed_calls=0"), "{renewed}");

    // A token that Redis no longer takes is not used again.
    issuer.issue("third-token", Duration::from_secs(3600));
    let mut revoke = cmd("ACL");
    revoke.arg("SETUSER").arg(OBJECT_ID).arg(&["<first-token", "<second-token"]);
    revoke.exec_async(&mut admin).await.unwrap();
    server.cut("normal").await;
    eventually("the third token", async || redis.cache().get("key").await.ok()).await;
    works(&redis).await;
}

#[tokio::test]
async fn only_trusted_certificates_for_the_name_are_taken() {
    let certificates = Certificates::new();
    let server = Server::start_with(Some(&certificates), &[]).await;
    let trusting = |root: &[u8]| RedisOptions { time_limit: PATIENT, roots: Some(root.to_vec()) };
    works(&open(&settings(&server.tls_url()), trusting(&certificates.root))).await;
    let by_number = format!("rediss://127.0.0.1:{}", server.tls_port);
    let others = Certificates::new();
    let wrong = [
        patient(&settings(&server.tls_url())),
        open(&settings(&server.tls_url()), trusting(&others.root)),
        open(&settings(&by_number), trusting(&certificates.root)),
        patient(&settings(&format!("redis://127.0.0.1:{}", server.tls_port))),
    ];
    for redis in wrong {
        assert_eq!(redis.cache().get("key").await.unwrap_err().kind(), PortErrorKind::Unavailable);
    }
}

#[test]
fn settings_that_cannot_work_are_told_by_name() {
    let plain = "redis://localhost:6379";
    let entra = |url: &str, user: Option<&str>| RedisSettings {
        user: user.map(str::to_owned),
        login: RedisLogin::Entra,
        ..settings(url)
    };
    let cases = [
        (entra(plain, Some("object-id")), "REDIS_URL"),
        (entra("rediss://localhost:6379", None), "REDIS_USER"),
        (RedisSettings { user: Some("shop".to_owned()), ..settings(plain) }, "REDIS_PASSWORD"),
        (settings("rediss://localhost:6379/#insecure"), "REDIS_URL"),
        (settings("redis://localhost:6379/?protocol=resp2"), "REDIS_URL"),
        (settings("redis://localhost:6379/shop"), "REDIS_URL"),
        (RedisSettings { cluster: true, ..settings("redis://0.0.0.0:6379") }, "REDIS_URL"),
    ];
    for (settings, name) in cases {
        let opened = Redis::new(&settings, no_secrets(), Arc::new(NoCredential));
        assert_eq!(opened.err().expect("refused").name, name, "{settings:?}");
    }
}
