//! What is kept of an account's sign-ins in one document beside it: which sessions began, so that their number
//! is bounded, and which devices are known.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::devices::{self, DeviceToken};
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::ports::documents::{NewDocument, Operation};
use crate::ports::{Condition, ETag};
use crate::state::AppState;
use crate::types::{SessionId, TenantId};

const ID: &str = "sign-ins";
/// Sessions that an account may have open.
pub const MAX_SESSIONS: usize = 50;
/// Devices that are known of an account; another takes the place of the one that was used the longest ago.
const MAX_DEVICES: usize = 10;

/// The document, of one epoch of the account: a later epoch knows nothing of its sessions and devices.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIns {
    kind: String,
    pub epoch: u32,
    /// Those that began; some may have ended.
    pub sessions: Vec<SessionId>,
    devices: Vec<Device>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    fingerprint: String,
    since: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
}

impl SignIns {
    /// That of an account which came to a new epoch.
    pub fn of_epoch(epoch: u32) -> Self {
        Self { kind: "signIns".into(), epoch, sessions: Vec::new(), devices: Vec::new() }
    }

    /// The document of an account and its version. One point read, for `nobody` as well.
    ///
    /// # Errors
    /// Those of the read.
    pub async fn read(state: &AppState, tenant: &TenantId, owner: &str) -> Result<(Self, Option<ETag>)> {
        let found = state.documents.read(&CUSTOMERS, &customer(tenant, owner), ID).await?;
        match found {
            Some(document) => Ok((document.read()?, Some(document.etag))),
            None => Ok((Self::of_epoch(0), None)),
        }
    }

    /// What of it counts in `epoch`.
    pub fn in_epoch(self, epoch: u32) -> Self {
        if self.epoch == epoch { self } else { Self::of_epoch(epoch) }
    }

    /// The first of the presented tokens that is one of this account at `now`.
    pub fn known<'a>(&self, presented: &'a [DeviceToken], now: DateTime<Utc>) -> Option<&'a DeviceToken> {
        presented.iter().find(|token| {
            let fingerprint = token.fingerprint();
            self.devices
                .iter()
                .any(|device| device.fingerprint == fingerprint && now - device.last_used_at < devices::LIFETIME)
        })
    }

    /// Knows a device from `now` on.
    pub fn admit(&mut self, token: &DeviceToken, now: DateTime<Utc>) {
        let fingerprint = token.fingerprint();
        if let Some(device) = self.devices.iter_mut().find(|device| device.fingerprint == fingerprint) {
            device.last_used_at = now;
            return;
        }
        self.devices.push(Device { fingerprint, since: now, last_used_at: now });
        self.devices.sort_by_key(|device| std::cmp::Reverse(device.last_used_at));
        self.devices.truncate(MAX_DEVICES);
    }

    /// The operation that stores it, if nobody else has since it was read in version `read`.
    ///
    /// # Errors
    /// None that can happen; see [`NewDocument::new`].
    pub fn put(&self, read: Option<ETag>) -> Result<Operation> {
        let document = NewDocument::new(ID, self)?;
        Ok(match read {
            Some(etag) => Operation::Replace(document, Condition::IfMatch(etag)),
            None => Operation::Create(document),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_few_and_the_one_not_used_goes_first() {
        let (mut sign_ins, start) = (SignIns::of_epoch(0), Utc::now());
        let tokens: Vec<_> = (0..=MAX_DEVICES).map(|_| DeviceToken::generate().unwrap()).collect();
        for (token, minute) in tokens[..MAX_DEVICES].iter().zip(0..) {
            sign_ins.admit(token, start + chrono::Duration::minutes(minute));
        }
        let later = start + chrono::Duration::hours(1);
        sign_ins.admit(&tokens[0], later);
        sign_ins.admit(&tokens[MAX_DEVICES], later);
        let known = |token: &DeviceToken| sign_ins.known(std::slice::from_ref(token), later).is_some();
        assert_eq!(tokens.iter().map(known).filter(|known| *known).count(), MAX_DEVICES);
        assert!(known(&tokens[0]) && !known(&tokens[1]));
        assert!(sign_ins.known(&tokens, later + devices::LIFETIME).is_none(), "not for ever");
        assert!(sign_ins.in_epoch(1).known(&tokens, later).is_none(), "a new password forgets them");
    }
}
