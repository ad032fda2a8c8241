//! The administrator whom the operator appoints, by a command at the stores themselves: the first one has
//! nobody to appoint them.

use super::super::model::{Email, User};
use super::super::team::{self, Change};
use super::super::{passwords, sessions, store};
use crate::error::{Error, Result};
use crate::identity::{EndReason, PasswordRule, Role};
use crate::ports::secrets::Secret;
use crate::state::AppState;
use crate::types::{TenantId, TierId, UserId};

/// What events say of the operator at the command line.
const OPERATOR: &str = "operator";

/// How an administrator came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appointed {
    /// With a new account.
    Created,
    /// With the account that the address had. It has the new password, and its sessions have ended: whoever
    /// opened it may not have been who is meant.
    Raised,
}

/// Makes the owner of an address an administrator who signs in with `password`; only the first one, unless
/// `another`. Done again after it was interrupted, it goes on.
///
/// # Errors
/// A field error for an address or a password that cannot be, [`crate::error::Code::Conflict`] when there
/// is an administrator.
pub async fn appoint(
    state: &AppState,
    tenant: &TenantId,
    email: &str,
    password: Secret,
    another: bool,
) -> Result<Appointed> {
    let email = Email::parse(email)?;
    if !PasswordRule::allows(password.expose()) {
        let (min, max) = (PasswordRule::MIN_CHARS, PasswordRule::MAX_CHARS);
        return Err(Error::field("password", format!("expected {min} to {max} characters")));
    }
    let change = if another { Change::Role(Role::Admin) } else { Change::FirstAdmin };
    // Before an account is touched; the change itself decides for good.
    team::check(state, tenant, change).await?;
    let (id, appointed) = match store::user_by_email(state, tenant, &email).await? {
        Some(user) => {
            passwords::set(state, tenant, &user.id, password.expose().to_owned()).await?;
            sessions::end_all(state, tenant, &user.id, None, EndReason::PasswordChanged).await?;
            team::change(state, tenant, &user.id, Change::Active(true), OPERATOR).await?;
            (user.id, Appointed::Raised)
        }
        None => (create(state, tenant, email, password).await?, Appointed::Created),
    };
    team::change(state, tenant, &id, change, OPERATOR).await?;
    Ok(appointed)
}

async fn create(state: &AppState, tenant: &TenantId, email: Email, password: Secret) -> Result<UserId> {
    let user = User {
        kind: User::KIND.into(),
        id: UserId::generate(),
        email,
        password_hash: state.passwords.hash(password).await?,
        first_name: String::new(),
        last_name: String::new(),
        role: Role::Customer,
        tier: TierId::FREE,
        active: true,
        version: 0,
        created_at: state.clock.now(),
        consents: Default::default(),
    };
    store::create_user(state, tenant, &user).await?;
    Ok(user.id)
}
