//! How often passwords may be tried. Strangers are bounded for each account and network, and for each account
//! over all networks; a device on which its owner has signed in before has a count of its own, so that
//! nobody can lock a customer out of it.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::devices::DeviceToken;
use crate::error::{Code, Error, Result};
use crate::ports::limits::Quota;
use crate::state::AppState;
use crate::types::TenantId;

/// Failed attempts at one account from one network, or from one known device, within [`WINDOW`].
const MAX_FAILURES: u64 = 10;
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Attempts at one account from devices that it does not know, from all networks together.
const STRANGERS: Quota = Quota { burst: 50, per: WINDOW };

/// An attempt that may be made.
pub struct Attempt {
    count: String,
}

/// Which count is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    Device,
    Network,
    Account,
}

impl Exhausted {
    /// In the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Network => "network",
            Self::Account => "account",
        }
    }
}

/// Counts an attempt at the password of the account that is called `name`, from the client's address or a
/// device that is known.
///
/// # Errors
/// [`Code::TooManyRequests`] and which count is used up.
pub async fn attempt(
    state: &AppState,
    tenant: &TenantId,
    name: &str,
    client: Option<IpAddr>,
    device: Option<&DeviceToken>,
) -> Result<Attempt, (Exhausted, Error)> {
    if let Some(device) = device {
        let count = format!("login-device:{}", device.fingerprint());
        return counted(state, count, Exhausted::Device).await;
    }
    let attempt = counted(state, key(tenant, name, client), Exhausted::Network).await?;
    let account = key(tenant, name, None);
    let decision = match state.limits.take(&account, STRANGERS, 1).await {
        Ok(decision) => decision,
        Err(error) => {
            tracing::warn!(%error, "sign-ins to an account are not counted");
            return Ok(attempt);
        }
    };
    if decision.allowed {
        return Ok(attempt);
    }
    Err((Exhausted::Account, refusal(decision.retry_after.unwrap_or(WINDOW))))
}

/// Counts an attempt at the password of the account `id` by one of its own sessions.
///
/// # Errors
/// [`Code::TooManyRequests`] after as many failures as a stranger may have.
pub async fn by_session(state: &AppState, tenant: &TenantId, id: &str) -> Result<Attempt> {
    let count = format!("login-session:{tenant}:{id}");
    counted(state, count, Exhausted::Account).await.map_err(|(_, error)| error)
}

async fn counted(state: &AppState, count: String, of: Exhausted) -> Result<Attempt, (Exhausted, Error)> {
    let failures = state.cache.increment(&count, 1, WINDOW).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "sign-ins are not counted");
        0
    });
    if failures > MAX_FAILURES { Err((of, refusal(WINDOW))) } else { Ok(Attempt { count }) }
}

fn refusal(pause: Duration) -> Error {
    // Of a fraction of a second nothing is told.
    let pause = Duration::from_secs(pause.as_secs() + 1);
    Error::new(
        Code::TooManyRequests,
        "Too many failed sign-ins; please wait, or use a device on which you signed in before.",
    )
    .with_retry_after(pause)
}

impl Attempt {
    /// The password was right: failures are counted anew.
    pub async fn succeeded(self, state: &AppState) {
        if let Err(error) = state.cache.delete(&self.count).await {
            tracing::warn!(%error, "count of failed sign-ins not cleared");
        }
    }
}

/// The key of a count, by account and, where an address is given, by its network.
pub fn key(tenant: &TenantId, name: &str, client: Option<IpAddr>) -> String {
    let network = match client.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.octets()[..3].to_vec(),
        Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
        None => Vec::new(),
    };
    let mut text = format!("{tenant}\n{name}\n").into_bytes();
    text.extend(network);
    format!("login:{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, &text).as_ref()))
}
