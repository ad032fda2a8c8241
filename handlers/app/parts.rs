//! Which adapter stands behind each port. None opens a connection here: a service that is away when the
//! process starts is told by readiness, and used once it is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, OnceLock};

use azure_core::credentials::TokenCredential;

use crate::adapters::azure::{AzureTransport, credential};
use crate::adapters::blobs::{AzureBlobs, DirectoryBlobs};
use crate::adapters::cache::{
    FallbackCache, FallbackLimits, Health, MemoryCache, MemoryInvalidations, MemoryLimits, Redis,
};
use crate::adapters::chat::ChatCompletions;
use crate::adapters::documents::{CosmosDatabases, CosmosDocuments, RoutedDocuments, SqliteDatabases, SqliteDocuments};
use crate::adapters::queues::{LocalQueue, StorageQueues};
use crate::adapters::reporting::{AzureSql, SqlLimits, SqliteReporting};
use crate::adapters::secrets::{KeyVaultSecrets, SettingsSecrets};
use crate::adapters::storage_account::StorageAccount;
use crate::containers::{DOCUMENT_CONTAINERS, TENANT_CONTAINERS};
use crate::error::{Error, Result};
use crate::host::local::{EmbeddedStores, LEASES, LocalStores};
use crate::identity::{KeyRing, KeySet, Rotation, fresh_signing_key};
use crate::ports::cache::{Cache, Invalidations};
use crate::ports::chat::Chat;
use crate::ports::clock::Clock;
use crate::ports::documents::{Container, Databases, DedicatedFeeds, DocumentStore};
use crate::ports::limits::RateLimits;
use crate::ports::reporting::ReportingDb;
use crate::ports::secrets::{Secret, SecretRef, SecretSource, Secrets};
use crate::services::analytics;
use crate::settings::{ChatProvider, Environment, Settings};
use crate::tenants::TenantDirectory;

/// The secret that signs access tokens.
const SIGNING_KEY: &str = "jwt-signing-key";
/// The secret that makes pseudonyms of customers and networks.
const PSEUDONYM_KEY: &str = "pseudonym-key";

/// The product's containers, and the local host's own.
static CONTAINERS: LazyLock<Vec<&'static Container>> =
    LazyLock::new(|| DOCUMENT_CONTAINERS.into_iter().chain([&LEASES]).collect());

/// The adapters of one process.
pub struct Parts {
    pub stores: LocalStores,
    /// The databases that tenants may have to themselves, the feeds of their documents, and who is in which.
    pub databases: Arc<dyn Databases>,
    pub dedicated_feeds: Arc<dyn DedicatedFeeds>,
    pub tenants: TenantDirectory,
    pub cache: Arc<dyn Cache>,
    /// The cache that all instances share, where there is one, without what this process does instead.
    pub shared_cache: Option<Arc<dyn Cache>>,
    pub limits: Arc<dyn RateLimits>,
    pub invalidations: Arc<dyn Invalidations>,
    pub reporting: Arc<dyn ReportingDb>,
    pub secrets: Arc<dyn Secrets>,
    pub keys: KeyRing,
    /// The language model, where one is set.
    pub chat: Option<Arc<dyn Chat>>,
    /// Those among them whose services have to be prepared once.
    pub services: Services,
}

/// The adapters of services that `handler migrate` prepares.
#[derive(Default)]
pub struct Services {
    pub cosmos: Option<Arc<CosmosDocuments>>,
    pub blobs: Option<Arc<AzureBlobs>>,
    pub sql: Option<Arc<AzureSql>>,
}

