//! Facts for reports: a row for each voice exchange, without words and without names. Customers who agree to
//! analytics are told apart by a pseudonym.

use serde_json::Value;

use super::EVENT_QUEUE;
use crate::error::{Error, Result};
use crate::function::{Function, Outcome, QueueMessage};
use crate::ports::events::DomainEvent;
use crate::ports::reporting::{Cell, Column, ColumnType, Comparison, Projection, Row, Select, Table};
use crate::services::accounts::{self, Pseudonym, Purpose};
use crate::state::AppState;
use crate::types::{Service, UserId};

const fn column(name: &'static str, kind: ColumnType, nullable: bool) -> Column {
    Column { name, kind, nullable }
}

/// The column, in each table that has it, with the pseudonym of the customer whom a row is about.
const SUBJECT: &str = "subject";
const PAGE: usize = 500;

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
        column(SUBJECT, ColumnType::Text(43), true),
    ],
    key: &["event_id"],
    indexes: &[&["tenant_id", "occurred_at"], &[SUBJECT]],
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
    let subject = match subject(&state, &event).await? {
        About::Nobody => None,
        About::Customer(subject) => Some(subject),
        About::Erased => return Ok(Outcome::of(format!("{kind} tells of somebody who is gone"))),
    };
    state.reporting.upsert(&VOICE_FACTS, vec![row(event, subject)]).await?;
    Ok(Outcome::of(format!("fact of {kind} written")))
}

/// Whom a fact is about: told only when the customer agreed to it as it happened, which the event shows by
/// naming them, and still does.
async fn subject(state: &AppState, event: &DomainEvent) -> Result<About> {
    let named = event.data.get("userId").and_then(Value::as_str).and_then(|id| id.parse::<UserId>().ok());
    let Some(id) = named else { return Ok(About::Nobody) };
    let Some(user) = accounts::user(state, &event.tenant_id, &id).await? else { return Ok(About::Erased) };
    if !user.active || !user.consents_to(Purpose::Analytics) {
        return Ok(About::Nobody);
    }
    accounts::pseudonym(state, &event.tenant_id, &id).await.map(About::Customer)
}

/// Whom a fact is about.
enum About {
    /// Nobody who may be told.
    Nobody,
    Customer(Pseudonym),
    /// Somebody of whom nothing may be written any more.
    Erased,
}

fn tables() -> impl Iterator<Item = &'static Table> {
    TABLES.into_iter().filter(|table| table.columns.iter().any(|column| column.name == SUBJECT))
}

/// How many rows there are about a customer.
pub async fn count(state: &AppState, subject: &Pseudonym) -> Result<u64> {
    let mut rows = 0;
    for table in tables() {
        let filters = vec![Comparison::Equal(SUBJECT, Cell::Text(subject.to_string()))];
        let select = Select { table, projections: vec![Projection::Count], filters, order: Vec::new(), limit: 1 };
        if let Some([Cell::Integer(count)]) = state.reporting.select(select).await?.first().map(Vec::as_slice) {
            rows += u64::try_from(*count).unwrap_or_default();
        }
    }
    Ok(rows)
}

/// Deletes the row that an event left, whomever it is about.
pub async fn forget_event(state: &AppState, id: &str) -> Result<()> {
    state.reporting.delete(&VOICE_FACTS, vec![Comparison::Equal("event_id", Cell::Text(id.to_owned()))]).await?;
    Ok(())
}

/// Deletes the rows about a customer from every table; gives their number.
pub async fn forget(state: &AppState, subject: &Pseudonym) -> Result<u64> {
    let mut deleted = 0;
    for table in tables() {
        let about = Comparison::Equal(SUBJECT, Cell::Text(subject.to_string()));
        deleted += state.reporting.delete(table, vec![about]).await?;
    }
    Ok(deleted)
}

/// Some rows about a customer, and the key to go on after.
pub struct Rows {
    pub rows: Vec<Value>,
    pub next: Option<String>,
}

/// The next rows about a customer after a key, by column; from the beginning without one.
pub async fn about(state: &AppState, subject: &Pseudonym, after: Option<String>) -> Result<Rows> {
    let table = &VOICE_FACTS;
    let mut filters = vec![Comparison::Equal(SUBJECT, Cell::Text(subject.to_string()))];
    if let Some(key) = &after {
        filters.push(Comparison::AtLeast("event_id", Cell::Text(key.clone())));
    }
    let projections = table.columns.iter().map(|column| Projection::Column(column.name)).collect();
    let rows =
        state.reporting.select(Select { table, projections, filters, order: vec![(0, false)], limit: PAGE }).await?;
    let full = rows.len() == PAGE;
    let rows = rows.into_iter().filter(|row| after.as_ref().is_none_or(|key| row[0] != Cell::Text(key.clone())));
    let rows: Vec<Value> = rows.map(|row| shown(table, row)).collect();
    let next = rows.last().filter(|_| full).and_then(|row| row["event_id"].as_str()).map(str::to_owned);
    Ok(Rows { rows, next })
}

/// A row as JSON, by column.
fn shown(table: &Table, row: Row) -> Value {
    let cells = table.columns.iter().zip(row).map(|(column, cell)| {
        let value = match cell {
            Cell::Null => Value::Null,
            Cell::Text(text) => text.into(),
            Cell::Integer(value) => value.into(),
            Cell::Real(value) => value.into(),
            Cell::Timestamp(at) => at.to_rfc3339().into(),
        };
        (column.name.to_owned(), value)
    });
    Value::Object(cells.collect())
}

fn row(event: DomainEvent, subject: Option<Pseudonym>) -> Row {
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
        subject.map_or(Cell::Null, |subject| Cell::Text(subject.to_string())),
    ]
}
