//! Adapters of [`crate::ports::secrets`].
