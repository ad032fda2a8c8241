//! Accounts: who customers are, how they sign in, and what they consent to.

mod admin;
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
pub mod team;
mod throttle;

pub use admin::{Appointed, appoint, first_use as api_key_first_use};
pub use model::{Consent, Purpose, User};
pub use store::{create_user, user};

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [
        admin::functions(),
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
