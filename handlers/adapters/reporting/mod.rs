//! Adapters of [`crate::ports::reporting`].
