//! What is done about news of other instances, so that what one of them changed counts on all of them at once. News
//! can be lost: who hears it also forgets by itself within a minute.

use std::sync::Arc;

use crate::caching::{Caches, Message, News};
use crate::identity::{LiveApiKeys, LiveSessions};
use crate::ports::cache::Heard;
use crate::state::AppState;
use crate::tenants::TenantDirectory;
use crate::tiers::Tiers;

/// Who acts on news.
#[derive(Clone)]
pub struct Listeners {
    pub sessions: Arc<LiveSessions>,
    pub api_keys: Arc<LiveApiKeys>,
    pub tenants: TenantDirectory,
    pub tiers: Tiers,
    pub caches: Caches,
}

impl Listeners {
    /// Those of an application.
    pub fn of(state: &AppState) -> Self {
        Self {
            sessions: state.sessions.clone(),
            api_keys: state.api_keys.clone(),
            tenants: state.tenants.clone(),
            tiers: state.tiers.clone(),
            caches: state.caches.clone(),
        }
    }

    /// Acts on what was heard; what cannot be read may have been anything.
    pub async fn heard(&self, heard: Heard) {
        match heard {
            Heard::Message(message) => match News::read(&message) {
                Message::News(news) => self.act(&news).await,
                Message::Foreign => tracing::debug!("news that are not for this version"),
                Message::Unreadable => {
                    tracing::warn!("news that cannot be read");
                    self.doubt();
                }
            },
            Heard::Gap => self.doubt(),
        }
    }

    /// Has what is in memory follow.
    async fn act(&self, news: &News) {
        match news {
            News::SessionEnded(session) => self.sessions.ended(session).await,
            News::AccountChanged { user, version } => self.sessions.account_changed(user, *version).await,
            News::SessionsEnded { user, epoch } => self.sessions.came_to(user, *epoch).await,
            News::ApiKeyRevoked(key) => self.api_keys.revoked(key).await,
            News::TenantChanged(_) => self.tenants.forget(),
            News::TiersChanged(tenant) => self.tiers.forget(tenant).await,
            News::Changed(_) | News::Cleared { .. } => self.caches.heard(news),
        }
    }

    /// News may have been missed.
    pub fn doubt(&self) {
        self.sessions.doubt();
        self.api_keys.doubt();
        self.tenants.forget();
        self.tiers.doubt();
        self.caches.doubt();
    }
}

/// Acts on a piece of news, and tells every other instance.
pub async fn tell(state: &AppState, news: News) {
    Listeners::of(state).act(&news).await;
    if let Err(error) = state.invalidations.publish(news.message()).await {
        tracing::warn!(%error, ?news, "not told to other instances");
    }
}
