//! Azure Cosmos DB in this process: Microsoft's in-memory emulator, which is a part of the driver outside its
//! contract. Everything that the tests know of it is in this module.
//!
//! What it does not do: let documents expire, enforce indexes, show deletions on the change feed.

pub mod hosted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::Request;
use azure_data_cosmos::fault_injection::FaultInjectionRule;
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, CosmosRuntimeBuilder, RoutingStrategy};
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ContainerConfig, EmulatorStore, InMemoryEmulatorHttpClient, RequestObserver,
    VirtualAccountConfig, VirtualRegion,
};
use pravis::adapters::documents::{CosmosDatabases, CosmosDocuments};
use pravis::ports::documents::Container;
use pravis::ports::secrets::{Secret, SecretRef, SecretSource};
use pravis::settings::{CosmosSettings, SettingError};
use url::Url;

pub const DATABASE: &str = "pravis";
/// Any 64 bytes; the emulator itself does not look at them.
pub const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw==";

/// An account.
pub struct Emulator {
    pub client: Arc<InMemoryEmulatorHttpClient>,
    endpoint: Url,
    regions: Vec<String>,
}

/// How an account is made.
#[derive(Default)]
pub struct Plan {
    /// The first one takes the writes; one region without any.
    pub regions: &'static [&'static str],
    /// Whether throughput is limited.
    pub throttled: bool,
    pub observer: Option<Arc<dyn RequestObserver>>,
    /// The only region's address, where it is not within the process.
    pub endpoint: Option<Url>,
}

impl Emulator {
    pub fn new(plan: Plan) -> Self {
        let names = if plan.regions.is_empty() { &["Central India"] } else { plan.regions };
        let address = |name: &str| {
            let host = name.to_lowercase().replace(' ', "");
            plan.endpoint.clone().unwrap_or_else(|| Url::parse(&format!("https://{host}.emulator.local")).unwrap())
        };
        let regions = names.iter().map(|name| VirtualRegion::new(name, address(name))).collect();
        let config = VirtualAccountConfig::new(regions)
            .unwrap()
            .with_consistency(ConsistencyLevel::Session)
            .with_throttling_enabled(plan.throttled);
        let mut client = InMemoryEmulatorHttpClient::new(config);
        if let Some(observer) = plan.observer {
            client = client.with_request_observer(observer);
        }
        let regions = names.iter().map(|&name| name.to_owned()).collect();
        Self { client: Arc::new(client), endpoint: address(names[0]), regions }
    }

    /// One region with the database and these containers.
    pub fn with(containers: &[&Container]) -> Self {
        let emulator = Self::new(Plan::default());
        emulator.create(containers, 2);
        emulator
    }

    /// Hooks into what is stored.
    pub fn store(&self) -> Arc<EmulatorStore> {
        self.client.store()
    }

    /// Makes the database and containers of so many physical partitions, with throughput enough.
    pub fn create(&self, containers: &[&Container], partitions: u32) {
        self.create_with(containers, partitions, 100_000);
    }

    /// The throughput is in request units per second, of all partitions together.
    pub fn create_with(&self, containers: &[&Container], partitions: u32, throughput: u64) {
        let store = self.store();
        store.create_database(DATABASE);
        for container in containers {
            let key = serde_json::from_value(container.definition()["partitionKey"].clone()).unwrap();
            let config = ContainerConfig::new().with_partition_count(partitions).with_throughput(throughput);
            store.create_container_with_config(DATABASE, container.name, key, config.build().unwrap());
        }
    }

    /// Splits the first physical partition of a container in two.
    pub async fn split(&self, container: &Container) {
        self.split_partition(container, 0).await;
    }

    pub async fn split_partition(&self, container: &Container, partition: u32) {
        let store = self.store();
        let middle = store.midpoint_split_epk(DATABASE, container.name, partition).unwrap();
        let lock = Duration::from_millis(20);
        store.split_partition_and_wait(DATABASE, container.name, partition, middle, lock).await.unwrap();
    }

    pub fn settings(&self) -> CosmosSettings {
        CosmosSettings {
            endpoint: self.endpoint.clone(),
            database: DATABASE.to_owned(),
            key: Some(SecretRef::Given(Secret::new(KEY))),
            regions: self.regions.clone(),
        }
    }

    /// A store on the account that opens it with a key.
    pub async fn documents(&self, containers: &'static [&'static Container]) -> CosmosDocuments {
        self.documents_with(containers, Some(key()), Vec::new()).await
    }

    /// A store whose requests meet `faults` on their way; without a key it uses a credential.
    pub async fn documents_with(
        &self,
        containers: &'static [&'static Container],
        key: Option<SecretSource>,
        faults: Vec<Arc<FaultInjectionRule>>,
    ) -> CosmosDocuments {
        let documents = documents(&self.settings(), key, containers).unwrap();
        documents.with_runtime(self.runtime(faults).await)
    }

    /// A store that opens the account with a key and by other settings.
    pub async fn documents_by(
        &self,
        settings: &CosmosSettings,
        containers: &'static [&'static Container],
    ) -> CosmosDocuments {
        documents(settings, Some(key()), containers).unwrap().with_runtime(self.runtime(Vec::new()).await)
    }

    /// The dedicated databases of the account.
    pub async fn databases(&self, containers: &'static [&'static Container]) -> CosmosDatabases {
        let databases = CosmosDatabases::new(&self.settings(), Some(key()), Arc::new(AnyToken), containers);
        databases.with_runtime(self.runtime(Vec::new()).await)
    }

    /// The client itself, for what the store has no call for.
    pub async fn sdk_client(&self) -> CosmosClient {
        let account = AccountReference::with_authentication_key(self.endpoint.clone().into(), KEY.to_owned());
        let builder = CosmosClient::builder().with_runtime(self.runtime(Vec::new()).await);
        builder.build(account, RoutingStrategy::PreferredRegions(Vec::new())).await.unwrap()
    }

    async fn runtime(&self, faults: Vec<Arc<FaultInjectionRule>>) -> CosmosRuntime {
        let builder = match faults.is_empty() {
            true => self.client.runtime_builder(),
            false => self.client.runtime_builder_with_fault_rules(faults),
        };
        CosmosRuntimeBuilder::from(builder).build().await.unwrap()
    }
}

/// A store as the application makes it.
pub fn documents(
    settings: &CosmosSettings,
    key: Option<SecretSource>,
    containers: &'static [&'static Container],
) -> Result<CosmosDocuments, SettingError> {
    CosmosDocuments::new(settings, key, Arc::new(AnyToken), containers)
}

/// The key that is given in the settings.
pub fn key() -> SecretSource {
    SecretSource::new(SecretRef::Given(Secret::new(KEY)), Arc::new(NoSecrets))
}

struct NoSecrets;

#[async_trait]
impl pravis::ports::secrets::Secrets for NoSecrets {
    async fn get(&self, _name: &str) -> pravis::ports::PortResult<Option<Secret>> {
        Ok(None)
    }
}

/// A credential whose tokens the emulator takes, as it takes any.
#[derive(Debug)]
struct AnyToken;

#[async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires = azure_core::time::OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1);
        Ok(AccessToken::new("token", expires))
    }
}

/// Sees every request before it is answered.
pub struct Observer<F>(pub F);

impl<F> std::fmt::Debug for Observer<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl<F: Fn(&Request) + Send + Sync> RequestObserver for Observer<F> {
    fn on_request(&self, request: &Request) {
        (self.0)(request);
    }
}
