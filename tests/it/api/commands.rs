//! Ask Pravi in text: what is found, what is meant, what is kept, who helps.

mod conversed;
mod helped;
mod kept;
mod meant;
mod remembered;
mod truth;

use serde_json::{Value, json};

use crate::support::client::Client;

/// What Ask Pravi answers to a sentence.
async fn say(api: &Client, text: &str) -> Value {
    api.post("/api/v1/voice/command").json(&json!({ "text": text })).await.expect(200).json()
}
