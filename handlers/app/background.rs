//! What goes on beside the requests as long as the application lives.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::audit::AuditLog;
use crate::catalogue::CatalogueIndex;
use crate::identity::{LiveApiKeys, LiveSessions};
use crate::ports::cache::{Heard, Invalidations};
use crate::ports::documents::DocumentStore;
use crate::services::news::News;
use crate::services::shop;
use crate::tenants::TenantDirectory;
use crate::types::TenantId;

/// Between two tries of what failed; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Hears what other instances tell, and acts on it.
pub fn hear(
    tasks: &mut JoinSet<()>,
    invalidations: Arc<dyn Invalidations>,
    sessions: Arc<LiveSessions>,
    api_keys: Arc<LiveApiKeys>,
    tenants: TenantDirectory,
) {
    tasks.spawn(async move {
        let doubt = || {
            sessions.doubt();
            api_keys.doubt();
            tenants.forget();
        };
        loop {
            match invalidations.subscribe().await {
                Ok(mut news) => {
                    while let Some(heard) = news.next().await {
                        match heard {
                            Heard::Message(message) => match serde_json::from_slice::<News>(&message) {
                                Ok(news) => news.act(&sessions, &api_keys, &tenants).await,
                                Err(error) => tracing::debug!(%error, "news that is not for this version"),
                            },
                            Heard::Gap => doubt(),
                        }
                    }
                    doubt();
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
pub fn seed(tasks: &mut JoinSet<()>, documents: Arc<dyn DocumentStore>, catalogue: CatalogueIndex, tenant: TenantId) {
    tasks.spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            match shop::seed(documents.as_ref(), &tenant).await {
                Ok(0) => return,
                Ok(products) => {
                    catalogue.forget(&tenant).await;
                    return tracing::info!(products, "sample catalogue written");
                }
                Err(error) => tracing::warn!(error = %error.chain(), "sample catalogue not written yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
}
