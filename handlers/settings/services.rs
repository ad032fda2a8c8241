//! Where the services behind the ports are and how this process makes itself known to them. A port whose
//! service is not set is served by its embedded adapter.

use std::time::Duration;

use url::Url;

use super::{Get, SettingError, http_url, list, number, one_of};
use crate::ports::secrets::{Secret, SecretRef};

/// The settings of all services.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    pub credential: CredentialSettings,
    pub cosmos: Option<CosmosSettings>,
    pub storage: Option<StorageSettings>,
    pub redis: Option<RedisSettings>,
    pub sql: Option<SqlSettings>,
    pub key_vault: Option<KeyVaultSettings>,
}

/// Who this process is to Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSettings {
    /// `AZURE_CREDENTIAL`; `managed-identity` in production, `developer` in development.
    pub kind: CredentialKind,
    /// `AZURE_CLIENT_ID`: of a user-assigned identity; the system-assigned one without it.
    pub client_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    ManagedIdentity,
    /// Federated, as in Azure Kubernetes Service.
    WorkloadIdentity,
    /// Whoever is signed in to the Azure CLI or the Azure Developer CLI.
    Developer,
}

/// Azure Cosmos DB: documents.
#[derive(Clone, Debug)]
pub struct CosmosSettings {
    /// `COSMOS_ENDPOINT`, which chooses the adapter.
    pub endpoint: Url,
    /// `COSMOS_DATABASE`; `pravis`.
    pub database: String,
    /// `COSMOS_KEY`: an account key; the credential without it.
    pub key: Option<SecretRef>,
    /// `COSMOS_REGIONS`: names of the account's regions, nearest first; the account's own order without it.
    pub regions: Vec<String>,
}

/// Azure Storage: blobs and queues.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// `BLOB_SERVICE_URI`, which chooses the adapter, as does `AzureWebJobsStorage`.
    pub blob_endpoint: Url,
    /// `QUEUE_SERVICE_URI`; the blob endpoint's neighbour without it.
    pub queue_endpoint: Url,
    pub account: String,
    /// `STORAGE_KEY` or that of the connection string; the credential without it.
    pub key: Option<SecretRef>,
}

/// Redis: the shared cache, counters, rate limits, invalidations.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// `REDIS_URL`, which chooses the adapter: `redis://` or `rediss://` with host and port (10000 on
    /// Azure Managed Redis). Without its password.
    pub url: Url,
    /// `REDIS_USER`: the user of an access list, or the object id of the identity with Entra.
    pub user: Option<String>,
    pub login: RedisLogin,
    /// `REDIS_CLUSTER_POLICY`: `enterprise` (default: one endpoint for all keys, also a server alone) or
    /// `oss` (the client asks each shard itself).
    pub cluster: bool,
}

#[derive(Clone, Debug)]
pub enum RedisLogin {
    None,
    /// `REDIS_PASSWORD`, or the URL's.
    Password(SecretRef),
    /// `REDIS_AUTH` is `entra`: tokens of the credential.
    Entra,
}

/// Azure SQL: the reporting database.
#[derive(Clone, Debug)]
pub struct SqlSettings {
    /// `SQL_URL`, which chooses the adapter: an ADO.NET connection string; may hold a password.
    pub write: Secret,
    /// `SQL_READ_URL`: the same for reading; that of writing with `ApplicationIntent=ReadOnly` without it.
    pub read: Option<Secret>,
    /// `SQL_PASSWORD`, for a `User ID` in the connection string; with neither the credential is used.
    pub password: Option<SecretRef>,
}

/// Azure Key Vault: secrets.
#[derive(Clone, Debug)]
pub struct KeyVaultSettings {
    /// `KEY_VAULT_URL`, which chooses the adapter.
    pub url: Url,
    /// `KEY_VAULT_REFRESH_SECONDS`: how often secrets that are in use are read again; 300.
    pub refresh: Duration,
}

/// The account and its endpoints that Azurite documents for everybody.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const AZURITE_BLOBS: &str = "http://127.0.0.1:10000/devstoreaccount1";
const AZURITE_QUEUES: &str = "http://127.0.0.1:10001/devstoreaccount1";

impl ServiceSettings {
    pub(super) fn read(get: Get<'_>, production: bool) -> Result<Self, SettingError> {
        Ok(Self {
            credential: credential(get, production)?,
            cosmos: cosmos(get)?,
            storage: storage(get)?,
            redis: redis(get)?,
            sql: sql(get)?,
            key_vault: key_vault(get)?,
        })
    }

