//! Who calls: tokens, sessions and passwords. What else is stored of people stands in the accounts
//! service.

mod caller;
mod keyring;
mod keys;
mod live;
mod password;
mod permissions;
mod refresh;
mod session;

pub use caller::{Caller, Credential, Principal, Role};
pub use keyring::{KeyRing, Rotation, not_ready};
pub use keys::{AccessToken, Claims, SigningKeys, TokenError, fresh_signing_key};
pub use live::LiveSessions;
pub use password::{Lane, PasswordHasher, PasswordRule};
pub use permissions::Permission;
pub use refresh::{RefreshToken, Salt};
pub use session::{EndReason, Ended, Refresh, Session, SessionStatus};
