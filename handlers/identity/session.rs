//! Sessions: one sign-in, from its first refresh token to its last. The rules of rotation are here, and
//! know no storage.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::refresh::{RefreshToken, Salt};
use crate::error::Result;
use crate::types::{SessionId, TenantId, UserId};

/// How long a session lasts that is not used, and how long in all.
const IDLE_LIFETIME: Duration = Duration::days(30);
const WHOLE_LIFETIME: Duration = Duration::days(180);
/// How long a token that was used may be used again: two tabs refresh at the same moment.
const GRACE: Duration = Duration::seconds(10);
/// Used tokens that are known again; one that is older is refused like any unknown one.
const REMEMBERED: usize = 32;

/// A session as stored: partition `(tenant, user)`, its id is the session's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub kind: String,
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// What the client called itself (`User-Agent`), shortened.
    pub device: String,
    /// The fingerprint of the refresh token that is good now.
    token: String,
    /// The tokens before it, oldest first.
    used: Vec<Used>,
    pub ended: Option<Ended>,
    /// So that listings find the open ones.
    #[serde(default)]
    pub status: SessionStatus,
    /// It lasts no longer than its account is in this epoch: the account's `sessionEpoch`, which rises when
    /// all sessions end.
    #[serde(default)]
    pub epoch: u32,
}

/// Whether a session was ended before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SessionStatus {
    #[default]
    Open,
    Ended,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Used {
    fingerprint: String,
    salt: String,
    at: DateTime<Utc>,
}

/// When and why a session ended before its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    pub at: DateTime<Utc>,
    pub reason: EndReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    SignedOut,
    PasswordChanged,
    /// A refresh token came again after its grace: it was stolen, from the client or by it.
    TokenReused,
    AccountClosed,
    /// Others began after it, as many as an account may have, and it was used the longest ago.
    TooMany,
}

/// What a refresh token is good for.
pub enum Refresh {
    /// The session goes on with this token; it has to be stored.
    Rotated(RefreshToken),
    /// Another request has just rotated the token: this is what it got.
    Repeated(RefreshToken),
    /// The token was used before its grace: the session has ended, which has to be stored.
    Reused,
    /// It is not, or no longer, a token of this session.
    Refused,
}

impl Session {
    pub const KIND: &'static str = "session";

    /// Begins a session; gives it with its first refresh token.
    ///
    /// # Errors
    /// Those of [`RefreshToken::generate`].
    pub fn begin(tenant: &TenantId, user: &UserId, device: &str, now: DateTime<Utc>) -> Result<(Self, RefreshToken)> {
        let id = SessionId::generate();
        let token = RefreshToken::generate(tenant.clone(), user.clone(), id.clone())?;
        let session = Self {
            kind: Self::KIND.to_owned(),
            id,
            user_id: user.clone(),
            created_at: now,
            last_used_at: now,
            expires_at: now + IDLE_LIFETIME,
            device: device.to_owned(),
            token: token.fingerprint(),
            used: Vec::new(),
            ended: None,
            status: SessionStatus::Open,
            epoch: 0,
        };
        Ok((session, token))
    }

    /// The session in an epoch of its account.
    pub fn in_epoch(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }

    /// Whether it still lasts, as long as its account is in its epoch.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    /// Uses a refresh token (RFC 9700 §4.14.2: rotation, and what to do about reuse).
    ///
    /// # Errors
    /// Those of [`Salt::generate`].
    pub fn refresh(&mut self, presented: &RefreshToken, now: DateTime<Utc>) -> Result<Refresh> {
        if !self.is_live(now) || presented.session != self.id {
            return Ok(Refresh::Refused);
        }
        let fingerprint = presented.fingerprint();
        if fingerprint == self.token {
            return self.rotate(presented, fingerprint, now).map(Refresh::Rotated);
        }
        let Some(position) = self.used.iter().position(|used| used.fingerprint == fingerprint) else {
            return Ok(Refresh::Refused);
        };
        match self.present_token(presented, position, now) {
            Some(token) => Ok(Refresh::Repeated(token)),
            None => {
                self.end(EndReason::TokenReused, now);
                Ok(Refresh::Reused)
            }
        }
    }

