//! What instances tell each other, so that what one of them changed counts on all of them at once. News
//! can be lost: who hears it also forgets by itself within a minute.

use serde::{Deserialize, Serialize};

use crate::identity::{LiveApiKeys, LiveSessions};
use crate::state::AppState;
use crate::tenants::TenantDirectory;
use crate::types::{ApiKeyId, SessionId, TenantId, UserId};

/// One piece of news, as JSON with the kind as its only field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum News {
    SessionEnded(SessionId),
    /// Access tokens of the account that are of a lesser version are void.
    AccountChanged {
        user: UserId,
        version: u64,
    },
    ApiKeyRevoked(ApiKeyId),
    /// A boutique's record: its status, or where its documents are.
    TenantChanged(TenantId),
}

impl News {
    /// Has what is in memory follow.
    pub async fn act(&self, sessions: &LiveSessions, api_keys: &LiveApiKeys, tenants: &TenantDirectory) {
        match self {
            Self::SessionEnded(session) => sessions.ended(session).await,
            Self::AccountChanged { user, version } => sessions.account_changed(user, *version).await,
            Self::ApiKeyRevoked(key) => api_keys.revoked(key).await,
            Self::TenantChanged(_) => tenants.forget(),
        }
    }
}

/// Acts on a piece of news, and tells every other instance.
pub async fn tell(state: &AppState, news: News) {
    news.act(&state.sessions, &state.api_keys, &state.tenants).await;
    let message = serde_json::to_vec(&news).unwrap_or_default();
    if let Err(error) = state.invalidations.publish(message.into()).await {
        tracing::warn!(%error, ?news, "not told to other instances");
    }
}