    /// The settings that production lacks, with the port that would live in this process instead.
    pub(super) fn missing(&self) -> Option<(&'static str, &'static str)> {
        [
            ("COSMOS_ENDPOINT", "documents", self.cosmos.is_none()),
            ("BLOB_SERVICE_URI", "blobs", self.storage.is_none()),
            ("REDIS_URL", "cache", self.redis.is_none()),
            ("SQL_URL", "reporting", self.sql.is_none()),
            ("KEY_VAULT_URL", "secrets", self.key_vault.is_none()),
        ]
        .into_iter()
        .find_map(|(name, port, missing)| missing.then_some((name, port)))
    }
}

fn credential(get: Get<'_>, production: bool) -> Result<CredentialSettings, SettingError> {
    let default = if production { CredentialKind::ManagedIdentity } else { CredentialKind::Developer };
    let kinds = [
        ("managed-identity", CredentialKind::ManagedIdentity),
        ("workload-identity", CredentialKind::WorkloadIdentity),
        ("developer", CredentialKind::Developer),
    ];
    let kind = one_of("AZURE_CREDENTIAL", get("AZURE_CREDENTIAL"), &kinds, default)?;
    Ok(CredentialSettings { kind, client_id: get("AZURE_CLIENT_ID").map(str::to_owned) })
}

fn cosmos(get: Get<'_>) -> Result<Option<CosmosSettings>, SettingError> {
    let Some(endpoint) = endpoint("COSMOS_ENDPOINT", get)? else { return Ok(None) };
    let key = secret("COSMOS_KEY", get);
    if let Some(SecretRef::Given(key)) = &key {
        check_key("COSMOS_KEY", key, 64)?;
    }
    let database = get("COSMOS_DATABASE").unwrap_or("pravis");
    // https://learn.microsoft.com/rest/api/cosmos-db/create-a-database
    if database.len() > 255 || database.contains(['/', '\\', '#', '?']) {
        return Err(SettingError::new("COSMOS_DATABASE", "expected at most 255 characters without / \\ # ?"));
    }
    let regions = list(get("COSMOS_REGIONS").unwrap_or_default()).map(str::to_owned).collect();
    Ok(Some(CosmosSettings { endpoint, database: database.to_owned(), key, regions }))
}

fn storage(get: Get<'_>) -> Result<Option<StorageSettings>, SettingError> {
    let Some(blob_endpoint) = endpoint("BLOB_SERVICE_URI", get)? else {
        return get("AzureWebJobsStorage").map(connection_string).transpose();
    };
    let account = account_of("BLOB_SERVICE_URI", &blob_endpoint)?;
    let queue_endpoint = match endpoint("QUEUE_SERVICE_URI", get)? {
        Some(endpoint) => endpoint,
        None => neighbour(&blob_endpoint).ok_or_else(|| {
            SettingError::new("QUEUE_SERVICE_URI", "required where BLOB_SERVICE_URI is not <account>.blob.<suffix>")
        })?,
    };
    let key = secret("STORAGE_KEY", get);
    if let Some(SecretRef::Given(key)) = &key {
        check_key("STORAGE_KEY", key, 64)?;
    }
    Ok(Some(StorageSettings { blob_endpoint, queue_endpoint, account, key }))
}

/// Reads a storage account's connection string
/// (<https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string>).
fn connection_string(text: &str) -> Result<StorageSettings, SettingError> {
    let wrong = |problem: &str| SettingError::new("AzureWebJobsStorage", problem);
    let parts: Vec<(&str, &str)> = text
        .split(';')
        .filter(|part| !part.trim().is_empty())
        .map(|part| part.trim().split_once('='))
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("expected UseDevelopmentStorage=true or Name=Value pairs parted by semicolons"))?;
    let part = |name: &str| parts.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let given = |text: &str| Some(SecretRef::Given(Secret::new(text)));
    let address = |text: &str| http_url("AzureWebJobsStorage", text);
    if part("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(StorageSettings {
            blob_endpoint: address(AZURITE_BLOBS)?,
            queue_endpoint: address(AZURITE_QUEUES)?,
            account: AZURITE_ACCOUNT.to_owned(),
            key: given(AZURITE_KEY),
        });
    }
    let account = part("AccountName").ok_or_else(|| wrong("lacks AccountName"))?;
    let key = Secret::new(part("AccountKey").ok_or_else(|| wrong("lacks AccountKey"))?);
    check_key("AzureWebJobsStorage", &key, 64)?;
    let endpoint = |service: &str| match part(&format!("{service}Endpoint")) {
        Some(text) => address(text),
        None => {
            let protocol = part("DefaultEndpointsProtocol").unwrap_or("https");
            let suffix = part("EndpointSuffix").unwrap_or("core.windows.net");
            address(&format!("{protocol}://{account}.{}.{suffix}", service.to_ascii_lowercase()))
        }
    };
    Ok(StorageSettings {
        blob_endpoint: endpoint("Blob")?,
        queue_endpoint: endpoint("Queue")?,
        account: account.to_owned(),
        key: Some(SecretRef::Given(key)),
    })
}

