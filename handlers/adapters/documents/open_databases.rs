//! The databases that a process has open: a bounded number, each opened by one caller while others wait.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::ports::{PortError, PortResult};
use crate::types::DatabaseName;

/// The least recently used one is let go when there would be more.
const MOST: u64 = 64;
/// One that nobody asked for so long is let go.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Open databases by name.
pub(super) struct OpenDatabases<D: Send + Sync + 'static>(Cache<DatabaseName, Arc<D>>);

impl<D: Send + Sync + 'static> OpenDatabases<D> {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_idle(IDLE).build())
    }

    /// The open database, or what `opening` gives. A failure is told to all who wait, and not kept.
    pub async fn get(
        &self,
        name: &DatabaseName,
        opening: impl Future<Output = PortResult<D>> + Send,
    ) -> PortResult<Arc<D>> {
        let opened = self.0.try_get_with_by_ref(name, async { opening.await.map(Arc::new) }).await;
        opened.map_err(|error: Arc<PortError>| error.again())
    }

    pub fn all(&self) -> Vec<Arc<D>> {
        self.0.iter().map(|(_, database)| database).collect()
    }
}
