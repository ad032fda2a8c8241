//! Adapters of [`crate::ports::secrets`].

pub mod key_vault;
mod rules;
pub mod settings;

pub use key_vault::KeyVaultSecrets;
pub use settings::SettingsSecrets;
