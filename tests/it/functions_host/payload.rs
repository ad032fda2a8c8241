//! The payloads of triggers other than HTTP, encoded as the host encodes them: by .NET type, with the
//! properties of a message that is a JSON object merged into the metadata, over the host's own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use pravis::ports::blobs::{BlobName, BlobProperties};
use pravis::ports::documents::Document;
use pravis::ports::queues::QueueMessage;
use serde_json::{Map, Value, json};

use super::script_root::FunctionFile;

/// A value of .NET on its way into a payload.
pub enum Net {
    Bytes(Vec<u8>),
    Time(DateTime<Utc>),
    /// Objects nest; everything else is JSON text within a string.
    Json(Value),
}

impl Net {
    fn text(text: impl Into<String>) -> Self {
        Self::Json(Value::String(text.into()))
    }

    fn encoded(self) -> Value {
        match self {
            Self::Bytes(bytes) => STANDARD.encode(bytes).into(),
            Self::Time(at) => at.to_rfc3339_opts(SecondsFormat::Secs, false).into(),
            Self::Json(object @ Value::Object(_)) => object,
            Self::Json(other) => other.to_string().into(),
        }
    }
}

/// The whole payload: `Data` under the binding's name, and the metadata with the host's `sys`.
fn envelope(function: &FunctionFile, data: Net, metadata: Vec<(&str, Net)>) -> Vec<u8> {
    let mut all = Map::new();
    let sys = json!({ "MethodName": function.name, "UtcNow": Utc::now(), "RandGuid": guid() });
    all.insert("sys".into(), sys);
    for (key, value) in metadata {
        all.insert(key.to_owned(), value.encoded());
    }
    // A text that is a JSON object speaks as loudly as the host: each property that is no list wins.
    if let Net::Json(Value::String(text)) = &data
        && let Ok(Value::Object(properties)) = serde_json::from_str(text)
    {
        for (key, value) in properties {
            if !value.is_array() && !value.is_null() {
                all.insert(key, Net::Json(value).encoded());
            }
        }
    }
    all.retain(|key, _| !key.to_ascii_lowercase().ends_with("trigger"));
    json!({ "Data": { &function.binding: data.encoded() }, "Metadata": all }).to_string().into_bytes()
}

/// A blob trigger: the whole blob, and its user metadata.
pub fn blob(function: &FunctionFile, name: &BlobName, properties: &BlobProperties, content: Vec<u8>) -> Vec<u8> {
    let uri = format!("https://devstore.blob.core.windows.net/{}/{}", name.container, name.path);
    let described = json!({
        "ContentLength": properties.size, "ContentType": properties.content_type, "ETag": {},
        "LastModified": properties.modified_at, "BlobType": 0
    });
    let metadata = vec![
        ("BlobTrigger", Net::text(format!("{}/{}", name.container, name.path))),
        ("Uri", Net::text(uri)),
        ("name", Net::text(&name.path)),
        ("Properties", Net::Json(described)),
        ("Metadata", Net::Json(json!(properties.metadata))),
    ];
    envelope(function, Net::Bytes(content), metadata)
}

/// A timer trigger's tick.
pub fn timer(function: &FunctionFile, past_due: bool) -> Vec<u8> {
    let tick = json!({
        "Schedule": { "AdjustForDST": true },
        "ScheduleStatus": { "Last": "2026-01-15T06:29:00.0+00:00", "Next": "2026-01-15T06:30:00+00:00", "LastUpdated": "2026-01-15T06:29:00.0+00:00" },
        "IsPastDue": past_due
    });
    envelope(function, Net::Json(tick), Vec::new())
}

/// A queue trigger's message.
pub fn queue(function: &FunctionFile, message: &QueueMessage) -> Vec<u8> {
    let metadata = vec![
        ("QueueTrigger", Net::text(&message.body)),
        ("DequeueCount", Net::Json(message.dequeue_count.into())),
        ("Id", Net::text(&message.id)),
        ("PopReceipt", Net::text(&message.pop_receipt)),
        ("InsertionTime", Net::Time(message.inserted_at)),
        ("ExpirationTime", Net::Time(message.expires_at)),
        ("NextVisibleTime", Net::Time(message.next_visible_at)),
    ];
    envelope(function, Net::text(&message.body), metadata)
}

