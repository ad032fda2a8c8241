//! What goes on beside the requests as long as the application lives.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::catalogue::CatalogueIndex;
use crate::identity::LiveSessions;
use crate::ports::cache::{Heard, Invalidations};
use crate::ports::documents::DocumentStore;
use crate::services::accounts::SessionEnded;
use crate::services::shop;
use crate::services::tenants::TenantsChanged;
use crate::tenants::TenantDirectory;
use crate::tiers::{Tiers, TiersChanged};
use crate::types::TenantId;

/// Between two tries of what failed; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What instances tell each other.
#[derive(Deserialize)]
#[serde(untagged)]
enum News {
    Session(SessionEnded),
    Tenants(TenantsChanged),
    Tiers(TiersChanged),
}

/// What this process keeps in mind and has to be told of.
pub struct Listeners {
    pub sessions: Arc<LiveSessions>,
    pub tenants: TenantDirectory,
    pub tiers: Tiers,
}

impl Listeners {
    async fn hear(&self, news: News) {
        match news {
            News::Session(news) => self.sessions.ended(&news.session_ended).await,
            News::Tenants(news) => {
                tracing::debug!(tenant = %news.tenant_changed, "a tenant was changed");
                self.tenants.forget();
            }
            News::Tiers(news) => self.tiers.forget(&news.tiers_changed).await,
        }
    }

    /// News may have been missed.
    fn doubt(&self) {
        self.sessions.doubt();
        self.tenants.forget();
        self.tiers.doubt();
    }
}

/// Hears what other instances tell, and acts on it.
pub fn hear(tasks: &mut JoinSet<()>, invalidations: Arc<dyn Invalidations>, listeners: Listeners) {
    tasks.spawn(async move {
        loop {
            match invalidations.subscribe().await {
                Ok(mut news) => {
                    while let Some(heard) = news.next().await {
                        match heard {
                            Heard::Message(message) => match serde_json::from_slice::<News>(&message) {
                                Ok(news) => listeners.hear(news).await,
                                Err(error) => tracing::debug!(%error, "news that is not for this version"),
                            },
                            Heard::Gap => listeners.doubt(),
                        }
                    }
                    listeners.doubt();
                }
                Err(error) => tracing::warn!(%error, "news of other instances are not heard"),
            }
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    });
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
