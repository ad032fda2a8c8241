//! Dedicated databases as files beside the shared one.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::SqliteDocuments;
use crate::adapters::documents::open_databases::OpenDatabases;
use crate::ports::clock::Clock;
use crate::ports::documents::{Container, Databases, DocumentStore};
use crate::ports::{PortError, PortResult};
use crate::types::DatabaseName;

/// [`Databases`] as files `documents-<name>.db` in a folder.
pub struct SqliteDatabases {
    folder: PathBuf,
    containers: &'static [&'static Container],
    clock: Arc<dyn Clock>,
    open: OpenDatabases<SqliteDocuments>,
}

impl SqliteDatabases {
    /// `containers` are all that calls may name.
    pub fn new(
        folder: impl Into<PathBuf>,
        containers: &'static [&'static Container],
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { folder: folder.into(), containers, clock, open: OpenDatabases::new() })
    }

    /// Makes room in the databases that are open: deletes at most `limit` expired documents of each, and
    /// gives their number.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn purge_expired(&self, limit: u32) -> PortResult<u64> {
        let mut purged = 0;
        for database in self.open.all() {
            purged += database.purge_expired(limit).await?;
        }
        Ok(purged)
    }

    async fn opened(&self, name: &DatabaseName, make: bool) -> PortResult<Arc<SqliteDocuments>> {
        let file = self.folder.join(format!("documents-{name}.db"));
        let (containers, clock, told) = (self.containers, self.clock.clone(), name.clone());
        let open = move || {
            if !make && !file.exists() {
                return Err(PortError::unavailable(format!("there is no database {told}")));
            }
            SqliteDocuments::open(&file, containers, clock)
        };
        let opening = async {
            tokio::task::spawn_blocking(open)
                .await
                .map_err(|error| PortError::unavailable("a database was not opened").with_source(error))?
        };
        self.open.get(name, opening).await
    }
}

#[async_trait]
impl Databases for SqliteDatabases {
    async fn open(&self, name: &DatabaseName) -> PortResult<Arc<dyn DocumentStore>> {
        Ok(self.opened(name, false).await?)
    }

    async fn prepare(&self, name: &DatabaseName) -> PortResult<()> {
        self.opened(name, true).await.map(drop)
    }
}