impl Parts {
    /// # Errors
    /// Settings that cannot be used, by their name; those of opening the embedded stores.
    pub async fn of(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Self> {
        let azure = Azure { settings, shared: OnceLock::new() };
        let embedded = Embedded::new(settings, clock.clone());
        let mut services = Services::default();
        let (secrets, keys) = secrets(settings, clock, &azure, &embedded).await?;
        let source = |reference: &Option<SecretRef>| reference.clone().map(|it| SecretSource::new(it, secrets.clone()));

        let connections = &settings.connections;
        let mut stores = EmbeddedStores::default();
        let (shared, databases): (Arc<dyn DocumentStore>, Arc<dyn Databases>) = match &connections.cosmos {
            Some(cosmos) => {
                // The platform fires the triggers there, so the local host keeps nothing.
                let containers: &'static [&'static Container] = match settings.environment {
                    Environment::Production => &DOCUMENT_CONTAINERS,
                    Environment::Development => &CONTAINERS,
                };
                let (key, credential) = (source(&cosmos.key), azure.credential()?);
                let databases = CosmosDatabases::new(cosmos, key.clone(), credential.clone(), &TENANT_CONTAINERS);
                let cosmos = CosmosDocuments::new(cosmos, key, credential, containers).map_err(Error::internal)?;
                (services.cosmos.insert(Arc::new(cosmos)).clone() as _, Arc::new(databases) as _)
            }
            None => {
                let databases = stores.databases.insert(embedded.databases()?).clone();
                (stores.documents.insert(embedded.documents()?).clone() as _, databases as _)
            }
        };
        let tenants = TenantDirectory::new(shared.clone(), settings.tenant_cache);
        let documents = Arc::new(RoutedDocuments::new(shared.clone(), databases.clone(), Arc::new(tenants.clone())));
        let (blobs, queues) = match &connections.storage {
            Some(storage) => {
                let account =
                    StorageAccount::new(storage, source(&storage.key), azure.credential()?, azure.transport()?)
                        .map_err(Error::internal)?;
                let blobs = Arc::new(AzureBlobs::new(&account, clock.clone()).map_err(Error::internal)?);
                let queues = Arc::new(StorageQueues::new(&account).map_err(Error::internal)?);
                (services.blobs.insert(blobs).clone() as _, queues as _)
            }
            None => (stores.blobs.insert(embedded.blobs().await?).clone() as _, embedded.queues()? as _),
        };
        let Caching { cache, shared_cache, limits, invalidations } = cache(settings, &secrets, &azure)?;
        let reporting = match &connections.sql {
            Some(sql) => {
                let sql = AzureSql::new(sql, source(&sql.password), azure.credential()?, SqlLimits::default())
                    .map_err(Error::internal)?;
                services.sql.insert(Arc::new(sql)).clone() as _
            }
            None => embedded.reporting().await? as _,
        };
        let chat = chat(settings, source, &azure)?;
        let dedicated_feeds = documents.clone() as _;
        let stores = LocalStores { documents, shared, blobs, queues, embedded: stores };
        Ok(Self {
            stores,
            databases,
            dedicated_feeds,
            tenants,
            cache,
            shared_cache,
            limits,
            invalidations,
            reporting,
            secrets,
            keys,
            chat,
            services,
        })
    }
}

/// What the adapters of Azure's services share, made when the first of them needs it.
struct Azure<'a> {
    settings: &'a Settings,
    shared: OnceLock<(AzureTransport, Arc<dyn TokenCredential>)>,
}

impl Azure<'_> {
    fn shared(&self) -> Result<&(AzureTransport, Arc<dyn TokenCredential>)> {
        if let Some(shared) = self.shared.get() {
            return Ok(shared);
        }
        let transport = AzureTransport::new().map_err(Error::internal)?;
        let credential = credential(&self.settings.connections.credential, &transport).map_err(Error::internal)?;
        Ok(self.shared.get_or_init(|| (transport, credential)))
    }

    fn credential(&self) -> Result<Arc<dyn TokenCredential>> {
        Ok(self.shared()?.1.clone())
    }

    fn transport(&self) -> Result<&AzureTransport> {
        Ok(&self.shared()?.0)
    }
}

async fn secrets(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    azure: &Azure<'_>,
    embedded: &Embedded<'_>,
) -> Result<(Arc<dyn Secrets>, KeyRing)> {
    let Some(vault) = &settings.connections.key_vault else {
        embedded.secret(PSEUDONYM_KEY, fresh_key).await?;
        let key = embedded.secret(SIGNING_KEY, fresh_signing_key).await?;
        let keys = KeySet::parse(&key, &settings.token_issuer, &settings.token_audience)
            .map_err(|problem| Error::internal(format!("the secret {SIGNING_KEY}: {problem}")))?;
        return Ok((Arc::new(embedded.secrets()?), KeyRing::fixed(keys)));
    };
    let secrets = KeyVaultSecrets::new(vault, settings.secrets.clone(), azure.credential()?, azure.transport()?)
        .map_err(Error::internal)?;
    secrets.preload(settings.named_secrets().chain([SIGNING_KEY, PSEUDONYM_KEY]));
    let secrets: Arc<dyn Secrets> = Arc::new(secrets);
    let rotation = Rotation {
        secret: SIGNING_KEY.to_owned(),
        issuer: settings.token_issuer.clone(),
        audience: settings.token_audience.clone(),
        // Another instance may have read the vault just before the key was replaced.
        overlap: chrono::Duration::from_std(vault.refresh * 2).map_err(Error::internal)?,
    };
    let keys = KeyRing::follow(secrets.clone(), rotation, clock.clone());
    Ok((secrets, keys))
}

