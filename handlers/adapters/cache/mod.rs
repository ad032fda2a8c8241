//! Adapters of [`crate::ports::cache`].

pub mod memory;
