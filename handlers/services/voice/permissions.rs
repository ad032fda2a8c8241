//! What a customer lets us do with an exchange.

use crate::error::Result;
use crate::services::accounts::{self, Purpose, User};
use crate::state::AppState;
use crate::types::{TenantId, UserId};

/// What may be done with an exchange, as its customer agreed when it was asked for. Nothing, of a stranger
/// or a closed account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Keeping the recording and the words.
    pub storage: bool,
    /// Using what is kept to improve recognition; never without `storage`.
    pub training: bool,
    /// Telling reports which customer it was, under a pseudonym.
    pub analytics: bool,
}

impl Permissions {
    /// Those of a customer at this moment; `None` when the account is closed. One point read.
    pub async fn of(state: &AppState, tenant: &TenantId, user: &UserId) -> Result<Option<Self>> {
        let user = accounts::user(state, tenant, user).await?;
        Ok(user.filter(|user| user.active).map(|user| Self::given_by(&user)))
    }

    fn given_by(user: &User) -> Self {
        let storage = user.consents_to(Purpose::VoiceStorage);
        Self {
            storage,
            training: storage && user.consents_to(Purpose::Training),
            analytics: user.consents_to(Purpose::Analytics),
        }
    }
}
