//! What every cache refuses, wherever it keeps its values.

use std::time::Duration;

use bytes::Bytes;

use crate::ports::cache::LookUp;
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4 << 20;

/// The longest message among instances, in bytes: it names what changed.
pub const MAX_MESSAGE_BYTES: usize = 8 << 10;

/// How many messages a subscriber may lag behind before it hears a gap instead.
pub const BACKLOG: usize = 1024;

/// A counter stays here, as far as Redis counts.
pub const MAX_COUNT: u64 = i64::MAX as u64;

/// Longer lifetimes are cut to this, which no cached thing outlives anyway.
const MAX_TTL: Duration = Duration::from_secs(366 * 24 * 3600);

pub(super) fn check_key(key: &str) -> PortResult<()> {
    if key.len() <= MAX_KEY_BYTES {
        Ok(())
    } else {
        Err(PortError::invalid(format!("a cache key is at most {MAX_KEY_BYTES} bytes")))
    }
}

pub(super) fn check_value(value: &[u8]) -> PortResult<()> {
    at_most(MAX_VALUE_BYTES, "a cached value", value)
}

pub(super) fn check_message(message: &[u8]) -> PortResult<()> {
    at_most(MAX_MESSAGE_BYTES, "a message among instances", message)
}

/// Gives the lifetime to use; refuses one below Redis' unit of one millisecond.
pub(super) fn lifetime(ttl: Duration) -> PortResult<Duration> {
    if ttl >= Duration::from_millis(1) {
        Ok(ttl.min(MAX_TTL))
    } else {
        Err(PortError::invalid("the lifetime of a cache entry is at least one millisecond"))
    }
}

/// What the bytes of a filled key begin with.
pub(super) const FILLED: u8 = b'V';

/// What the bytes of a key begin with that somebody may fill.
pub(super) const LEASE: u8 = b'L';

/// What is kept under a key that was filled, or is to be.
pub(super) fn read_filled(kept: Bytes) -> PortResult<LookUp> {
    match kept.first() {
        Some(&FILLED) => Ok(LookUp::Found(kept.slice(1..))),
        Some(&LEASE) => Ok(LookUp::Awaited),
        _ => Err(PortError::invalid("the key holds something that nobody filled in")),
    }
}

pub(super) fn not_a_counter() -> PortError {
    PortError::invalid("the key holds something else than a counter")
}

fn at_most(limit: usize, what: &str, bytes: &[u8]) -> PortResult<()> {
    if bytes.len() <= limit {
        Ok(())
    } else {
        Err(PortError::new(PortErrorKind::TooLarge, format!("{what} is at most {limit} bytes")))
    }
}
