//! Whether the session of an access token still lasts: a token is good for minutes, but signing out
//! counts at once.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::{Principal, Session};
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::ports::clock::Clock;
use crate::ports::documents::DocumentStore;
use crate::ports::spent;
use crate::types::SessionId;

/// How long it is believed that a session lasts: what another instance ended is noticed within this time
/// also when its news is lost.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long an ended session is remembered: longer than any of its access tokens.
const REMEMBERED: Duration = Duration::from_secs(20 * 60);
const MAX_SESSIONS: u64 = 100_000;

/// The sessions that this process has asked for lately.
pub struct LiveSessions {
    documents: Arc<dyn DocumentStore>,
    clock: Arc<dyn Clock>,
    /// Whether a session lasts.
    known: Cache<SessionId, bool>,
    ended: Cache<SessionId, ()>,
}

impl LiveSessions {
    pub fn new(documents: Arc<dyn DocumentStore>, clock: Arc<dyn Clock>) -> Self {
        let known = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(BELIEVED).build();
        let ended = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(REMEMBERED).build();
        Self { documents, clock, known, ended }
    }

    /// Whether the principal's session lasts: from memory, or by one point read.
    ///
    /// # Errors
    /// Those of the read, when nothing is in memory; those of [`Principal::session`].
    pub async fn is_live(&self, principal: &Principal) -> Result<bool> {
        let session_id = principal.session()?;
        if self.ended.contains_key(session_id) {
            return Ok(false);
        }
        if let Some(live) = self.known.get(session_id).await {
            return Ok(live);
        }
        let partition = customer(&principal.tenant, principal.user.as_str());
        // It serves all requests of a minute, so none of them is charged.
        let read = self.documents.read(&CUSTOMERS, &partition, session_id.as_str());
        let found = spent::counted(read).await.0?;
        let session = found.map(|document| document.read::<Session>()).transpose()?;
        let live = session.is_some_and(|session| session.is_live(self.clock.now()));
        self.known.insert(session_id.clone(), live).await;
        // An end that was told while the document was read counts.
        Ok(live && !self.ended.contains_key(session_id))
    }

    /// Notes that a session has ended, here or on another instance.
    pub async fn ended(&self, session: &SessionId) {
        self.ended.insert(session.clone(), ()).await;
        self.known.invalidate(session).await;
    }

    /// Forgets what is believed: news may have been missed.
    pub fn doubt(&self) {
        self.known.invalidate_all();
    }
}