/// The account in the host's first label, or, where the host is an address (Azurite), in the path.
fn account_of(name: &str, endpoint: &Url) -> Result<String, SettingError> {
    let account = match endpoint.host() {
        Some(url::Host::Domain(domain)) if domain.contains('.') => domain.split('.').next(),
        _ => endpoint.path_segments().and_then(|mut segments| segments.next()),
    };
    account
        .filter(|account| !account.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| SettingError::new(name, "expected https://<account>.blob.core.windows.net"))
}

/// The queue endpoint beside a blob endpoint.
fn neighbour(blobs: &Url) -> Option<Url> {
    let mut queues = blobs.clone();
    let host = blobs.host_str()?.replacen(".blob.", ".queue.", 1);
    if Some(host.as_str()) == blobs.host_str() {
        return None;
    }
    queues.set_host(Some(&host)).ok()?;
    Some(queues)
}

fn redis(get: Get<'_>) -> Result<Option<RedisSettings>, SettingError> {
    let Some(text) = get("REDIS_URL") else { return Ok(None) };
    let expected = || SettingError::new("REDIS_URL", "expected redis:// or rediss:// with a host and a port");
    let mut url = Url::parse(text).map_err(|_| expected())?;
    if !matches!(url.scheme(), "redis" | "rediss") || url.host_str().is_none_or(str::is_empty) {
        return Err(expected());
    }
    let of_url = url.password().map(|password| SecretRef::Given(Secret::new(unescaped(password))));
    let user = get("REDIS_USER").or(Some(url.username())).filter(|user| !user.is_empty()).map(unescaped);
    let password = secret("REDIS_PASSWORD", get).or(of_url).map_or(RedisLogin::None, RedisLogin::Password);
    let login = match get("REDIS_AUTH") {
        None | Some("password") => password,
        Some("entra") if user.is_some() => RedisLogin::Entra,
        Some("entra") => {
            return Err(SettingError::new("REDIS_USER", "required with REDIS_AUTH=entra: the identity's object id"));
        }
        Some(_) => return Err(SettingError::new("REDIS_AUTH", "expected password or entra")),
    };
    url.set_password(None).and_then(|()| url.set_username("")).map_err(|()| expected())?;
    let policies = [("enterprise", false), ("oss", true)];
    let cluster = one_of("REDIS_CLUSTER_POLICY", get("REDIS_CLUSTER_POLICY"), &policies, false)?;
    Ok(Some(RedisSettings { url, user, login, cluster }))
}

fn sql(get: Get<'_>) -> Result<Option<SqlSettings>, SettingError> {
    let Some(write) = get("SQL_URL") else { return Ok(None) };
    let read = get("SQL_READ_URL").map(Secret::new);
    Ok(Some(SqlSettings { write: Secret::new(write), read, password: secret("SQL_PASSWORD", get) }))
}

fn key_vault(get: Get<'_>) -> Result<Option<KeyVaultSettings>, SettingError> {
    let Some(url) = endpoint("KEY_VAULT_URL", get)? else { return Ok(None) };
    if url.scheme() != "https" {
        return Err(SettingError::new("KEY_VAULT_URL", "expected an https address"));
    }
    let seconds = number("KEY_VAULT_REFRESH_SECONDS", get("KEY_VAULT_REFRESH_SECONDS"), 1..=86_400, 300)?;
    Ok(Some(KeyVaultSettings { url, refresh: Duration::from_secs(seconds as u64) }))
}

fn endpoint(name: &str, get: Get<'_>) -> Result<Option<Url>, SettingError> {
    get(name).map(|text| http_url(name, text)).transpose()
}

/// A setting that is a secret, or `@keyvault(name)` for one that [`crate::ports::secrets::Secrets`] knows.
fn secret(name: &str, get: Get<'_>) -> Option<SecretRef> {
    get(name).map(SecretRef::parse)
}

/// Refuses what is not base64 of so many bytes, without showing it.
fn check_key(name: &str, key: &Secret, bytes: usize) -> Result<(), SettingError> {
    use base64::Engine;
    match base64::engine::general_purpose::STANDARD.decode(key.expose()) {
        Ok(decoded) if decoded.len() == bytes => Ok(()),
        Ok(decoded) => {
            Err(SettingError::new(name, format!("expected a key of {bytes} bytes, got one of {}", decoded.len())))
        }
        Err(_) => Err(SettingError::new(name, format!("expected a key of {bytes} bytes in base64"))),
    }
}

fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
