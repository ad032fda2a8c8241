//! Adapters of [`crate::ports::secrets`].

pub mod settings;
