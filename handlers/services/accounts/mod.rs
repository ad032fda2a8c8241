//! Accounts: who customers are, and how they sign in.

mod auth;
mod model;
mod passwords;
mod profile;
mod pseudonym;
mod sessions;
mod store;

pub use model::{Consent, ErasureNotice, Purpose, User};
pub use pseudonym::{Pseudonym, network_pseudonym, pseudonym};
pub use sessions::SessionEnded;
pub use store::{consents_to, create_user, user};

pub(super) use auth::check_password;
pub(super) use passwords::{RESET_REQUESTED, claim_id as reset_claim};
pub(super) use sessions::end_sessions;
pub(super) use store::{change_user_telling, closed, forget_consents, user_document};

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [auth::functions(), sessions::functions(), profile::functions(), passwords::functions()]
        .into_iter()
        .flatten()
        .collect()
}
