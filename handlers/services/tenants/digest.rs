//! What is compared after documents were copied.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::ports::PortResult;
use crate::ports::documents::{Container, Document, NewDocument, Ttl};

/// A document apart from its life.
pub struct Content {
    body: Map<String, Value>,
    life: Life,
}

/// How long a document lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// For ever, as its container says.
    Default,
    /// For ever, as it says itself.
    Never,
    Until(DateTime<Utc>),
}

impl Content {
    /// # Errors
    /// `Corrupt` when the document is no JSON object.
    pub fn of(container: &Container, document: &Document) -> PortResult<Self> {
        let mut body: Map<String, Value> = document.read()?;
        let seconds = match body.remove("ttl").as_ref().map(Value::as_i64) {
            Some(Some(-1)) => return Ok(Self { body, life: Life::Never }),
            Some(seconds) => seconds,
            None => container.default_ttl.map(i64::from),
        };
        let life = match seconds {
            Some(seconds) => Life::Until(document.modified_at + TimeDelta::seconds(seconds)),
            None => Life::Default,
        };
        Ok(Self { body, life })
    }

    /// Whether it ends before `moment`.
    pub fn ends_before(&self, moment: DateTime<Utc>) -> bool {
        matches!(self.life, Life::Until(end) if end < moment)
    }

    /// The document to be written at `now` so that it lives as long as this one; `None` when that is over.
    pub fn again(&self, id: &str, now: DateTime<Utc>) -> Option<NewDocument> {
        let ttl = match self.life {
            Life::Default => Ttl::Default,
            Life::Never => Ttl::Never,
            Life::Until(end) => match u32::try_from((end - now).num_seconds()) {
                Ok(seconds @ 1..) => Ttl::Seconds(seconds),
                _ => return None,
            },
        };
        Some(NewDocument { id: id.to_owned(), body: self.body.clone(), ttl })
    }

    /// Whether both say the same and both end or both do not.
    pub fn is_like(&self, other: &Self) -> bool {
        self.body == other.body && self.lasts() == other.lasts()
    }

    fn lasts(&self) -> bool {
        !matches!(self.life, Life::Until(_))
    }
}

/// The number of some documents and a hash of them that does not depend on their order: the exclusive or of
/// the SHA-256 of each. No two of them are alike, since each names its id and partition.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Digest {
    pub count: u64,
    hash: [u8; 32],
}

impl Digest {
    pub fn add(&mut self, document: &Document, content: &Content) {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_le_bytes());
            context.update(bytes);
        };
        part(document.id.as_bytes());
        for value in &document.partition.0 {
            part(value.as_bytes());
        }
        part(Value::Object(content.body.clone()).to_string().as_bytes());
        part(&[u8::from(content.lasts())]);
        self.count += 1;
        for (held, byte) in self.hash.iter_mut().zip(context.finish().as_ref()) {
            *held ^= byte;
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} documents, hash ", self.count)?;
        self.hash[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
