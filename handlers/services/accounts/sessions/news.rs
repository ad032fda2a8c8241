//! What instances tell each other of sessions. Who misses it notices within a minute.

use serde::{Deserialize, Serialize};

use crate::identity::LiveSessions;
use crate::state::AppState;
use crate::types::{SessionId, UserId};

/// What is told.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum SessionNews {
    /// One session has ended.
    #[serde(rename_all = "camelCase")]
    Ended { session_ended: SessionId },
    /// An account has come to an epoch: its sessions of earlier ones have ended.
    #[serde(rename_all = "camelCase")]
    Epoch { epoch_of: UserId, session_epoch: u32 },
}

impl SessionNews {
    /// Acts on it.
    pub async fn heard(&self, sessions: &LiveSessions) {
        match self {
            Self::Ended { session_ended } => sessions.ended(session_ended).await,
            Self::Epoch { epoch_of, session_epoch } => sessions.came_to(epoch_of, *session_epoch).await,
        }
    }
}

pub(super) async fn tell_ended(state: &AppState, session: &SessionId) {
    tell(state, SessionNews::Ended { session_ended: session.clone() }).await;
}

pub(super) async fn tell_epoch(state: &AppState, user: &UserId, epoch: u32) {
    tell(state, SessionNews::Epoch { epoch_of: user.clone(), session_epoch: epoch }).await;
}

async fn tell(state: &AppState, news: SessionNews) {
    news.heard(&state.sessions).await;
    let news = serde_json::to_vec(&news).unwrap_or_default();
    if let Err(error) = state.invalidations.publish(news.into()).await {
        tracing::warn!(%error, "the end of a session was not told to other instances");
    }
}
