//! The audit log: filled from the outbox, read by staff. Nothing changes or deletes a record.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::audit::{MAX_RANGE, Place, Record, Search, actions};
use crate::containers::{CATALOGUE, CUSTOMERS, TENANTS};
use crate::error::{Error, Result};
use crate::function::{Access, DocumentsChanged, Function, Outcome};
use crate::http::{Request, Response, json, no_store};
use crate::identity::Permission;
use crate::ports::PortErrorKind;
use crate::services::dedicated;
use crate::services::outbox::{self, OutboxDocument};
use crate::state::AppState;
use crate::types::Service;

/// What a search spans where nothing is said.
const USUAL_RANGE: Duration = Duration::days(7);
const MAX_ID_CHARS: usize = 100;
/// Records that are written at once.
const WRITES: usize = 8;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("OpsAuditList", Service::Ops, Method::GET, "v1/admin/audit", list)
            .access(Access::May(Permission::ReadAudit))
            .summary("Lists what happened to accounts and access, the newest first; at most 31 days in one search.")
            .query::<AuditQuery>()
            .answers::<AuditList>(StatusCode::OK, "A page of the log.", json!({ "items": [{ "id": "evt_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "at": "2026-01-15T06:30:00.000000Z", "action": "password.changed", "outcome": "succeeded", "actor": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "subject": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "network": "203.0.113.0/24", "device": "Firefox", "requestId": "req_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "count": 1, "lastAt": "2026-01-15T06:30:00.000000Z", "details": {} }], "next": null }))
            .into(),
        Function::change_feed("OpsAuditRecord", Service::Ops, &CUSTOMERS, record),
        Function::change_feed("OpsAuditRecordTenants", Service::Ops, &TENANTS, record),
        Function::change_feed("OpsAuditRecordCatalogue", Service::Ops, &CATALOGUE, record),
        dedicated::pulled("OpsAuditPull", Service::Ops, &CUSTOMERS, record),
        dedicated::pulled("OpsAuditPullCatalogue", Service::Ops, &CATALOGUE, record),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// The first moment, RFC 3339; seven days before `to` where nothing is said.
    from: Option<DateTime<Utc>>,
    /// The moment after the last; now where nothing is said.
    to: Option<DateTime<Utc>>,
    /// One kind of action, such as `login.failed`.
    action: Option<String>,
    /// Who acted: the id of a user or of an API key.
    actor: Option<String>,
    /// What it was done to, most often the id of a user.
    subject: Option<String>,
    /// Records a page, 1 to 100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AuditList {
    items: Vec<Record>,
    next: Option<String>,
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: AuditQuery = request.query()?;
    let limit = match asked.limit {
        None => 50,
        Some(limit @ 1..=100) => limit,
        Some(_) => return Err(Error::field("limit", "expected 1 to 100")),
    };
    let place = match &asked.cursor {
        Some(cursor) => continued(cursor, &asked)?,
        None => Place::first(search(&asked, state.clock.now())?),
    };
    let tenant = &request.principal()?.tenant;
    let (items, next) = state.audit.page(tenant, place, limit).await.map_err(|error| match error.kind() {
        PortErrorKind::InvalidRequest => wrong_cursor(),
        _ => error.into(),
    })?;
    let next = next.map(|place| serde_json::to_vec(&place)).transpose().map_err(Error::internal)?;
    Ok(no_store(json(&AuditList { items, next: next.map(|place| URL_SAFE_NO_PAD.encode(place)) })?))
}

/// The search that a query without a cursor begins.
fn search(asked: &AuditQuery, now: DateTime<Utc>) -> Result<Search> {
    // What happens in this moment is part of what has happened.
    let to = asked.to.unwrap_or(now + Duration::seconds(1));
    let from = match asked.from {
        Some(from) => from,
        None => to.checked_sub_signed(USUAL_RANGE).ok_or_else(|| Error::field("to", "expected a later time"))?,
    };
    if from >= to {
        return Err(Error::field("from", "expected a time before `to`"));
    }
    if to - from > MAX_RANGE {
        return Err(Error::field("from", format!("expected at most {} days before `to`", MAX_RANGE.num_days())));
    }
    if let Some(action) = &asked.action
        && !actions::all().any(|known| known == action)
    {
        let known = actions::all().collect::<Vec<_>>().join(", ");
        return Err(Error::field("action", format!("expected one of {known}")));
    }
    for (field, id) in [("actor", &asked.actor), ("subject", &asked.subject)] {
        if id.as_ref().is_some_and(|id| !(1..=MAX_ID_CHARS).contains(&id.chars().count())) {
            return Err(Error::field(field, format!("expected an id of 1 to {MAX_ID_CHARS} characters")));
        }
    }
    let AuditQuery { action, actor, subject, .. } = asked;
    Ok(Search { from, to, action: action.clone(), actor: actor.clone(), subject: subject.clone() })
}

/// Where a cursor goes on; what else the query says must be what its first page was asked for.
fn continued(cursor: &str, asked: &AuditQuery) -> Result<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong_cursor())?;
    let place: Place = serde_json::from_slice(&bytes).map_err(|_| wrong_cursor())?;
    let search = &place.search;
    let differs = asked.from.is_some_and(|from| from != search.from)
        || asked.to.is_some_and(|to| to != search.to)
        || [(&asked.action, &search.action), (&asked.actor, &search.actor), (&asked.subject, &search.subject)]
            .into_iter()
            .any(|(asked, first)| asked.is_some() && asked != first);
    if differs { Err(wrong_cursor()) } else { Ok(place) }
}

fn wrong_cursor() -> Error {
    Error::field("cursor", "expected the `next` of a page of this same search")
}

/// Records what the events of the outbox tell of. Told twice, it records once.
async fn record(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let events = changed.documents.into_iter().filter_map(outbox::read);
    let records = stream::iter(events)
        .map(|OutboxDocument { event, origin, .. }| {
            let audit = state.audit.clone();
            async move { audit.record(&event, origin.as_ref()).await }
        })
        .buffer_unordered(WRITES);
    let recorded = records.try_fold(0_usize, |count, is_audited| async move { Ok(count + usize::from(is_audited)) });
    Ok(Outcome::of(format!("{} events recorded", recorded.await?)))
}
