//! The Functions host's invocation payload, `{"Data":{…},"Metadata":{…}}`, decoded. The host encodes
//! by .NET type: byte arrays as base64, objects nested, everything else as JSON text within a
//! string, so a JSON message is JSON three times over.
//!
//! Metadata is ignored throughout: properties of a user-writable message override the host's own
//! there, so nothing in it can be trusted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::function::{BlobWritten, DocumentsChanged, QueueMessage, StorageEvent, StorageEventKind, TimerTick};

/// Why a payload is not an invocation of the function it came for.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the payload is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("the payload has no Data.{0}")]
    Missing(&'static str),
    #[error("Data.{binding} is not {expected}")]
    Shape { binding: &'static str, expected: &'static str },
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "Data")]
    data: serde_json::Map<String, Value>,
}

fn binding(payload: &[u8], name: &'static str) -> Result<Value, EnvelopeError> {
    let mut payload: Payload = serde_json::from_slice(payload)?;
    payload.data.remove(name).ok_or(EnvelopeError::Missing(name))
}

/// A text that may itself be JSON.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

/// A blob trigger's content: the whole blob in base64.
pub fn blob(payload: &[u8]) -> Result<BlobWritten, EnvelopeError> {
    let shape = EnvelopeError::Shape { binding: "blob", expected: "base64" };
    match binding(payload, "blob")? {
        Value::String(text) => match STANDARD.decode(text) {
            Ok(content) => Ok(BlobWritten { content: Bytes::from(content) }),
            Err(_) => Err(shape),
        },
        _ => Err(shape),
    }
}

/// A timer trigger's tick. Its times are in a format that varies, and are not needed.
pub fn timer(payload: &[u8]) -> Result<TimerTick, EnvelopeError> {
    let tick = unwrapped(binding(payload, "tick")?);
    let past_due = tick.get("IsPastDue").and_then(Value::as_bool).unwrap_or(false);
    if tick.is_object() {
        Ok(TimerTick { past_due })
    } else {
        Err(EnvelopeError::Shape { binding: "tick", expected: "an object" })
    }
}

/// A queue trigger's message as text: a text that is JSON in a string, or an object that the host
/// nested.
pub fn queue(payload: &[u8]) -> Result<QueueMessage, EnvelopeError> {
    let text = match unwrapped(binding(payload, "message")?) {
        Value::String(text) => text,
        Value::Null => return Err(EnvelopeError::Shape { binding: "message", expected: "a text" }),
        other => other.to_string(),
    };
    Ok(QueueMessage { text })
}

/// A change feed trigger's documents: an array as JSON text, itself in a string.
pub fn documents(payload: &[u8]) -> Result<DocumentsChanged, EnvelopeError> {
    match unwrapped(unwrapped(binding(payload, "documents")?)) {
        Value::Array(documents) if documents.iter().all(Value::is_object) => Ok(DocumentsChanged { documents }),
        _ => Err(EnvelopeError::Shape { binding: "documents", expected: "an array of objects" }),
    }
}

/// The longest path of a blob in an event, in bytes: 1024 characters of four.
const MAX_PATH: usize = 4096;

