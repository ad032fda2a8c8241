//! What the domain needs from the outside world, as traits. The documentation of each
//! trait is the contract: every adapter passes the same conformance suite
//! (`tests/it/conformance/`), written from what Azure documents of its services.

pub mod blobs;
pub mod cache;
pub mod chat;
pub mod clock;
pub mod documents;
pub mod error;
pub mod events;
pub mod limits;
pub mod payments;
pub mod queues;
pub mod reporting;
pub mod secrets;
pub mod speech;
pub mod spent;

pub use error::{PortError, PortErrorKind, PortResult};

use std::fmt;

use serde::{Deserialize, Serialize};

/// An opaque version of a stored thing (RFC 9110 §8.8.3): changes with every write,
/// compared only for equality. Held without quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(pub String);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a listing goes on: opaque, given by an adapter with a page, valid only for the
/// same listing on the same adapter. An adapter refuses one that it did not make with
/// [`PortErrorKind::InvalidRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Continuation(pub String);

/// Some items of a listing and where it goes on; `next` is `None` at the end.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Continuation>,
}

/// On what condition a write happens (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only when nothing is stored under the name (`If-None-Match: *`).
    IfAbsent,
    /// Only when the stored version is this one (`If-Match`).
    IfMatch(ETag),
}
