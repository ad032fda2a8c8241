//! Adapters of [`crate::ports::cache`].

pub mod memory;

pub use memory::{MemoryCache, MemoryInvalidations};
