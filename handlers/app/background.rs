//! What goes on beside the requests as long as the application lives.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::audit::AuditLog;
use crate::caching::{Caches, Change};
use crate::ports::cache::Invalidations;
use crate::ports::documents::DocumentStore;
use crate::services::news::Listeners;
use crate::services::shop;
use crate::types::TenantId;

/// Between two tries of what failed; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Hears what other instances tell, and acts on it.
pub fn hear(tasks: &mut JoinSet<()>, invalidations: Arc<dyn Invalidations>, listeners: Listeners) {
    tasks.spawn(async move {
        loop {
            match invalidations.subscribe().await {
                Ok(mut news) => {
                    while let Some(heard) = news.next().await {
                        listeners.heard(heard).await;
                    }
                    listeners.doubt();
                }
                Err(error) => tracing::warn!(%error, "news of other instances are not heard"),
            }
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    });
}

/// Writes what is noted for the audit log.
pub fn audit(tasks: &mut JoinSet<()>, audit: Arc<AuditLog>) {
    tasks.spawn(async move { audit.run().await });
}

/// Fills an empty catalogue with the samples, once its documents can be written.
pub fn seed(tasks: &mut JoinSet<()>, documents: Arc<dyn DocumentStore>, caches: Caches, tenant: TenantId) {
    tasks.spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            match shop::seed(documents.as_ref(), &tenant).await {
                Ok(0) => return,
                Ok(products) => {
                    if let Err(error) = caches.changed(&[Change::catalogue(&tenant)]).await {
                        tracing::warn!(error = %error.chain(), "other instances may notice it later");
                    }
                    return tracing::info!(products, "sample catalogue written");
                }
                Err(error) => tracing::warn!(error = %error.chain(), "sample catalogue not written yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
}
