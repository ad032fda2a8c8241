//! Azure SQL: logins, connections, faults.

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use pravis::ports::secrets::Secret;
use pravis::settings::SqlSettings;

/// Whoever asks it for a token has gone wrong.
#[derive(Debug)]
pub struct NoCredential;

#[async_trait::async_trait]
impl TokenCredential for NoCredential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        panic!("a login by password needs no token")
    }
}

/// One connection string for both pools, with its password.
pub fn settings(url: &str) -> SqlSettings {
    SqlSettings { write: Secret::new(url), read: None, password: None }
}
