//! The whole product on real parts: Cosmos DB's emulator, Azurite, Redis, a TDS server, an identity
//! endpoint and a vault, all told to it by settings alone.

mod budgets;
mod faults;
mod start;
mod voice;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pravis::adapters::blobs::AzureBlobs;
use pravis::adapters::documents::CosmosDocuments;
use pravis::adapters::queues::StorageQueues;
use pravis::adapters::reporting::{AzureSql, SqlLimits};
use pravis::adapters::secrets::SettingsSecrets;
use pravis::containers::DOCUMENT_CONTAINERS;
use pravis::identity::fresh_signing_key;
use pravis::ports::clock::SystemClock;
use pravis::ports::secrets::{Secret, SecretSource};
use serde_json::json;
use tempfile::TempDir;
use ulid::Ulid;

use super::sql::{NoCredential, settings};
use crate::functions_host::storage::Stores;
use crate::support::app::PASSWORD;
use crate::support::azurite::{ACCOUNT, Azurite, KEY, Login};
use crate::support::client::{Answer, Client};
use crate::support::cosmos::hosted::Hosted;
use crate::support::entra::Entra;
use crate::support::faults::FaultyService;
use crate::support::process::{self, Standalone, eventually};
use crate::support::redis::Server as Redis;
use crate::support::sql_server::SqlServer;
use crate::support::vault::Vault;

/// Who issues the program's access tokens.
pub const ISSUER: &str = "https://boutique.example";

/// The program on its own, and a stranger's way to it.
pub struct Program {
    _process: Standalone,
    pub client: Client,
}

impl Program {
    /// A new customer: the answer to the registration.
    pub async fn register(&self, email: &str) -> Answer {
        let asked = json!({ "email": email, "password": PASSWORD, "firstName": "Lakshmi" });
        self.client.post("/api/v1/auth/register").json(&asked).await
    }

    /// A new customer's way to it.
    pub async fn customer(&self) -> Client {
        let email = format!("{}@example.in", Ulid::generate());
        let signed_in = self.register(&email).await.expect(201).json();
        self.client.with_token(signed_in["access_token"].as_str().unwrap())
    }
}

/// The services, each behind a proxy that can make it fail.
pub struct Services {
    pub cosmos: Hosted,
    pub azurite: Azurite,
    _redis: Redis,
    pub sql: SqlServer,
    pub entra: Entra,
    pub vault: Vault,
    pub to_cosmos: FaultyService,
    pub to_blobs: FaultyService,
    pub to_queues: FaultyService,
    pub to_redis: FaultyService,
    pub to_sql: FaultyService,
    pub signing_key: Secret,
    place: TempDir,
}

impl Services {
    /// Starts all of them and has the program prepare them.
    pub async fn prepared() -> Self {
        let services = Self::start().await;
        let output = process::run(&["migrate"], &services.variables(), services.place.path()).await;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(told.lines().filter(|line| !line.starts_with('{')).count(), 3, "{told}");
        services
    }

    /// Starts all of them, empty.
    pub async fn start() -> Self {
        let azurite = tokio::task::spawn_blocking(|| Azurite::start(Login::Key));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // What the emulator says of itself leads back to the proxy.
        let cosmos = Hosted::behind(listener.local_addr().unwrap());
        let to_cosmos = FaultyService::on(listener, cosmos.address());
        let redis = Redis::start(&[]).await;
        let to_redis = FaultyService::in_front_of(SocketAddr::from(([127, 0, 0, 1], redis.port))).await;
        let sql = SqlServer::start();
        let to_sql = FaultyService::in_front_of(SocketAddr::from(([127, 0, 0, 1], sql.port()))).await;
        let entra = Entra::start().await;
        let vault = Vault::start(&entra).await;
        let signing_key = fresh_signing_key().unwrap();
        vault.set("jwt-signing-key", signing_key.expose());
        vault.set("pseudonym-key", &Ulid::generate().to_string());
        vault.set("cosmos-key", crate::support::cosmos::KEY);
        let azurite = azurite.await.unwrap();
        let to_blobs = FaultyService::in_front_of(azurite.blobs()).await;
        let to_queues = FaultyService::in_front_of(azurite.queues()).await;
        let place = tempfile::tempdir().unwrap();
        Self {
            cosmos,
            azurite,
            _redis: redis,
            sql,
            entra,
            vault,
            to_cosmos,
            to_blobs,
            to_queues,
            to_redis,
            to_sql,
            signing_key,
            place,
        }
    }

    /// What a deployment says of them.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let storage = format!(
            "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};\
             BlobEndpoint=http://{}/{ACCOUNT};QueueEndpoint=http://{}/{ACCOUNT}",
            self.to_blobs.address(),
            self.to_queues.address()
        );
        let sql =
            self.sql.url().replace(&format!(",{}", self.sql.port()), &format!(",{}", self.to_sql.address().port()));
        let set = [
            ("COSMOS_KEY", "@keyvault(cosmos-key)".to_owned()),
            ("AzureWebJobsStorage", storage),
            ("REDIS_URL", format!("redis://{}", self.to_redis.address())),
            ("SQL_URL", sql),
            ("PRAVIS_TOKEN_ISSUER", ISSUER.to_owned()),
            ("AZURE_CREDENTIAL", "managed-identity".to_owned()),
            ("KEY_VAULT_REFRESH_SECONDS", "1".to_owned()),
            ("RUST_LOG", "info".to_owned()),
        ];
        let set = set.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut variables = self.cosmos.variables();
        variables.extend(set.chain(self.entra.app_service()).chain(self.vault.variables(self.place.path())));
        variables
    }

    /// A folder for what the program keeps.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// Starts the program on its own and waits until it is ready and has its catalogue.
    pub async fn program(&self) -> Program {
        let program = Standalone::start_with(self.place(), &self.variables()).await;
        let client = Client::new(program.address, None);
        eventually("a ready program with products", async || {
            let ready = client.get("/api/v1/health/ready").await.status == 200;
            let products = client.get("/api/v1/products?limit=1").await;
            (ready && products.status == 200 && products.json()["products"][0]["id"].is_string()).then_some(())
        })
        .await;
        // What is read in the second after a change is read once more a second later; then it stays.
        eventually("a catalogue that stays in memory", async || {
            let is_hit = async || client.get("/api/v1/products?limit=1").await.header("x-cache") == "HIT";
            let before = is_hit().await;
            tokio::time::sleep(Duration::from_millis(1500)).await;
            (before && is_hit().await).then_some(())
        })
        .await;
        Program { _process: program, client }
    }

    /// The stores as somebody beside the program sees them, not through the proxies.
    pub fn stores(&self) -> Stores {
        let secrets = Arc::new(SettingsSecrets::new(BTreeMap::new(), None));
        let cosmos = self.cosmos.settings();
        let key = cosmos.key.clone().map(|key| SecretSource::new(key, secrets));
        let documents = CosmosDocuments::new(&cosmos, key, Arc::new(NoCredential), &DOCUMENT_CONTAINERS).unwrap();
        let account = self.azurite.account();
        let sql = settings(&self.sql.url());
        let reporting = AzureSql::new(&sql, None, Arc::new(NoCredential), SqlLimits::default()).unwrap();
        Stores {
            documents: Arc::new(documents),
            blobs: Arc::new(AzureBlobs::new(&account, Arc::new(SystemClock)).unwrap()),
            queue: Arc::new(StorageQueues::new(&account).unwrap()),
            reporting: Arc::new(reporting),
        }
    }
}
