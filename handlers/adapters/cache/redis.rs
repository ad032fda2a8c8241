//! Redis 6 or newer, alone, as a cluster, or as Azure Managed Redis under either of its cluster policies.
//!
//! Every call goes over one multiplexed connection (one to each shard of a cluster); subscribers share
//! another. Keys begin with `pravis:cache:` and `pravis:limit:`, so that neither port reaches the other's,
//! nor those of other programs. No command or script names more than one key, so that it does not matter
//! on which shard a key lives.

mod connection;
mod endpoint;
mod error;
mod invalidations;
mod limits;
mod login;
mod values;

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;

use self::connection::Link;
use self::endpoint::Endpoint;
use crate::ports::secrets::Secrets;
use crate::settings::{RedisSettings, SettingError};

pub use invalidations::RedisInvalidations;
pub use limits::RedisLimits;
pub use values::RedisCache;

/// What keys and channels begin with.
const PREFIX: &str = "pravis:";

/// One Redis behind three ports, which share its connection and its breaker.
pub struct Redis {
    link: Arc<Link>,
}

/// What is not set by a setting.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// What each call may take, with the time that it waits for a connection; 250 ms.
    pub time_limit: Duration,
    /// Certificates (PEM) to trust instead of the system's.
    pub roots: Option<Vec<u8>>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { time_limit: Duration::from_millis(250), roots: None }
    }
}

impl Redis {
    /// Opens no connection: the first call does. `secrets` gives a password that is named, `credential`
    /// the tokens of `REDIS_AUTH=entra`.
    ///
    /// # Errors
    /// For settings that cannot work together.
    pub fn new(
        settings: &RedisSettings,
        secrets: Arc<dyn Secrets>,
        credential: Arc<dyn TokenCredential>,
    ) -> Result<Self, SettingError> {
        Self::with(settings, secrets, credential, RedisOptions::default())
    }

    /// As [`Redis::new`].
    ///
    /// # Errors
    /// Also when the roots are no certificates or the address is not `rediss://`.
    pub fn with(
        settings: &RedisSettings,
        secrets: Arc<dyn Secrets>,
        credential: Arc<dyn TokenCredential>,
        options: RedisOptions,
    ) -> Result<Self, SettingError> {
        let endpoint = Endpoint::new(settings, secrets, credential, options.roots)?;
        Ok(Self { link: Arc::new(Link::new(endpoint, options.time_limit)) })
    }

    pub fn cache(&self) -> RedisCache {
        RedisCache::new(self.link.clone())
    }

    pub fn limits(&self) -> RedisLimits {
        RedisLimits::new(self.link.clone())
    }

    pub fn invalidations(&self) -> RedisInvalidations {
        RedisInvalidations::new(self.link.clone())
    }
}