    pub fn end(&mut self, reason: EndReason, now: DateTime<Utc>) {
        self.ended.get_or_insert(Ended { at: now, reason });
        self.status = SessionStatus::Ended;
    }

    fn rotate(&mut self, presented: &RefreshToken, fingerprint: String, now: DateTime<Utc>) -> Result<RefreshToken> {
        let salt = Salt::generate()?;
        let next = presented.successor(&salt);
        self.token = next.fingerprint();
        self.used.push(Used { fingerprint, salt: salt.text(), at: now });
        if self.used.len() > REMEMBERED {
            self.used.remove(0);
        }
        self.last_used_at = now;
        self.expires_at = (now + IDLE_LIFETIME).min(self.created_at + WHOLE_LIFETIME);
        Ok(next)
    }

    /// The token that is good now, found from one that was used within the grace: its successor, or the
    /// successor's successor when that was used meanwhile.
    fn present_token(&self, presented: &RefreshToken, position: usize, now: DateTime<Utc>) -> Option<RefreshToken> {
        if now - self.used[position].at > GRACE {
            return None;
        }
        let mut token = presented.clone();
        for used in &self.used[position..] {
            token = token.successor(&Salt::parse(&used.salt)?);
        }
        (token.fingerprint() == self.token).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (Session, RefreshToken, DateTime<Utc>) {
        let now = Utc::now();
        let (session, token) = Session::begin(&TenantId::pravis(), &UserId::generate(), "a browser", now).unwrap();
        (session, token, now)
    }

    fn rotated(refresh: Refresh) -> RefreshToken {
        match refresh {
            Refresh::Rotated(token) => token,
            _ => panic!("the token is good"),
        }
    }

    #[test]
    fn each_token_is_good_once() {
        let (mut session, first, now) = session();
        let second = rotated(session.refresh(&first, now).unwrap());
        let third = rotated(session.refresh(&second, now + Duration::minutes(15)).unwrap());
        assert!(third != second && second != first);
        assert!(session.is_live(now + Duration::days(29)));
    }

    #[test]
    fn who_refreshes_at_the_same_moment_gets_the_same_token() {
        let (mut session, first, now) = session();
        let second = rotated(session.refresh(&first, now).unwrap());
        let again = session.refresh(&first, now + Duration::seconds(9)).unwrap();
        assert!(matches!(again, Refresh::Repeated(token) if token == second));
        let third = rotated(session.refresh(&second, now + Duration::seconds(9)).unwrap());
        let late = session.refresh(&first, now + Duration::seconds(10)).unwrap();
        assert!(matches!(late, Refresh::Repeated(token) if token == third), "over two rotations");
    }

    #[test]
    fn a_token_that_comes_again_ends_the_session() {
        let (mut session, first, now) = session();
        let second = rotated(session.refresh(&first, now).unwrap());
        assert!(matches!(session.refresh(&first, now + Duration::seconds(11)).unwrap(), Refresh::Reused));
        assert_eq!(session.ended.as_ref().unwrap().reason, EndReason::TokenReused);
        assert!(matches!(session.refresh(&second, now + Duration::seconds(12)).unwrap(), Refresh::Refused));
    }

    #[test]
    fn a_guessed_token_does_no_harm() {
        let (mut session, first, now) = session();
        let guess = RefreshToken::generate(first.tenant.clone(), first.user.clone(), first.session.clone()).unwrap();
        assert!(matches!(session.refresh(&guess, now).unwrap(), Refresh::Refused));
        rotated(session.refresh(&first, now).unwrap());
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let (mut session, mut token, now) = session();
        assert!(matches!(session.clone().refresh(&token, now + Duration::days(30)).unwrap(), Refresh::Refused));
        for days in (20..180).step_by(20) {
            token = rotated(session.refresh(&token, now + Duration::days(days)).unwrap());
        }
        assert!(matches!(session.refresh(&token, now + Duration::days(180)).unwrap(), Refresh::Refused));
        assert!(session.used.len() <= REMEMBERED);
    }
}
