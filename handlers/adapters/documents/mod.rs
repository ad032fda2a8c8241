//! Adapters of [`crate::ports::documents`].
