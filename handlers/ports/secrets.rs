//! Values that must not be seen.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{PortError, PortResult};

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
    /// The present value, or `None`. May be some minutes old: a store is asked from time to time, and
    /// answers with what it last knew while the store cannot be reached.
    async fn get(&self, name: &str) -> PortResult<Option<Secret>>;

    /// The value that the store holds now, read after the call began. Costs a call to the store: not for
    /// the path of a request, unless something limits how often.
    async fn fresh(&self, name: &str) -> PortResult<Option<Secret>> {
        self.get(name).await
    }

    /// The value that the present one took the place of, where the store keeps it and lets it be used.
    async fn replaced(&self, name: &str) -> PortResult<Option<Replaced>> {
        let _ = name;
        Ok(None)
    }

    /// Changes whenever [`Secrets::get`] begins to give another value of any secret. Closed where values
    /// stay as they are for the life of the process.
    fn changes(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }
}

/// A former value of a secret.
#[derive(Clone, Debug)]
pub struct Replaced {
    pub value: Secret,
    /// When the present value came.
    pub at: DateTime<Utc>,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    Given(Secret),
    /// The name under which [`Secrets`] knows it.
    Named(String),
}

impl SecretRef {
    /// `@keyvault(name)` names a secret; anything else is one.
    pub fn parse(text: &str) -> Self {
        match text.trim().strip_prefix("@keyvault(").and_then(|rest| rest.strip_suffix(')')) {
            Some(name) => Self::Named(name.trim().to_owned()),
            None => Self::Given(Secret::new(text)),
        }
    }
}

/// A secret that may be replaced while the process runs.
#[derive(Clone)]
pub struct SecretSource {
    reference: SecretRef,
    secrets: Arc<dyn Secrets>,
}

impl SecretSource {
    pub fn new(reference: SecretRef, secrets: Arc<dyn Secrets>) -> Self {
        Self { reference, secrets }
    }

    /// The present value.
    ///
    /// # Errors
    /// `Unavailable` when there is none under the name: somebody has yet to create it.
    pub async fn get(&self) -> PortResult<Secret> {
        match &self.reference {
            SecretRef::Given(secret) => Ok(secret.clone()),
            SecretRef::Named(name) => self
                .secrets
                .get(name)
                .await?
                .ok_or_else(|| PortError::unavailable(format!("there is no secret named {name}"))),
        }
    }
}
