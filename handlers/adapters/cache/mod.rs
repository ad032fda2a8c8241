//! Adapters of [`crate::ports::cache`] and [`crate::ports::limits`].

pub mod fallback;
mod heard;
pub mod memory;
pub mod redis;
mod rules;

pub use fallback::{FallbackCache, FallbackLimits, Health, Status};
pub use memory::{MemoryCache, MemoryInvalidations, MemoryLimits};
pub use redis::{Redis, RedisCache, RedisInvalidations, RedisLimits, RedisOptions};
pub use rules::{BACKLOG, MAX_KEY_BYTES, MAX_MESSAGE_BYTES, MAX_VALUE_BYTES};
