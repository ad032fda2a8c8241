//! What staff and administrators do about accounts and API keys. Every change tells in its event who made
//! it (`data.actor`).

mod api_keys;
mod appoint;
mod users;

pub use api_keys::first_use;
pub use appoint::{Appointed, appoint};

use crate::function::Function;

/// The rows of the registry for staff and administrators.
pub fn functions() -> Vec<Function> {
    [api_keys::functions(), users::functions()].into_iter().flatten().collect()
}
