//! The calls to Key Vault and what its answers mean
//! (<https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups>).

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::{SecretAttributes, SecretClientGetSecretOptions, SecretProperties};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::Deserialize;
use url::{Host, Url};

use crate::adapters::azure::AzureTransport;
use crate::adapters::azure::failure::{error_code, is_plain, port_error};
use crate::adapters::dependency::Dependency;
use crate::ports::secrets::{Replaced, Secret};
use crate::ports::{PortError, PortResult};
use crate::settings::{KeyVaultSettings, SettingError};

const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Versions of one secret that are looked through for the last but one; their order is not given.
const MAX_VERSIONS: usize = 200;

pub(super) struct Vault {
    client: SecretClient,
    service: Dependency,
}

impl Vault {
    pub fn new(
        settings: &KeyVaultSettings,
        credential: Arc<dyn TokenCredential>,
        transport: &AzureTransport,
    ) -> Result<Self, SettingError> {
        let options = SecretClientOptions {
            client_options: transport.client_options(),
            // A vault says for what a token must be, and one for another service would go to whoever
            // answers here. Only what stands in for a vault on this machine has another name.
            verify_challenge_resource: Some(!is_loopback(&settings.url)),
            ..Default::default()
        };
        let client = SecretClient::new(settings.url.as_str(), credential, Some(options))
            .map_err(|_| SettingError::new("KEY_VAULT_URL", "expected the https address of a vault"))?;
        Ok(Self { client, service: Dependency::new("key-vault", TIME_LIMIT) })
    }

    /// The value of the newest version. A deleted secret is none, and so is one whose newest version is
    /// disabled; expiry is for information only, as Key Vault has it.
    pub async fn get(&self, name: &str) -> PortResult<Option<Secret>> {
        self.service.call("get", self.version(name, None)).await
    }

    /// The newest usable version before the newest one.
    pub async fn replaced(&self, name: &str) -> PortResult<Option<Replaced>> {
        let what = format!("key-vault: list versions of {name}");
        let found = self.service.call("list_versions", async {
            let versions = self.client.list_secret_properties_versions(name, None);
            let mut versions = versions.map_err(|error| port_error(&what, &error))?;
            let mut found = Vec::new();
            while let Some(version) = versions.try_next().await.map_err(|error| port_error(&what, &error))? {
                if found.len() == MAX_VERSIONS {
                    return Err(PortError::invalid(format!("{what}: more than {MAX_VERSIONS} versions")));
                }
                found.extend(Version::of(&version));
            }
            Ok(found)
        });
        let mut versions = found.await?;
        versions.sort_by_key(|version| std::cmp::Reverse(version.created));
        let mut versions = versions.into_iter();
        let Some(present) = versions.next() else { return Ok(None) };
        let Some(former) = versions.find(|version| version.enabled) else { return Ok(None) };
        let value = self.service.call("get", self.version(name, Some(former.id))).await?;
        Ok(value.map(|value| Replaced { value, at: present.created }))
    }

    async fn version(&self, name: &str, version: Option<String>) -> PortResult<Option<Secret>> {
        let what = format!("key-vault: get {name}");
        let options = SecretClientGetSecretOptions { secret_version: version, ..Default::default() };
        let answer = match self.client.get_secret(name, Some(options)).await {
            Ok(answer) => answer,
            Err(error) => return refused(&what, name, &error),
        };
        let secret = answer.into_model().map_err(|error| port_error(&what, &error))?;
        if let Some(attributes) = &secret.attributes {
            tell_of_lifetime(name, attributes);
        }
        match secret.value {
            Some(value) => Ok(Some(Secret::new(value))),
            None => Err(PortError::unavailable(format!("{what}: the answer holds no value"))),
        }
    }
}

/// A version of a secret in a listing.
struct Version {
    id: String,
    created: DateTime<Utc>,
    enabled: bool,
}

impl Version {
    fn of(properties: &SecretProperties) -> Option<Self> {
        let attributes = properties.attributes.as_ref()?;
        let created = DateTime::from_timestamp(attributes.created?.unix_timestamp(), 0)?;
        let id = properties.resource_id().ok()?.version?;
        Some(Self { id, created, enabled: attributes.enabled.unwrap_or(true) })
    }
}

/// What a secret that is not given means.
fn refused(what: &str, name: &str, error: &azure_core::Error) -> PortResult<Option<Secret>> {
    let reason = reason(error);
    match (error.http_status().map(u16::from), reason.as_deref()) {
        (Some(404), Some("SecretNotFound")) => Ok(None),
        (Some(403), Some("SecretDisabled")) => {
            tracing::warn!(secret = name, "a secret is disabled and counts as none");
            Ok(None)
        }
        // Some gateway's: the vault has a word for what it does not have.
        (Some(404), _) => Err(PortError::unavailable(format!("{what}: HTTP 404"))),
        (Some(403), Some(reason)) => Err(PortError::unavailable(format!("{what}: HTTP 403 ({reason})"))),
        _ => Err(port_error(what, error)),
    }
}

/// Key Vault's code for a refusal: the inner one, which is more precise.
fn reason(error: &azure_core::Error) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Outer,
    }
    #[derive(Deserialize)]
    struct Outer {
        innererror: Option<Inner>,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: String,
    }
    let ErrorKind::HttpResponse { raw_response: Some(response), .. } = error.kind() else { return None };
    let body: Option<Body> = serde_json::from_slice(response.body().as_ref()).ok();
    let inner = body.and_then(|body| body.error.innererror).map(|inner| inner.code);
    inner.filter(|code| is_plain(code)).or_else(|| error_code(error).map(str::to_owned))
}

fn tell_of_lifetime(name: &str, attributes: &SecretAttributes) {
    let now = OffsetDateTime::now_utc();
    if attributes.expires.is_some_and(|end| end <= now) {
        tracing::warn!(secret = name, "a secret has expired and is still used: give it a new version");
    }
    if attributes.not_before.is_some_and(|start| start > now) {
        tracing::warn!(secret = name, "a secret is used before its time");
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_ask_for_tokens_of_other_services() {
        for (url, here) in [
            ("https://localhost:8443", true),
            ("https://127.0.0.1", true),
            ("https://[::1]:8443", true),
            ("https://boutique.vault.azure.net", false),
            ("https://localhost.example.org", false),
            ("https://10.0.0.4", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), here, "{url}");
        }
    }
}
