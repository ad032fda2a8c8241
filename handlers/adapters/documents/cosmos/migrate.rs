//! Databases and containers: made where they are missing, brought up to their declaration.

use std::collections::BTreeSet;

use azure_data_cosmos::clients::DatabaseClient;
use azure_data_cosmos::error::CosmosError;
use azure_data_cosmos::models::{ContainerProperties, IndexingPolicy};
use azure_data_cosmos::options::{
    CreateContainerOptions, CreateDatabaseOptions, ReadContainerOptions, ReplaceContainerOptions,
};

use super::connection::Account;
use super::errors::failed;
use super::{CosmosDocuments, SERVICE, options};
use crate::adapters::dependency::Dependency;
use crate::ports::documents::Container;
use crate::ports::{PortError, PortErrorKind, PortResult};

/// Times that a container which another migration makes or changes at this moment is looked at again.
const ATTEMPTS: usize = 5;

impl CosmosDocuments {
    /// Makes the database and its containers where they are missing, and brings lifetimes and indexes of those
    /// that exist up to their declaration. Several processes may do so at once, and again at any time.
    ///
    /// With a credential in the place of a key nothing is changed, since Cosmos DB lets identities change
    /// documents only: it is checked that all containers are there.
    ///
    /// # Errors
    /// - `InvalidRequest`: a container has another partition key than declared; it can only be made anew.
    /// - `NotFound`: containers are missing and may not be made; the message names them.
    /// - Those of every call.
    pub async fn migrate(&self) -> PortResult<()> {
        let service = Dependency::new(SERVICE, options::MIGRATION_LIMIT);
        service.call("migrate", migrate(&self.account)).await
    }
}

async fn migrate(account: &Account) -> PortResult<()> {
    let (client, database) = account.database().await?;
    let may_change = account.key.is_some();
    if may_change {
        let options = CreateDatabaseOptions::default().with_operation_options(options::migrations());
        match client.create_database(&account.database, Some(options)).await {
            Ok(_) => tracing::info!(database = account.database, "made the Cosmos DB database"),
            Err(error) if error.status().is_conflict() => {}
            Err(error) => return Err(failed("create database", &error)),
        }
    }
    let mut missing = Vec::new();
    for container in account.containers {
        let found = match may_change {
            true => bring_up(&database, container).await?,
            false => read(&database, container).await?,
        };
        match found {
            Some(found) => check_key(container, &found)?,
            None => missing.push(container.name),
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => {
            let message = format!("the database {} lacks the containers {}", account.database, missing.join(", "));
            Err(PortError::new(PortErrorKind::NotFound, message))
        }
    }
}

/// Makes or changes one container; gives it as it is then.
async fn bring_up(database: &DatabaseClient, container: &Container) -> PortResult<Option<ContainerProperties>> {
    let wanted = declared(container)?;
    for _ in 0..ATTEMPTS {
        let outcome = match read(database, container).await? {
            None => create(database, wanted.clone()).await,
            Some(found) => {
                check_key(container, &found)?;
                if found.default_ttl == wanted.default_ttl && is_indexed_alike(&found, &wanted) {
                    return Ok(Some(found));
                }
                change(database, container, found, &wanted).await
            }
        };
        match outcome {
            Ok(()) => {}
            // Somebody else was faster: look again.
            Err(error) if error.status().is_conflict() || error.status().is_precondition_failed() => {}
            Err(error) => return Err(failed("migrate", &error)),
        }
    }
    Err(PortError::unavailable(format!("the container {} keeps being changed by others", container.name)))
}

async fn read(database: &DatabaseClient, container: &Container) -> PortResult<Option<ContainerProperties>> {
    let options = ReadContainerOptions::default().with_operation_options(options::migrations());
    let found = async {
        let client = database.container_client(container.name, None).await?;
        client.read(Some(options)).await?.into_model()
    };
    match found.await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status().is_not_found() => Ok(None),
        Err(error) => Err(failed("read container", &error)),
    }
}

async fn create(database: &DatabaseClient, wanted: ContainerProperties) -> Result<(), CosmosError> {
    let name = wanted.id.clone();
    let options = CreateContainerOptions::default().with_operation_options(options::migrations());
    database.create_container(wanted, Some(options)).await?;
    tracing::info!(container = %name, "made the Cosmos DB container");
    Ok(())
}

async fn change(
    database: &DatabaseClient,
    container: &Container,
    mut found: ContainerProperties,
    wanted: &ContainerProperties,
) -> Result<(), CosmosError> {
    found.default_ttl = wanted.default_ttl.clone();
    found.indexing_policy = wanted.indexing_policy.clone();
    let options = ReplaceContainerOptions::default().with_operation_options(options::migrations());
    database.container_client(container.name, None).await?.replace(found, Some(options)).await?;
    tracing::info!(container = container.name, "changed lifetime or indexes of the Cosmos DB container");
    Ok(())
}

fn declared(container: &Container) -> PortResult<ContainerProperties> {
    serde_json::from_value(container.definition())
        .map_err(|error| PortError::invalid(format!("the declaration of {}", container.name)).with_source(error))
}

fn check_key(container: &Container, found: &ContainerProperties) -> PortResult<()> {
    let paths = found.partition_key.paths();
    let declared = container.partition_key.iter().map(|field| format!("/{field}"));
    match paths.iter().map(|path| path.as_ref()).eq(declared) {
        true => Ok(()),
        false => Err(PortError::invalid(format!(
            "the container {} has the partition key {}, not {}: it must be made anew",
            container.name,
            paths.join(" "),
            container.partition_key.join(" ")
        ))),
    }
}

/// Whether both index the same; the service gives paths in an order of its own.
fn is_indexed_alike(found: &ContainerProperties, wanted: &ContainerProperties) -> bool {
    let shape = |properties: &ContainerProperties| {
        let policy = properties.indexing_policy.clone().unwrap_or_default();
        let IndexingPolicy { included_paths, excluded_paths, composite_indexes, .. } = policy;
        let composites: BTreeSet<Vec<(String, bool)>> = composite_indexes
            .into_iter()
            .map(|index| index.properties.into_iter().map(|part| (part.path, is_descending(&part.order))).collect())
            .collect();
        let included: BTreeSet<String> = included_paths.into_iter().map(|path| path.path).collect();
        let excluded: BTreeSet<String> = excluded_paths.into_iter().map(|path| path.path).collect();
        (included, excluded, composites)
    };
    shape(found) == shape(wanted)
}

fn is_descending(order: &azure_data_cosmos::models::CompositeIndexOrder) -> bool {
    *order == azure_data_cosmos::models::CompositeIndexOrder::Descending
}
