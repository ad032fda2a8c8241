//! Values that must not be seen.

use std::fmt;

use async_trait::async_trait;

use super::PortResult;

/// A text that never shows in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Named secrets. Names are ASCII letters, digits and hyphens, at most 127 (Key Vault's rule).
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The present value, or `None`.
    async fn get(&self, name: &str) -> PortResult<Option<Secret>>;

    /// Stores a value that survives a restart, unless one is there; gives the one that is stored.
    async fn get_or_create(&self, name: &str, fresh: Secret) -> PortResult<Secret>;
}
