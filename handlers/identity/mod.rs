//! Who calls: tokens, sessions and passwords. What else is stored of people stands in the accounts
//! service.

mod api_key;
mod caller;
mod keyring;
mod keys;
mod live;
mod live_keys;
mod password;
mod permissions;
mod refresh;
mod session;

pub use api_key::{ApiKey, ApiKeyClaim, ApiKeyText, Fingerprint, Revoked};
pub use caller::{Caller, Credential, Principal, Role};
pub use keyring::{KeyRing, Rotation, not_ready};
pub use keys::{AccessToken, Claims, SigningKeys, TokenError, fresh_signing_key};
pub use live::{LiveSessions, Standing};
pub use live_keys::{FirstUse, LiveApiKeys};
pub use password::{PasswordHasher, PasswordRule};
pub use permissions::Permission;
pub use refresh::{RefreshToken, Salt};
pub use session::{EndReason, Ended, Refresh, Session};
