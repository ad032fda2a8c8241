//! Dedicated databases in the account of the shared one.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_data_cosmos::CosmosRuntime;

use super::CosmosDocuments;
use crate::adapters::documents::open_databases::OpenDatabases;
use crate::ports::documents::{Container, Databases, DocumentStore};
use crate::ports::secrets::SecretSource;
use crate::ports::{PortError, PortResult};
use crate::settings::CosmosSettings;
use crate::types::DatabaseName;

/// [`Databases`] named `<shared database>-<name>`, in the same account.
pub struct CosmosDatabases {
    settings: CosmosSettings,
    key: Option<SecretSource>,
    credential: Arc<dyn TokenCredential>,
    containers: &'static [&'static Container],
    runtime: Option<CosmosRuntime>,
    open: OpenDatabases<CosmosDocuments>,
}

impl CosmosDatabases {
    /// The parameters are those of [`CosmosDocuments::new`] for the shared database.
    pub fn new(
        settings: &CosmosSettings,
        key: Option<SecretSource>,
        credential: Arc<dyn TokenCredential>,
        containers: &'static [&'static Container],
    ) -> Self {
        Self { settings: settings.clone(), key, credential, containers, runtime: None, open: OpenDatabases::new() }
    }

    /// As [`CosmosDocuments::with_runtime`].
    #[must_use]
    pub fn with_runtime(mut self, runtime: CosmosRuntime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    async fn opened(&self, name: &DatabaseName) -> PortResult<Arc<CosmosDocuments>> {
        let opening = async {
            let database = format!("{}-{name}", self.settings.database);
            let settings = CosmosSettings { database, ..self.settings.clone() };
            let store = CosmosDocuments::new(&settings, self.key.clone(), self.credential.clone(), self.containers)
                .map_err(|error| PortError::invalid(format!("the database {name}")).with_source(error))?;
            Ok(match &self.runtime {
                Some(runtime) => store.with_runtime(runtime.clone()),
                None => store,
            })
        };
        self.open.get(name, opening).await
    }
}

#[async_trait]
impl Databases for CosmosDatabases {
    async fn open(&self, name: &DatabaseName) -> PortResult<Arc<dyn DocumentStore>> {
        Ok(self.opened(name).await?)
    }

    async fn prepare(&self, name: &DatabaseName) -> PortResult<()> {
        self.opened(name).await?.migrate().await
    }
}
