//! Names that only the holder of a secret can lead back to a person or a network: HMAC-SHA-256 (RFC 2104),
//! since a plain hash of so few possible values could be searched.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ports::PortError;
use crate::state::AppState;
use crate::types::{TenantId, UserId};

/// The secret that makes pseudonyms. Replaced, it cuts all of them at once.
const SECRET: &str = "pseudonym-key";

/// A pseudonym: 43 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pseudonym(String);

impl Pseudonym {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pseudonym of a customer in reports and in the records of erasures.
///
/// # Errors
/// Unavailable while the secret is.
pub async fn pseudonym(state: &AppState, tenant: &TenantId, user: &UserId) -> Result<Pseudonym> {
    keyed(state, &format!("user\n{tenant}\n{user}")).await
}

/// The pseudonym of the network that an address is in: its first 24 bits (IPv4) or 64 bits (IPv6).
///
/// # Errors
/// Unavailable while the secret is.
pub async fn network_pseudonym(state: &AppState, address: IpAddr) -> Result<Pseudonym> {
    let prefix = match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[..3].to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    };
    keyed(state, &format!("network\n{}", URL_SAFE_NO_PAD.encode(prefix))).await
}

async fn keyed(state: &AppState, text: &str) -> Result<Pseudonym> {
    let missing = || PortError::unavailable(format!("there is no secret named {SECRET}"));
    let secret = state.secrets.get(SECRET).await?.ok_or_else(missing).map_err(Error::from)?;
    let key = hmac::Key::new(HMAC_SHA256, secret.expose().as_bytes());
    Ok(Pseudonym(URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()).as_ref())))
}
