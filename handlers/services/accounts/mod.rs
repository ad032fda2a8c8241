//! Accounts: who customers are, how they sign in, and what they consent to.

mod auth;
mod consents;
mod model;
mod passwords;
mod profile;
mod sessions;
mod store;

pub use model::{Consent, Purpose, User};
pub use store::{create_user, user};

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [auth::functions(), sessions::functions(), profile::functions(), passwords::functions(), consents::functions()]
        .into_iter()
        .flatten()
        .collect()
}
