//! Adapters of [`crate::ports::events`].

mod queued;

pub use queued::{DOMAIN_EVENTS, QueuedEvents};