/// An Event Grid trigger's event, in Event Grid's own schema or as CloudEvents 1.0: an object, or one as text.
/// `None` for an event that tells nothing of a blob
/// (<https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage>).
pub fn storage_event(payload: &[u8]) -> Result<Option<StorageEvent>, EnvelopeError> {
    let event = unwrapped(unwrapped(binding(payload, "event")?));
    let shape = EnvelopeError::Shape { binding: "event", expected: "an event with its type and subject" };
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let (Some(kind), Some(subject)) = (text("eventType").or_else(|| text("type")), text("subject")) else {
        return Err(shape);
    };
    let kind = match kind {
        "Microsoft.Storage.BlobCreated" | "Microsoft.Storage.BlobRenamed" => StorageEventKind::Created,
        "Microsoft.Storage.BlobDeleted" => StorageEventKind::Deleted,
        "Microsoft.Storage.BlobTierChanged" => StorageEventKind::TierChanged,
        _ => return Ok(None),
    };
    let named = subject.strip_prefix("/blobServices/default/containers/").and_then(|rest| rest.split_once("/blobs/"));
    match named {
        Some((container, path)) if !container.is_empty() && (1..=MAX_PATH).contains(&path.len()) => {
            Ok(Some(StorageEvent { kind, container: container.to_owned(), path: path.to_owned() }))
        }
        _ => Err(shape),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload(data: Value) -> Vec<u8> {
        json!({ "Data": data, "Metadata": { "sys": { "MethodName": "x" } } }).to_string().into_bytes()
    }

    #[test]
    fn a_blob_is_base64_whatever_it_holds() {
        let content = blob(&payload(json!({ "blob": STANDARD.encode("\"quoted\"") }))).unwrap().content;
        assert_eq!(content, "\"quoted\"");
        assert_eq!(blob(&payload(json!({ "blob": "" }))).unwrap().content, "");
        assert!(blob(&payload(json!({ "blob": "not base64!" }))).is_err());
        assert!(blob(&payload(json!({ "blob": 5 }))).is_err());
        assert!(blob(&payload(json!({ "other": "aGk=" }))).is_err());
    }

    #[test]
    fn a_queue_message_keeps_its_text() {
        for text in ["hello", "5", "{\"id\":\"1\"}", "\"quoted\"", "[1,2]", ""] {
            let twice = serde_json::to_string(text).unwrap();
            assert_eq!(queue(&payload(json!({ "message": twice }))).unwrap().text, text);
        }
        assert_eq!(queue(&payload(json!({ "message": { "id": 1 } }))).unwrap().text, "{\"id\":1}");
    }

    #[test]
    fn documents_are_an_array_in_a_string_in_a_string() {
        let documents_json = json!([{ "id": "1" }, { "id": "2" }]).to_string();
        for data in [
            json!(serde_json::to_string(&documents_json).unwrap()),
            json!(documents_json),
            json!([{ "id": "1" }, { "id": "2" }]),
        ] {
            assert_eq!(documents(&payload(json!({ "documents": data }))).unwrap().documents.len(), 2);
        }
        for wrong in [json!("nonsense"), json!(5), json!(["text"]), json!("[1]")] {
            assert!(documents(&payload(json!({ "documents": wrong }))).is_err());
        }
    }

    #[test]
    fn a_tick_needs_no_times() {
        assert!(timer(&payload(json!({ "tick": { "ScheduleStatus": null, "IsPastDue": true } }))).unwrap().past_due);
        assert!(!timer(&payload(json!({ "tick": {} }))).unwrap().past_due);
        assert!(timer(&payload(json!({ "tick": "often" }))).is_err());
    }

    #[test]
    fn storage_events_are_read_in_either_schema() {
        let subject = "/blobServices/default/containers/voice-uploads/blobs/pravis/usr_1/smp_1";
        let expected =
            |kind| StorageEvent { kind, container: "voice-uploads".into(), path: "pravis/usr_1/smp_1".into() };
        let grid = json!({ "id": "e1", "eventType": "Microsoft.Storage.BlobCreated", "subject": subject, "data": {} });
        let cloud = json!({ "specversion": "1.0", "type": "Microsoft.Storage.BlobTierChanged", "subject": subject });
        for (event, kind) in [(&grid, StorageEventKind::Created), (&cloud, StorageEventKind::TierChanged)] {
            for data in [event.clone(), json!(event.to_string())] {
                assert_eq!(storage_event(&payload(json!({ "event": data }))).unwrap(), Some(expected(kind)));
            }
        }
        let other = json!({ "eventType": "Microsoft.Storage.DirectoryCreated", "subject": subject });
        assert_eq!(storage_event(&payload(json!({ "event": other }))).unwrap(), None);
        for wrong in [
            json!(5),
            json!("text"),
            json!([]),
            json!({ "eventType": "Microsoft.Storage.BlobCreated" }),
            json!({ "eventType": "Microsoft.Storage.BlobCreated", "subject": "/elsewhere" }),
            json!({ "eventType": "Microsoft.Storage.BlobDeleted", "subject": "/blobServices/default/containers/x/blobs/" }),
        ] {
            assert!(storage_event(&payload(json!({ "event": wrong }))).is_err(), "{wrong}");
        }
    }

    #[test]
    fn metadata_cannot_stand_in_for_data() {
        let forged = json!({ "Data": {}, "Metadata": { "blob": "aGk=", "message": "\"x\"" } }).to_string();
        assert!(blob(forged.as_bytes()).is_err());
        assert!(queue(forged.as_bytes()).is_err());
        assert!(blob(b"").is_err());
        assert!(blob(b"[]").is_err());
    }
}
