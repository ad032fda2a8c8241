//! The Redis adapters on real servers: how they log in, what they do when Redis is away, hangs or comes
//! back, and how they find the shards of a cluster.

mod caches;
mod cluster;
mod login;
mod news;
mod outage;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use futures_util::stream::BoxStream;
use pravis::adapters::cache::{Redis, RedisInvalidations, RedisOptions};
use pravis::adapters::secrets::SettingsSecrets;
use pravis::ports::PortResult;
use pravis::ports::cache::{Heard, Invalidations};
use pravis::ports::secrets::Secrets;
use pravis::settings::{RedisLogin, RedisSettings};
use tokio::sync::OnceCell;

use crate::support::redis::{Cluster, Server};

/// For tests of what Redis does and not of how long it takes, on a machine that does other work besides.
pub const PATIENT: Duration = Duration::from_secs(20);

static SERVER: OnceCell<Server> = OnceCell::const_new();
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

/// A client of a server that all tests share.
pub async fn one_redis() -> Redis {
    let server = SERVER.get_or_init(|| Server::start(&[])).await;
    patient(&settings(&server.url()))
}

/// A client of a cluster that all tests share.
pub async fn cluster() -> Redis {
    let cluster = CLUSTER.get_or_init(|| Cluster::start(None)).await;
    patient(&RedisSettings { cluster: true, ..settings(&cluster.nodes[0].url()) })
}

/// A client of a server that is not there.
pub fn no_redis() -> Redis {
    // A port that is reserved and that nobody listens on.
    redis(&settings("redis://127.0.0.1:1"), RedisOptions::default())
}

/// The invalidations of a server that lives as long as they.
pub async fn own_invalidations() -> Arc<dyn Invalidations> {
    struct Owning(RedisInvalidations, #[expect(dead_code, reason = "kept alive")] Server);

    #[async_trait]
    impl Invalidations for Owning {
        async fn publish(&self, message: bytes::Bytes) -> PortResult<()> {
            self.0.publish(message).await
        }

        async fn subscribe(&self) -> PortResult<BoxStream<'static, Heard>> {
            self.0.subscribe().await
        }
    }

    let server = Server::start(&[]).await;
    Arc::new(Owning(patient(&settings(&server.url())).invalidations(), server))
}

pub fn settings(url: &str) -> RedisSettings {
    RedisSettings { url: url.parse().unwrap(), user: None, login: RedisLogin::None, cluster: false }
}

pub fn patient(settings: &RedisSettings) -> Redis {
    redis(settings, RedisOptions { time_limit: PATIENT, ..RedisOptions::default() })
}

pub fn redis(settings: &RedisSettings, options: RedisOptions) -> Redis {
    Redis::with(settings, no_secrets(), Arc::new(NoCredential), options).unwrap()
}

pub fn no_secrets() -> Arc<dyn Secrets> {
    Arc::new(SettingsSecrets::new(BTreeMap::new(), None))
}

/// Whoever asks it for a token is wrong to.
#[derive(Debug)]
pub struct NoCredential;

#[async_trait]
impl TokenCredential for NoCredential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        panic!("nothing here needs a token")
    }
}
