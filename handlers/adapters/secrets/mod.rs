//! Adapters of [`crate::ports::secrets`].

pub mod settings;

pub use settings::SettingsSecrets;
