//! Who calls: tokens and passwords. Pure; what is stored of people stands in the accounts
//! service.

mod caller;
mod keyring;
mod keys;
mod password;

pub use caller::{Caller, Principal, Role};
pub use keyring::{KeyRing, Rotation, not_ready};
pub use keys::{AccessToken, Claims, SigningKeys, TokenError, fresh_signing_key};
pub use password::{PasswordHasher, PasswordRule};