/// The language model that the settings choose. Azure is asked with the credential where there is no key.
fn chat(
    settings: &Settings,
    source: impl Fn(&Option<SecretRef>) -> Option<SecretSource>,
    azure: &Azure<'_>,
) -> Result<Option<Arc<dyn Chat>>> {
    let Some(chat) = &settings.chat else { return Ok(None) };
    let by_identity = chat.key.is_none() && matches!(chat.provider, ChatProvider::AzureOpenAi { .. });
    let credential = by_identity.then(|| azure.credential()).transpose()?;
    let adapter = ChatCompletions::new(chat, source(&chat.key), credential).map_err(Error::internal)?;
    Ok(Some(Arc::new(adapter)))
}

struct Caching {
    cache: Arc<dyn Cache>,
    shared_cache: Option<Arc<dyn Cache>>,
    limits: Arc<dyn RateLimits>,
    invalidations: Arc<dyn Invalidations>,
}

/// Room in this process for claims and counters, and for the counts of rate limits.
const CLAIMS_BYTES: u64 = 16 * 1024 * 1024;
const LIMITS_BYTES: u64 = 4 * 1024 * 1024;

fn cache(settings: &Settings, secrets: &Arc<dyn Secrets>, azure: &Azure<'_>) -> Result<Caching> {
    let cache = Arc::new(MemoryCache::new(CLAIMS_BYTES));
    let limits = Arc::new(MemoryLimits::new(LIMITS_BYTES));
    let Some(redis) = &settings.connections.redis else {
        let invalidations = Arc::new(MemoryInvalidations::new());
        return Ok(Caching { cache, shared_cache: None, limits, invalidations });
    };
    let redis = Redis::new(redis, secrets.clone(), azure.credential()?).map_err(Error::internal)?;
    let health = Arc::new(Health::new("redis"));
    let shared: Arc<dyn Cache> = Arc::new(redis.cache());
    let cache = Arc::new(FallbackCache::new(shared.clone(), cache, health.clone()));
    let limits = Arc::new(FallbackLimits::new(Arc::new(redis.limits()), limits, health));
    Ok(Caching { cache, shared_cache: Some(shared), limits, invalidations: Arc::new(redis.invalidations()) })
}

/// The adapters that keep their files in the data directory, which exists once one of them needs it.
struct Embedded<'a> {
    settings: &'a Settings,
    clock: Arc<dyn Clock>,
}

impl<'a> Embedded<'a> {
    fn new(settings: &'a Settings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    fn dir(&self) -> Result<&Path> {
        std::fs::create_dir_all(&self.settings.data_dir).map_err(Error::internal)?;
        Ok(&self.settings.data_dir)
    }

    fn documents(&self) -> Result<Arc<SqliteDocuments>> {
        let file = self.dir()?.join("documents.db");
        Ok(Arc::new(SqliteDocuments::open(&file, &CONTAINERS, self.clock.clone())?))
    }

    fn databases(&self) -> Result<Arc<SqliteDatabases>> {
        Ok(SqliteDatabases::new(self.dir()?, &TENANT_CONTAINERS, self.clock.clone()))
    }

    async fn blobs(&self) -> Result<Arc<DirectoryBlobs>> {
        let key = self.secret("blob-url-key", fresh_key).await?;
        let (place, url) = (self.dir()?.join("blobs"), &self.settings.public_url);
        Ok(Arc::new(DirectoryBlobs::open(&place, key.expose().as_bytes(), url, self.clock.clone())?))
    }

    fn queues(&self) -> Result<Arc<LocalQueue>> {
        Ok(Arc::new(LocalQueue::open(&self.dir()?.join("queue.db"), self.clock.clone())?))
    }

    async fn reporting(&self) -> Result<Arc<SqliteReporting>> {
        let reporting = SqliteReporting::open(&self.dir()?.join("reporting.db"))?;
        reporting.migrate(&analytics::TABLES).await?;
        Ok(Arc::new(reporting))
    }

    fn secrets(&self) -> Result<SettingsSecrets> {
        let given = self.settings.secrets.iter().filter_map(|(name, secret)| match secret {
            SecretRef::Given(secret) => Some((name.clone(), secret.clone())),
            SecretRef::Named(_) => None,
        });
        Ok(SettingsSecrets::new(given.collect::<BTreeMap<_, _>>(), Some(self.dir()?.join("secrets.json"))))
    }

    /// A secret that is made when there is none. Only then: the first random bytes cost a start more than
    /// all else.
    async fn secret(&self, name: &str, fresh: impl Fn() -> Result<Secret>) -> Result<Secret> {
        let secrets = self.secrets()?;
        match secrets.get(name).await? {
            Some(secret) => Ok(secret),
            None => Ok(secrets.get_or_create(name, fresh()?).await?),
        }
    }
}

fn fresh_key() -> Result<Secret> {
    use base64::Engine;
    let mut key = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(Error::internal)?;
    Ok(Secret::new(base64::engine::general_purpose::STANDARD.encode(key)))
}
