//! Several databases with the same containers: which one holds a tenant's documents.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Container, Document, DocumentStore};
use crate::ports::{Continuation, Page, PortResult};
use crate::types::{DatabaseName, Placement};

/// Where a tenant's documents are at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub placement: Placement,
    pub writes: Writes,
}

/// Whether a tenant's documents may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    Allowed,
    /// They are being moved: what is written now could be left behind.
    Moving,
    /// It could not be learned lately where they are: they may have been moved.
    Uncertain,
}

/// Knows the home of every tenant.
///
/// Asked before every call, so it answers from memory. What it says about writes holds for a time that is
/// known to those who move tenants: they wait so long before they copy.
#[async_trait]
pub trait Homes: Send + Sync {
    /// The home of a tenant; one that nobody has placed is in the shared database.
    async fn of(&self, tenant: &str) -> PortResult<Home>;

    /// The dedicated databases in which some tenant is placed, each once, in the order of their names.
    async fn dedicated(&self) -> PortResult<Vec<DatabaseName>>;
}

/// The dedicated databases of a deployment.
#[async_trait]
pub trait Databases: Send + Sync {
    /// Opens a database, or gives the one that is open. `Unavailable` when there is none of this name.
    async fn open(&self, name: &DatabaseName) -> PortResult<Arc<dyn DocumentStore>>;

    /// Makes the database and its containers where they are missing, and brings them up to their
    /// declaration. Harmless when done twice.
    async fn prepare(&self, name: &DatabaseName) -> PortResult<()>;
}

/// The change feeds of all dedicated databases: those that no change-feed trigger is bound to.
#[async_trait]
pub trait DedicatedFeeds: Send + Sync {
    /// As [`DocumentStore::changes`], of all dedicated databases together.
    async fn dedicated_changes(
        &self,
        container: &'static Container,
        continuation: Option<Continuation>,
        limit: usize,
    ) -> PortResult<Page<Document>>;
}