/// A message that was never in a queue.
pub fn message(function: &FunctionFile, text: &str) -> Vec<u8> {
    let now = Utc::now();
    let message = QueueMessage {
        id: guid(),
        body: text.to_owned(),
        dequeue_count: 1,
        inserted_at: now,
        expires_at: now + chrono::TimeDelta::days(7),
        next_visible_at: now + chrono::TimeDelta::minutes(10),
        pop_receipt: "AgAAAA".into(),
    };
    queue(function, &message)
}

/// A change feed trigger's documents: a list as text, itself a text. `retries` says how often this page
/// failed before, where the function has a retry policy.
pub fn documents(function: &FunctionFile, documents: &[Value], retries: Option<u32>) -> Vec<u8> {
    let list = Value::from(documents).to_string();
    let max = function.retry.and_then(|retry| retry.max_retries).map_or(-1, i64::from);
    let context =
        retries.map(|count| ("RetryContext", Net::Json(json!({ "RetryCount": count, "MaxRetryCount": max }))));
    envelope(function, Net::text(list), context.into_iter().collect())
}

/// An Event Grid trigger's event about a blob, in Event Grid's own schema.
pub fn blob_event(function: &FunctionFile, kind: &str, name: &BlobName) -> Vec<u8> {
    let BlobName { container, path } = name;
    let url = format!("https://devstore.blob.core.windows.net/{container}/{path}");
    let event = json!({
        "id": guid(), "topic": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Storage/storageAccounts/devstore",
        "subject": format!("/blobServices/default/containers/{container}/blobs/{path}"), "eventType": kind,
        "eventTime": Utc::now(), "dataVersion": "", "metadataVersion": "1",
        "data": { "api": "PutBlob", "eTag": "0x8D", "blobType": "BlockBlob", "url": url, "sequencer": "000" }
    });
    let data = Net::Json(event["data"].clone());
    envelope(function, Net::Json(event), vec![("data", data)])
}

/// A document as the change feed shows it, with the service's own properties.
pub fn fed(document: &Document) -> Value {
    let mut value: Value = serde_json::from_str(document.body.get()).unwrap();
    value["_rid"] = "q9JAAJ".into();
    value["_self"] = "dbs/q9JAAA==/colls/q9JAAJ0=/docs/1/".into();
    value["_etag"] = format!("\"{}\"", document.etag).into();
    value["_ts"] = document.modified_at.timestamp().into();
    value["_lsn"] = 42.into();
    value
}

/// A new GUID in .NET's default form.
pub fn guid() -> String {
    let digits = format!("{:032x}", u128::from(ulid::Ulid::generate()));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[test]
fn values_are_encoded_by_their_type() {
    let encoded = |value: Value| Net::Json(value).encoded();
    assert_eq!(encoded(json!("x")), json!("\"x\""));
    assert_eq!(encoded(json!(5)), json!("5"));
    assert_eq!(encoded(json!([1])), json!("[1]"));
    assert_eq!(encoded(json!({ "a": 1 })), json!({ "a": 1 }));
    assert_eq!(Net::Bytes(b"hi".to_vec()).encoded(), json!("aGk="));
}

#[test]
fn a_message_overrides_the_metadata_of_the_host() {
    let function = FunctionFile {
        name: "Ingest".into(),
        binding: "msg".into(),
        trigger: super::script_root::TriggerFile::Queue { queue: "q".into() },
        retry: None,
    };
    let payload =
        message(&function, r#"{"Id":"mine","sys":{"MethodName":"Other"},"n":5,"list":[1],"BlobTrigger":"x"}"#);
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["Metadata"]["Id"], "\"mine\"");
    assert_eq!(payload["Metadata"]["sys"], json!({ "MethodName": "Other" }));
    assert_eq!(payload["Metadata"]["n"], "5");
    assert_eq!(payload["Metadata"]["DequeueCount"], "1");
    assert_eq!(payload["Metadata"].get("list"), None);
    assert_eq!(payload["Metadata"].get("BlobTrigger"), None);
    assert_eq!(payload["Metadata"].get("QueueTrigger"), None);
    assert!(payload["Data"]["msg"].as_str().unwrap().starts_with("\"{\\\"Id"));
}
