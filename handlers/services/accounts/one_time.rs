use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};
use crate::types::{TenantId, UserId};

/// A token that is mailed and good once: whose it is, and 256 random bits. What it is good for stands in a
/// document beside the account, under its fingerprint. It has no `Debug`, so that it cannot be logged by
/// accident.
pub struct OneTimeToken {
    pub tenant: TenantId,
    pub user: UserId,
    secret: [u8; 32],
}

impl OneTimeToken {
    /// # Errors
    /// An internal error when the machine has no randomness.
    pub fn generate(tenant: &TenantId, user: UserId) -> Result<Self> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(Error::internal)?;
        Ok(Self { tenant: tenant.clone(), user, secret })
    }

    /// The token that somebody brings; `None` for a text that can be none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (tenant, user) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let secret = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        parts.next().is_none().then_some(Self { tenant, user, secret })
    }

    pub fn text(&self) -> String {
        format!("{}.{}.{}", self.tenant, self.user, URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// The id of the document that says what it is good for. The token is random, so a plain hash cannot be
    /// searched.
    pub fn id(&self, purpose: &str) -> String {
        format!("{purpose}_{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.secret).as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_text_and_from_no_other() {
        let token = OneTimeToken::generate(&TenantId::pravis(), UserId::generate()).unwrap();
        let text = token.text();
        let same = OneTimeToken::parse(&text).unwrap();
        assert_eq!((same.text(), same.id("reset")), (text.clone(), token.id("reset")));
        assert_ne!(token.id("reset"), token.id("email"));
        for bad in ["", "a.b.c", "..", &format!("{text}.x"), &text[..text.len() - 2], &text.replace("usr_", "ses_")] {
            assert!(OneTimeToken::parse(bad).is_none(), "{bad}");
        }
    }
}
