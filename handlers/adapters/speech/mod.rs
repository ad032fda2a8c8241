//! Adapters of [`crate::ports::speech`].
