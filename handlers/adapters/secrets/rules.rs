//! What holds for secrets wherever they are kept.

use crate::ports::{PortError, PortResult};

/// The longest name (Key Vault's rule).
const MAX_NAME_LENGTH: usize = 127;

/// Refuses what Key Vault would not take for a name
/// (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).
pub fn check_name(name: &str) -> PortResult<()> {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if (1..=MAX_NAME_LENGTH).contains(&name.len()) && characters {
        Ok(())
    } else {
        Err(PortError::invalid(format!("{name:?} cannot name a secret")))
    }
}
