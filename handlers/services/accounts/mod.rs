//! Accounts: who customers are, how they sign in, and what they consent to.

mod auth;
mod consents;
mod devices;
mod emails;
mod login_name;
mod model;
mod one_time;
mod passwords;
mod phone;
mod phones;
mod profile;
mod sessions;
mod sign_ins;
mod store;
mod throttle;

pub use model::{Consent, Purpose, User};
pub use sessions::SessionNews;
pub use store::{create_user, user};

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [
        auth::functions(),
        sessions::functions(),
        profile::functions(),
        passwords::functions(),
        phones::functions(),
        emails::functions(),
        consents::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
