//! The client of an account and of its containers: made when first needed, by one caller while others
//! wait, and made anew when the account refuses the key and there is another one.

use std::sync::{Arc, Mutex, PoisonError};

use azure_core::credentials::TokenCredential;
use azure_data_cosmos::clients::{ContainerClient, CosmosClient, DatabaseClient};
use azure_data_cosmos::options::Region;
use azure_data_cosmos::{AccountReference, CosmosError, CosmosRuntime, RoutingStrategy};
use tokio::sync::OnceCell;
use url::Url;

use super::charges::Charges;
use super::errors::{failed, is_of_the_container, is_unauthorised, not_opened};
use super::options;
use crate::ports::documents::Container;
use crate::ports::secrets::{Secret, SecretSource};
use crate::ports::{PortError, PortResult};

/// An account and what opens it.
pub(super) struct Account {
    pub endpoint: Url,
    pub database: String,
    pub regions: Vec<Region>,
    /// The credential is used without it.
    pub key: Option<SecretSource>,
    pub credential: Arc<dyn TokenCredential>,
    pub containers: &'static [&'static Container],
    /// Each connection has its own without it.
    pub runtime: Option<CosmosRuntime>,
    pub connection: Mutex<Arc<Connection>>,
}

/// Clients that share a key.
pub(super) struct Connection {
    account: OnceCell<Opened>,
    containers: Vec<OnceCell<ContainerClient>>,
}

struct Opened {
    client: CosmosClient,
    key: Option<Secret>,
}

impl Connection {
    pub fn new(containers: usize) -> Self {
        Self { account: OnceCell::new(), containers: (0..containers).map(|_| OnceCell::new()).collect() }
    }
}

impl Account {
    /// Runs `work` on the client of `container`, a second time where the account or the container turned
    /// out to be another one than when the client was made.
    pub async fn with_container<T, F>(
        &self,
        operation: &str,
        container: &Container,
        work: impl Fn(ContainerClient) -> F,
    ) -> PortResult<T>
    where
        F: Future<Output = Result<T, CosmosError>>,
    {
        let connection = self.current();
        let (error, told) = match self.container(&connection, container).await? {
            Ok(client) => match work(client).await {
                Ok(done) => return Ok(done),
                Err(error) => (error, failed as fn(&str, &CosmosError) -> PortError),
            },
            Err(error) => (error, not_opened as _),
        };
        if !self.renew(&connection, &error).await? {
            return Err(told(operation, &error));
        }
        let client =
            self.container(&self.current(), container).await?.map_err(|error| not_opened(operation, &error))?;
        work(client).await.map_err(|error| failed(operation, &error))
    }

    /// The client of the database, for work on its containers.
    pub async fn database(&self) -> PortResult<(CosmosClient, DatabaseClient)> {
        let connection = self.current();
        let error = match self.client(&connection).await? {
            Ok(client) => return Ok((client.clone(), client.database_client(self.database.as_str()))),
            Err(error) => error,
        };
        Err(failed("connect", &error))
    }

    fn current(&self) -> Arc<Connection> {
        Arc::clone(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is another connection to try after `error` on this one.
    async fn renew(&self, used: &Arc<Connection>, error: &CosmosError) -> PortResult<bool> {
        if is_of_the_container(error) {
            // One that is not there can be there by now, with other partitions than the last time.
            return Ok(self.replace(used));
        }
        if !is_unauthorised(error) {
            return Ok(false);
        }
        let Some(source) = &self.key else { return Ok(false) };
        let key = source.get().await?;
        let refused = used.account.get().and_then(|opened| opened.key.as_ref());
        match refused == Some(&key) && Arc::ptr_eq(used, &self.current()) {
            true => Ok(false),
            false => {
                tracing::info!("Cosmos DB refuses the account key; there is another one");
                Ok(self.replace(used))
            }
        }
    }

    /// Puts a fresh connection in the place of `used`, unless somebody else did.
    fn replace(&self, used: &Arc<Connection>) -> bool {
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(used, &current) {
            *current = Arc::new(Connection::new(self.containers.len()));
        }
        true
    }

    /// Gives the client's errors apart from those of the key's source.
    async fn container(
        &self,
        connection: &Connection,
        container: &Container,
    ) -> PortResult<Result<ContainerClient, CosmosError>> {
        let place = self.containers.iter().position(|known| *known == container);
        let cell = place.and_then(|place| connection.containers.get(place)).ok_or_else(|| unknown(container))?;
        let client = match self.client(connection).await? {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        };
        let open =
            || async { client.database_client(self.database.as_str()).container_client(container.name, None).await };
        Ok(cell.get_or_try_init(open).await.cloned())
    }

    async fn client<'a>(&self, connection: &'a Connection) -> PortResult<Result<&'a CosmosClient, CosmosError>> {
        let opened = connection.account.get_or_try_init(|| self.open()).await;
        match opened {
            Ok(opened) => Ok(Ok(&opened.client)),
            Err(OpenError::Key(error)) => Err(error),
            Err(OpenError::Client(error)) => Ok(Err(error)),
        }
    }

    async fn open(&self) -> Result<Opened, OpenError> {
        // A runtime remembers containers along with the key that they were found by.
        let runtime = match &self.runtime {
            Some(given) => given.clone(),
            None => options::runtime().await.map_err(OpenError::Client)?,
        };
        let endpoint = self.endpoint.clone().into();
        let key = match &self.key {
            Some(source) => Some(source.get().await.map_err(OpenError::Key)?),
            None => None,
        };
        let account = match &key {
            Some(key) => AccountReference::with_authentication_key(endpoint, key.expose().to_owned()),
            None => AccountReference::with_credential(endpoint, Arc::clone(&self.credential)),
        };
        let client = CosmosClient::builder()
            .with_runtime(runtime)
            .with_default_operation_options(options::operations())
            .with_binary_encoding_options(options::text())
            .with_diagnostics_handler(Arc::new(Charges))
            .build(account, RoutingStrategy::PreferredRegions(self.regions.clone()))
            .await
            .map_err(OpenError::Client)?;
        Ok(Opened { client, key })
    }
}

enum OpenError {
    Key(PortError),
    Client(CosmosError),
}

fn unknown(container: &Container) -> PortError {
    PortError::invalid(format!("the container {} is not in this store", container.name))
}
