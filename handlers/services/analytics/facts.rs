//! Facts for reports: a row for each voice exchange, without words and without names.

use serde_json::Value;

use super::EVENT_QUEUE;
use crate::error::{Error, Result};
use crate::function::{Function, Outcome, QueueMessage};
use crate::ports::events::DomainEvent;
use crate::ports::reporting::{Cell, Column, ColumnType, Row, Table};
use crate::state::AppState;
use crate::types::Service;

const fn column(name: &'static str, kind: ColumnType, nullable: bool) -> Column {
    Column { name, kind, nullable }
}

/// Every ended exchange or recording. The event's id is the key, so that redelivery changes nothing.
static VOICE_FACTS: Table = Table {
    name: "voice_facts",
    columns: &[
        column("event_id", ColumnType::Text(40), false),
        column("tenant_id", ColumnType::Text(32), false),
        column("occurred_at", ColumnType::Timestamp, false),
        column("outcome", ColumnType::Text(60), false),
        column("reason", ColumnType::Text(40), true),
        column("channel", ColumnType::Text(20), true),
        column("intent", ColumnType::Text(40), true),
        column("language", ColumnType::Text(10), true),
        column("engine", ColumnType::Text(60), true),
        column("confidence", ColumnType::Real, true),
        column("found", ColumnType::Integer, true),
        column("audio_ms", ColumnType::Integer, true),
    ],
    key: &["event_id"],
    indexes: &[&["tenant_id", "occurred_at"]],
};

/// Every table of the reporting database.
pub static TABLES: [&Table; 1] = [&VOICE_FACTS];

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![Function::queue("AnalyticsEventsProject", Service::Analytics, EVENT_QUEUE, project)]
}

/// Writes the fact that an event tells of.
async fn project(state: AppState, message: QueueMessage) -> Result<Outcome> {
    let event: DomainEvent = serde_json::from_str(&message.text).map_err(Error::internal)?;
    if !event.kind.starts_with("voice.") {
        return Ok(Outcome::of(format!("{} tells of no fact", event.kind)));
    }
    let kind = event.kind.clone();
    state.reporting.upsert(&VOICE_FACTS, vec![row(event)]).await?;
    Ok(Outcome::of(format!("fact of {kind} written")))
}

fn row(event: DomainEvent) -> Row {
    let text = |field: &str| match event.data.get(field).and_then(Value::as_str) {
        Some(text) => Cell::Text(text.to_owned()),
        None => Cell::Null,
    };
    let integer = |field: &str| event.data.get(field).and_then(Value::as_i64).map_or(Cell::Null, Cell::Integer);
    vec![
        Cell::Text(event.id.to_string()),
        Cell::Text(event.tenant_id.to_string()),
        Cell::Timestamp(event.occurred_at),
        Cell::Text(event.kind.clone()),
        text("reason"),
        text("channel"),
        text("intent"),
        text("language"),
        text("engine"),
        event.data.get("confidence").and_then(Value::as_f64).map_or(Cell::Null, Cell::Real),
        integer("total"),
        integer("audioMs"),
    ]
}
