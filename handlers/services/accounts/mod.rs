//! Accounts: who customers are, and how they sign in.

mod admin;
mod auth;
mod devices;
mod emails;
mod login_name;
mod model;
mod one_time;
mod passwords;
mod phone;
mod phones;
mod profile;
mod pseudonym;
mod remembered;
mod restore;
mod sessions;
mod sign_ins;
mod store;
pub mod team;
mod throttle;
mod tiers;

pub use admin::{Appointed, appoint, first_use as api_key_first_use};
pub use model::{Consent, ErasureNotice, Purpose, User};
pub use pseudonym::{Pseudonym, network_pseudonym, pseudonym};
pub use store::{consents_to, create_user, find_user, user};

pub(super) use passwords::verify_present;
pub(super) use remembered::forget as forget_account;
pub(super) use sessions::end_all;
pub(super) use store::{Told, change_user_checked, closed, forget_consents, user_document};

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [
        admin::functions(),
        auth::functions(),
        sessions::functions(),
        profile::functions(),
        remembered::functions(),
        passwords::functions(),
        phones::functions(),
        emails::functions(),
        restore::functions(),
        tiers::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
