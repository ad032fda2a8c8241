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
        Ok(self.version(name, None).await?.map(|(_, value)| value))
    }

    /// The newest usable version before the one that [`Vault::get`] gives.
    pub async fn replaced(&self, name: &str) -> PortResult<Option<Replaced>> {
        let Some((present, _)) = self.version(name, None).await? else { return Ok(None) };
        let versions = self.versions(name).await?;
        let Some(at) = versions.iter().find(|version| version.id == present).map(|present| present.created) else {
            return Ok(None);
        };
        let usable = versions.into_iter().filter(|version| version.enabled && version.id != present);
        let before = usable.filter(|version| version.created <= at).max_by_key(|version| version.created);
        let Some(before) = before else { return Ok(None) };
        let value = self.version(name, Some(before.id)).await?;
        Ok(value.map(|(_, value)| Replaced { value, at }))
    }

    async fn versions(&self, name: &str) -> PortResult<Vec<Version>> {
        let what = format!("key-vault: list versions of {name}");
        let listing = self.service.call("list_versions", async {
            let pages = self.client.list_secret_properties_versions(name, None);
            let mut pages = pages.map_err(|error| port_error(&what, &error))?;
            let mut found = Vec::new();
            while let Some(version) = pages.try_next().await.map_err(|error| port_error(&what, &error))? {
                if found.len() == MAX_VERSIONS {
                    return Err(PortError::invalid(format!("{what}: more than {MAX_VERSIONS} versions")));
                }
                found.extend(Version::of(&version));
            }
            Ok(found)
        });
        listing.await
    }

    /// One version, or the newest: its id and its value.
    async fn version(&self, name: &str, version: Option<String>) -> PortResult<Option<(String, Secret)>> {
        let what = format!("key-vault: get {name}");
        let options = SecretClientGetSecretOptions { secret_version: version, ..Default::default() };
        let reading = self.service.call("get", async {
            let answer = match self.client.get_secret(name, Some(options)).await {
                Ok(answer) => answer,
                Err(error) => return refused(&what, name, &error).map(|()| None),
            };
            let secret = answer.into_model().map_err(|error| port_error(&what, &error))?;
            if let Some(attributes) = &secret.attributes {
                tell_of_lifetime(name, attributes);
            }
            let id = secret.resource_id().ok().and_then(|id| id.version).unwrap_or_default();
            match secret.value {
                Some(value) => Ok(Some((id, Secret::new(value)))),
                None => Err(PortError::unavailable(format!("{what}: the answer holds no value"))),
            }
        });
        reading.await
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

/// What a secret that is not given means: there is none, or an error.
fn refused(what: &str, name: &str, error: &azure_core::Error) -> PortResult<()> {
    let reason = reason(error);
    match (error.http_status().map(u16::from), reason.as_deref()) {
        (Some(404), Some("SecretNotFound")) => Ok(()),
        (Some(403), Some("SecretDisabled")) => {
            tracing::warn!(secret = name, "a secret is disabled and counts as none");
            Ok(())
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
