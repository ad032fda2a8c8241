//! Adapters of [`crate::ports::cache`].
