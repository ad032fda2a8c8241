//! Signing keys that follow a secret of a vault.
