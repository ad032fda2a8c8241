//! Documents on the wire: bodies with the service's own properties.

use std::fmt;

use chrono::DateTime;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::rules::Prepared;
use crate::ports::documents::{Container, Document, PartitionKey};
use crate::ports::{ETag, PortError, PortResult};

/// A document as the service gives it: its first level, the values unread.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    fields: Vec<(String, Box<RawValue>)>,
}

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Stored;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a document")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stored, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Stored { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Stored {
    pub fn parse(json: &[u8]) -> PortResult<Self> {
        serde_json::from_slice(json)
            .map_err(|error| PortError::corrupt("a document that is not a JSON object").with_source(error))
    }

    /// The document, without the service's own properties.
    ///
    /// # Errors
    /// `Corrupt` when it lacks one of those, or was not written by this adapter.
    pub fn into_document(self, container: &Container) -> PortResult<Document> {
        let values = container.partition_key.iter().map(|field| self.text(field)).collect::<PortResult<_>>()?;
        let (id, etag, written) = (self.text("id")?, self.text("_etag")?, self.read("_ts")?);
        Ok(Document {
            id,
            partition: PartitionKey(values),
            etag: unquoted(&etag),
            modified_at: instant(written)?,
            body: self.body()?,
        })
    }

    /// The value at a checked path, as it stands; `None` where there is none.
    pub fn at(&self, path: &str) -> Option<serde_json::Value> {
        let mut names = path.split('.');
        let first = self.field(names.next()?)?;
        let mut value: serde_json::Value = serde_json::from_str(first.get()).ok()?;
        for name in names {
            value = value.as_object_mut()?.remove(name)?;
        }
        Some(value)
    }

    /// The bytes of the body, more or less.
    pub fn size(&self) -> usize {
        self.fields.iter().map(|(name, value)| name.len() + value.get().len()).sum()
    }

    pub fn text(&self, name: &str) -> PortResult<String> {
        self.read(name)
    }

    fn read<'a, T: Deserialize<'a>>(&'a self, name: &str) -> PortResult<T> {
        let value = self.field(name).ok_or_else(|| PortError::corrupt(format!("a stored document without {name}")))?;
        serde_json::from_str(value.get())
            .map_err(|error| PortError::corrupt(format!("a stored document with another {name}")).with_source(error))
    }

    fn field(&self, name: &str) -> Option<&RawValue> {
        self.fields.iter().find(|(held, _)| held == name).map(|(_, value)| &**value)
    }

    fn body(&self) -> PortResult<Box<RawValue>> {
        let broken = |error| PortError::corrupt("a stored document that does not serialise").with_source(error);
        let mut body = String::with_capacity(self.size() + 8 * self.fields.len());
        for (name, value) in self.fields.iter().filter(|(name, _)| !name.starts_with('_')) {
            body.push(if body.is_empty() { '{' } else { ',' });
            body.push_str(&serde_json::to_string(name).map_err(broken)?);
            body.push(':');
            body.push_str(value.get());
        }
        body.push_str(if body.is_empty() { "{}" } else { "}" });
        RawValue::from_string(body).map_err(broken)
    }
}

/// What the service adds to a document that it stores.
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "_etag")]
    etag: String,
    #[serde(rename = "_ts")]
    written: i64,
}

/// The document that was written, by the service's answer; its body is as it was sent.
pub(super) fn written(partition: &PartitionKey, sent: Prepared, answer: &[u8]) -> PortResult<Document> {
    let version: Version = serde_json::from_slice(answer)
        .map_err(|error| PortError::corrupt("a written document without its version").with_source(error))?;
    Ok(Document {
        id: sent.id,
        partition: partition.clone(),
        etag: unquoted(&version.etag),
        modified_at: instant(version.written)?,
        body: sent.body,
    })
}

fn unquoted(etag: &str) -> ETag {
    ETag(etag.trim_matches('"').to_owned())
}

/// The version as `If-Match` takes it.
pub(super) fn quoted(etag: &ETag) -> String {
    format!("\"{}\"", etag.0)
}

fn instant(seconds: i64) -> PortResult<DateTime<chrono::Utc>> {
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| PortError::corrupt("a stored time is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortErrorKind;
    use crate::ports::documents::Indexing;

    static CLAIMS: Container =
        Container { name: "claims", partition_key: &["id"], default_ttl: None, indexing: Indexing::Everything };

    fn stored(json: &str) -> PortResult<Document> {
        Stored::parse(json.as_bytes())?.into_document(&CLAIMS)
    }

    #[test]
    fn properties_of_the_service_are_taken_off_and_nothing_else_is_touched() {
        let document = stored(r#"{"id":"a","n":1.50,"_rid":"x==","m":{"_n":[ 1e3 ]},"_etag":"\"00-1\"","_ts":7}"#);
        let document = document.unwrap();
        assert_eq!(document.body.get(), r#"{"id":"a","n":1.50,"m":{"_n":[ 1e3 ]}}"#);
        assert_eq!((document.etag.0.as_str(), document.modified_at.timestamp()), ("00-1", 7));
        assert_eq!(document.partition, PartitionKey::of(["a"]));
    }

    #[test]
    fn what_the_adapter_did_not_write_is_corrupt() {
        for json in ["[]", "{}", r#"{"id":1,"_etag":"e","_ts":7}"#, r#"{"id":"a","_etag":"e"}"#, "{"] {
            assert_eq!(stored(json).unwrap_err().kind(), PortErrorKind::Corrupt, "{json}");
        }
    }

    #[test]
    fn paths_lead_through_objects_only() {
        let stored = Stored::parse(br#"{"a":{"b":null,"1":2},"c":[3]}"#).unwrap();
        assert_eq!(stored.at("a.b"), Some(serde_json::Value::Null));
        assert_eq!(stored.at("a.1"), Some(2.into()));
        for absent in ["a.c", "b", "c.0", "a.b.c"] {
            assert_eq!(stored.at(absent), None, "{absent}");
        }
    }
}
