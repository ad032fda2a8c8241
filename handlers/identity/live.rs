//! Whether the session of an access token still lasts: a token is good for minutes, but signing out
//! counts at once.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use moka::ops::compute::Op;
use serde::Deserialize;

use super::{Principal, Session};
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::ports::clock::Clock;
use crate::ports::documents::DocumentStore;
use crate::ports::spent;
use crate::types::{SessionId, UserId};

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
    known: Cache<SessionId, Known>,
    ended: Cache<SessionId, ()>,
    /// The epochs that accounts were told to have come to.
    epochs: Cache<UserId, u32>,
}

/// What was found out about a session.
#[derive(Clone, Copy)]
struct Known {
    live: bool,
    /// Believed until the account comes to a later epoch.
    epoch: u32,
}

/// What of an account says which of its sessions last.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    active: bool,
    #[serde(default)]
    session_epoch: u32,
}

impl LiveSessions {
    pub fn new(documents: Arc<dyn DocumentStore>, clock: Arc<dyn Clock>) -> Self {
        let known = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(BELIEVED).build();
        let ended = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(REMEMBERED).build();
        let epochs = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(REMEMBERED).build();
        Self { documents, clock, known, ended, epochs }
    }

    /// Whether the principal's session lasts: from memory, or by two point reads.
    ///
    /// # Errors
    /// Those of the reads, when nothing is in memory; those of [`Principal::session`].
    pub async fn is_live(&self, principal: &Principal) -> Result<bool> {
        let session = principal.session()?;
        if self.ended.contains_key(session) {
            return Ok(false);
        }
        let least = self.epoch(&principal.user).await;
        if let Some(known) = self.known.get(session).await
            && known.epoch >= least
        {
            return Ok(known.live);
        }
        // They serve all requests of a minute, so none of them is charged.
        let known = spent::counted(self.find_out(principal, session, least)).await.0?;
        self.known.insert(session.clone(), known).await;
        // An end that was told while the documents were read counts.
        let ended = self.ended.contains_key(session) || self.epoch(&principal.user).await > known.epoch;
        Ok(known.live && !ended)
    }

    async fn find_out(&self, principal: &Principal, session: &SessionId, least: u32) -> Result<Known> {
        let partition = customer(&principal.tenant, principal.user.as_str());
        let (session, account) = futures_util::future::try_join(
            self.documents.read(&CUSTOMERS, &partition, session.as_str()),
            self.documents.read(&CUSTOMERS, &partition, principal.user.as_str()),
        )
        .await?;
        let session = session.map(|document| document.read::<Session>()).transpose()?;
        let account = account.map(|document| document.read::<Account>()).transpose()?;
        let now = self.clock.now();
        let lasting = session.zip(account).filter(|(session, account)| {
            session.is_live(now) && account.active && session.epoch == account.session_epoch
        });
        Ok(match lasting {
            Some((session, _)) => Known { live: true, epoch: session.epoch },
            None => Known { live: false, epoch: least },
        })
    }

    async fn epoch(&self, user: &UserId) -> u32 {
        self.epochs.get(user).await.unwrap_or_default()
    }

    /// Notes that a session has ended, here or on another instance.
    pub async fn ended(&self, session: &SessionId) {
        self.ended.insert(session.clone(), ()).await;
        self.known.invalidate(session).await;
    }

    /// Notes that an account has come to an epoch, here or on another instance: what was believed of its
    /// sessions of earlier ones counts no more.
    pub async fn came_to(&self, user: &UserId, epoch: u32) {
        self.epochs
            .entry(user.clone())
            .and_compute_with(|present| {
                let later = present.is_none_or(|present| present.into_value() < epoch);
                std::future::ready(if later { Op::Put(epoch) } else { Op::Nop })
            })
            .await;
    }

    /// Forgets what is believed: news may have been missed.
    pub fn doubt(&self) {
        self.known.invalidate_all();
    }
}
