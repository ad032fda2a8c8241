//! How the cart of a stranger is known: by an id that cannot be guessed and is stored as its hash only, so
//! that who reads the documents can take no cart.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

const PREFIX: &str = "gct_";
const BYTES: usize = 32;

/// The id of a stranger's cart: whoever has it has the cart.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestCartId(String);

impl GuestCartId {
    /// The header that carries it.
    pub const HEADER: &str = "x-cart-id";

    /// A new one of 256 random bits.
    ///
    /// # Errors
    /// An internal error when the machine has no randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(Error::internal)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The text that the shopper's device keeps.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Under which owner the cart is stored.
    pub(super) fn owner(&self) -> String {
        format!("guest-{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_bytes())))
    }
}

impl fmt::Debug for GuestCartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestCartId(…)")
    }
}

impl FromStr for GuestCartId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let decoded = text.strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
        match decoded {
            Some(bytes) if bytes.len() == BYTES => Ok(Self(text.to_owned())),
            _ => Err("expected the guestCartId that an answer gave"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_was_written_and_shows_nowhere() {
        let id = GuestCartId::generate().unwrap();
        assert_eq!(id.text().parse::<GuestCartId>().as_ref(), Ok(&id));
        assert!(!format!("{id:?}{}", id.owner()).contains(&id.text()[4..]));
        for bad in ["", "gct_", "gct_AAAA", &id.text()[1..], "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S"] {
            assert!(bad.parse::<GuestCartId>().is_err(), "{bad}");
        }
    }
}
