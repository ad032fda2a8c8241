//! Adapters of [`crate::ports::events`].
