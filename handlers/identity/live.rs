//! Whether an access token still counts: it is good for minutes, but signing out, a new role and a closed
//! account count at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;
use serde::Deserialize;

use super::{Principal, Session};
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::ports::clock::Clock;
use crate::ports::documents::DocumentStore;
use crate::ports::spent;
use crate::types::{SessionId, TenantId, UserId};

/// How long it is believed that a session lasts and what its account is: what another instance changed is
/// noticed within this time also when its news is lost.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long an ended session is remembered: longer than any of its access tokens.
const REMEMBERED: Duration = Duration::from_secs(20 * 60);
const MAX_SESSIONS: u64 = 100_000;

/// What an access token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Live,
    /// The session or the account is no more.
    Ended,
    /// The account's role or tier is another since: a refresh gives a token that says so.
    Outdated,
}

/// The sessions that this process has asked for lately.
pub struct LiveSessions {
    documents: Arc<dyn DocumentStore>,
    clock: Arc<dyn Clock>,
    known: Cache<SessionId, Arc<Known>>,
    ended: Cache<SessionId, ()>,
    /// Versions of accounts that were told.
    changed: Cache<UserId, u64>,
}

/// A session and its account as they were read.
struct Known {
    tenant: TenantId,
    user: UserId,
    version: u64,
    /// When the session ends by itself; `None` when it or the account is no more.
    until: Option<DateTime<Utc>>,
}

/// What counts here of an account; the accounts service writes the rest.
#[derive(Deserialize)]
struct Account {
    active: bool,
    #[serde(default)]
    version: u64,
}

impl LiveSessions {
    pub fn new(documents: Arc<dyn DocumentStore>, clock: Arc<dyn Clock>) -> Self {
        let known = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(BELIEVED).build();
        let ended = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(REMEMBERED).build();
        let changed = Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(REMEMBERED).build();
        Self { documents, clock, known, ended, changed }
    }

    /// What the token of a principal is worth: from memory, or by two point reads.
    ///
    /// # Errors
    /// Those of the reads, when nothing is in memory; those of [`Principal::session`].
    pub async fn standing(&self, principal: &Principal) -> Result<Standing> {
        let session = principal.session()?;
        if self.ended.contains_key(session) {
            return Ok(Standing::Ended);
        }
        // A token of a later version was made from what the account has become since.
        let least = principal.version.max(self.told(&principal.user).await);
        let believed = self.known.get(session).await.filter(|known| known.version >= least);
        let known = match believed {
            Some(known) => known,
            None => self.read(principal, session).await?,
        };
        // An end or a change that was told while the documents were read counts.
        if self.ended.contains_key(session) {
            return Ok(Standing::Ended);
        }
        if !known.is_of(principal) || known.until.is_none_or(|until| until <= self.clock.now()) {
            return Ok(Standing::Ended);
        }
        let present = known.version.max(self.told(&principal.user).await);
        Ok(if principal.version == present { Standing::Live } else { Standing::Outdated })
    }

    /// The last version of an account that was told.
    async fn told(&self, user: &UserId) -> u64 {
        self.changed.get(user).await.unwrap_or_default()
    }

    async fn read(&self, principal: &Principal, id: &SessionId) -> Result<Arc<Known>> {
        let partition = customer(&principal.tenant, principal.user.as_str());
        let read = async {
            tokio::try_join!(
                self.documents.read(&CUSTOMERS, &partition, id.as_str()),
                self.documents.read(&CUSTOMERS, &partition, principal.user.as_str()),
            )
        };
        // It serves all requests of a minute, so none of them is charged.
        let (session, account) = spent::counted(read).await.0?;
        let session = session.map(|document| document.read::<Session>()).transpose()?;
        let account = account.map(|document| document.read::<Account>()).transpose()?;
        let known = Arc::new(Known {
            tenant: principal.tenant.clone(),
            user: principal.user.clone(),
            version: account.as_ref().map_or(0, |account| account.version),
            until: session
                .filter(|session| session.is_live(self.clock.now()) && account.is_some_and(|account| account.active))
                .map(|session| session.expires_at),
        });
        self.known.insert(id.clone(), known.clone()).await;
        Ok(known)
    }

    /// Notes that a session has ended, here or on another instance.
    pub async fn ended(&self, session: &SessionId) {
        self.ended.insert(session.clone(), ()).await;
        self.known.invalidate(session).await;
    }

    /// Notes that an account was changed, here or on another instance, and that tokens of a lesser version
    /// are void.
    pub async fn account_changed(&self, user: &UserId, version: u64) {
        let told = self.changed.entry_by_ref(user).and_upsert_with(|told| {
            let told = told.map_or(0, moka::Entry::into_value);
            std::future::ready(told.max(version))
        });
        told.await;
    }

    /// Forgets what is believed: news may have been missed.
    pub fn doubt(&self) {
        self.known.invalidate_all();
    }
}

impl Known {
    /// The same ids may be in use in another tenant.
    fn is_of(&self, principal: &Principal) -> bool {
        self.tenant == principal.tenant && self.user == principal.user
    }
}
