use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::actions::{EVENTS, Row};
use super::origin::Origin;
use crate::ports::documents::PartitionKey;
use crate::ports::events::DomainEvent;
use crate::types::TenantId;

/// Of a detail that is text.
const MAX_DETAIL_CHARS: usize = 100;

/// How what was tried ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Succeeded,
    Failed,
    Refused,
}

/// One record, as stored in the partition of its tenant and day and as shown to staff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The id of the event that it tells of, or its own.
    pub id: String,
    /// When it happened; of several that are one record, the first.
    #[serde(serialize_with = "sortable")]
    pub at: DateTime<Utc>,
    pub action: String,
    pub outcome: Outcome,
    /// Who acted: a user or an API key; absent when nobody was signed in.
    pub actor: Option<String>,
    /// What it was done to, most often an account.
    pub subject: Option<String>,
    /// The prefix of the client's address: /24 of IPv4, /64 of IPv6.
    pub network: Option<String>,
    /// What the client called itself.
    pub device: Option<String>,
    /// The request, of several the first.
    pub request_id: Option<String>,
    /// How often it happened within the minute.
    pub count: u64,
    #[serde(serialize_with = "sortable")]
    pub last_at: DateTime<Utc>,
    pub details: Map<String, Value>,
}

impl Record {
    /// The record that an event asks for, `None` when it is not audited.
    pub(super) fn of_event(event: &DomainEvent, origin: Option<&Origin>) -> Option<Self> {
        let text = |field: &str| event.data.get(field).and_then(Value::as_str);
        let fits =
            |row: &&Row| row.event == event.kind && row.when.is_none_or(|(field, value)| text(field) == Some(value));
        let row = EVENTS.iter().find(fits)?;
        // What happens to a part of an account is found under the account.
        let account = text("userId").map(str::to_owned);
        let mut details: Map<String, Value> =
            row.details.iter().filter_map(|&field| Some((field.to_owned(), short(event.data.get(field)?)?))).collect();
        if account.as_ref().is_some_and(|account| *account != event.subject) {
            details.insert("of".into(), event.subject.clone().into());
        }
        let subject = account.unwrap_or_else(|| event.subject.clone());
        let own = subject.starts_with("usr_").then(|| subject.clone());
        let origin = origin.cloned().unwrap_or_default();
        Some(Self {
            id: event.id.to_string(),
            at: event.occurred_at,
            action: row.action.to_owned(),
            outcome: row.outcome,
            actor: text("actor").map(str::to_owned).or(own),
            subject: Some(subject),
            network: origin.network,
            device: origin.device,
            request_id: origin.request_id,
            count: 1,
            last_at: event.occurred_at,
            details,
        })
    }

    pub(super) fn partition(&self, tenant: &TenantId) -> PartitionKey {
        partition(tenant, self.at.date_naive())
    }
}

/// The partition of a tenant's day (UTC).
pub(super) fn partition(tenant: &TenantId, day: NaiveDate) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), &day.to_string()])
}

/// A time as text that sorts as the time does.
pub(super) fn sortable_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn sortable<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&sortable_text(*at))
}

/// A value that may be a detail, cut.
fn short(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(text.chars().take(MAX_DETAIL_CHARS).collect::<String>().into()),
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::EventId;

    fn event(kind: &str, data: Value) -> DomainEvent {
        DomainEvent {
            id: EventId::generate(),
            kind: kind.into(),
            tenant_id: TenantId::pravis(),
            subject: "usr_1".into(),
            occurred_at: Utc::now(),
            data,
        }
    }

    #[test]
    fn of_an_events_data_only_the_named_fields_are_taken() {
        let data =
            json!({ "purpose": "training", "granted": true, "version": "x".repeat(500), "email": "a@b.example" });
        let record = Record::of_event(&event("account.consentChanged", data), None).unwrap();
        assert_eq!(record.details.keys().collect::<Vec<_>>(), ["granted", "purpose", "version"]);
        assert_eq!(record.details["version"].as_str().unwrap().len(), 100);
        assert_eq!((record.actor.as_deref(), record.subject.as_deref()), (Some("usr_1"), Some("usr_1")));
        assert_eq!(Record::of_event(&event("voice.sample.completed", json!({})), None), None);
    }

    #[test]
    fn who_acts_on_another_is_named() {
        let data = json!({ "actor": "usr_2", "from": "customer", "to": "staff" });
        let record = Record::of_event(&event("account.roleChanged", data), None).unwrap();
        assert_eq!((record.actor.as_deref(), record.subject.as_deref()), (Some("usr_2"), Some("usr_1")));
    }

    #[test]
    fn the_reason_of_an_end_tells_a_stolen_token_from_signing_out() {
        let action = |reason: &str| {
            let mut ended = event("account.sessionEnded", json!({ "userId": "usr_1", "reason": reason }));
            ended.subject = "ses_1".into();
            let record = Record::of_event(&ended, None).unwrap();
            assert_eq!((record.subject.as_deref(), &record.details["of"]), (Some("usr_1"), &json!("ses_1")));
            record.action
        };
        assert_eq!(action("tokenReused"), "session.refreshReused");
        assert_eq!(action("signedOut"), "session.ended");
    }

    #[test]
    fn times_sort_as_texts() {
        let second = "2026-01-15T06:30:00Z".parse::<DateTime<Utc>>().unwrap();
        let later = second + chrono::Duration::milliseconds(500);
        assert!(sortable_text(second) < sortable_text(later));
    }
}
