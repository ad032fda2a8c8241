//! Who calls: tokens, sessions and passwords. What else is stored of people stands in the accounts
//! service.

mod api_key;
mod caller;
mod key_set;
mod keyring;
mod keys;
mod live;
mod live_keys;
mod password;
mod permissions;
mod refresh;
mod ring;
mod rotate;
mod session;

pub use api_key::{ApiKey, ApiKeyClaim, ApiKeyText, Fingerprint, Revoked};
pub use caller::{Caller, Credential, Principal, Role};
pub use key_set::{KeySet, KeySetError, KeyState};
pub use keyring::{KeyRing, Rotation, not_ready};
pub use keys::{AccessToken, Claims, SigningKeys, TokenError, fresh_signing_key};
pub use live::{LiveSessions, Standing};
pub use live_keys::{FirstUse, LiveApiKeys};
pub use password::{Lane, PasswordHasher, PasswordRule};
pub use permissions::Permission;
pub use refresh::{RefreshToken, Salt};
pub use rotate::{Rotate, Rotated, STANDBY_TIME, rotate};
pub use session::{EndReason, Ended, Refresh, Session, SessionStatus};
