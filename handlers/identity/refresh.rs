//! Refresh tokens: which session they are for and a secret of 256 random bits, of which only a
//! fingerprint is stored.

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};
use crate::types::{SessionId, TenantId, UserId};

const SECRET_BYTES: usize = 32;

/// A refresh token as a client holds it: `tenant.user.session.secret`. It has no `Debug`, so that it
/// cannot be logged by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    pub tenant: TenantId,
    pub user: UserId,
    pub session: SessionId,
    secret: [u8; SECRET_BYTES],
}

impl RefreshToken {
    /// A new token for a session.
    ///
    /// # Errors
    /// An internal error when the machine has no randomness.
    pub fn generate(tenant: TenantId, user: UserId, session: SessionId) -> Result<Self> {
        Ok(Self { tenant, user, session, secret: random()? })
    }

    /// The token that a client sends; `None` for a text that can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (tenant, user, session) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let secret = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        parts.next().is_none().then_some(Self { tenant, user, session, secret })
    }

    /// The text for the client.
    pub fn text(&self) -> String {
        format!("{}.{}.{}.{}", self.tenant, self.user, self.session, URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// What is stored of it. The secret is random, so a plain hash cannot be searched.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.secret))
    }

    /// The token that follows this one. It depends on this token and on `salt` alone, so that all who
    /// refresh with one token at the same moment get the same successor; neither tells it by itself.
    pub fn successor(&self, salt: &Salt) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salt.0);
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(hmac::sign(&key, &self.secret).as_ref());
        Self { secret, ..self.clone() }
    }
}

/// Random bytes that shape a successor.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; SECRET_BYTES]);

impl Salt {
    /// # Errors
    /// As [`RefreshToken::generate`].
    pub fn generate() -> Result<Self> {
        random().map(Self)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

fn random() -> Result<[u8; SECRET_BYTES]> {
    let mut bytes = [0; SECRET_BYTES];
    rand::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> RefreshToken {
        RefreshToken::generate(TenantId::pravis(), UserId::generate(), SessionId::generate()).unwrap()
    }

    #[test]
    fn a_token_comes_back_from_its_text_and_from_no_other() {
        let token = token();
        let text = token.text();
        assert!(RefreshToken::parse(&text) == Some(token));
        for bad in ["", "a.b.c.d", "...", &format!("{text}.x"), &text[..text.len() - 4], &text.replace("usr_", "ses_")]
        {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_successor_is_the_same_for_the_same_salt_only() {
        let (token, salt) = (token(), Salt::generate().unwrap());
        let next = token.successor(&salt);
        assert!(next == token.successor(&Salt::parse(&salt.text()).unwrap()));
        assert!(next != token.successor(&Salt::generate().unwrap()));
        assert_ne!(next.fingerprint(), token.fingerprint());
    }
}
