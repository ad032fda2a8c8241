//! Closing an account for good over HTTP: ask for it, think better of it within some days, and what the
//! staff can see of it.

use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::erasure_record::{Counts, ErasureRecord, ErasureStatus};
use super::jobs::{Job, Ticket};
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, ERASURES, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function, Outcome, TimerTick};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::identity::{EndReason, Permission, Principal, Role, Session};
use crate::ports::Condition;
use crate::ports::documents::{Filter, Order, PartitionKey, Query, Scope};
use crate::services::accounts::{self, ErasureNotice, Told, User};
use crate::state::AppState;
use crate::types::{ErasureId, Service, TenantId, UserId};

/// A sign-in that is no older proves as much as the password.
const FRESH: TimeDelta = TimeDelta::minutes(5);
const PAGE: usize = 200;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let asked = || json!({ "success": true, "erasureId": "ers_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "requestedAt": "2026-01-15T06:30:00Z", "dueAt": "2026-01-22T06:30:00Z", "message": "The account is closed and will be erased on 22 January 2026. Until then `auth/restore` opens it again." });
    let record = || json!({ "id": "ers_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "completed", "subject": "p0m…", "requestedAt": "2026-01-15T06:30:00Z", "startedAt": "2026-01-22T06:30:00Z", "erasedAt": "2026-01-22T06:30:01Z", "completedAt": "2026-01-22T06:51:00Z", "found": { "documents.user": 1, "blobs.voice-uploads": 3 }, "late": {} });
    vec![
        Function::http("AccountsErasureRequest", Service::Accounts, Method::DELETE, "v1/users/me", request_erasure)
            .access(Access::SignedIn)
            .summary("Closes the account and has it erased after some days; takes the password or a recent sign-in.")
            .takes::<ErasureRequest>("application/json", json!({ "password": "kanjivaram-9" }))
            .answers::<ErasureAsked>(StatusCode::ACCEPTED, "The account is closed and will be erased.", asked())
            .fails(&[Code::Conflict, Code::InvalidCredentials, Code::TooManyRequests])
            .into(),
        Function::http("AccountsErasuresList", Service::Accounts, Method::GET, "v1/admin/erasures", list)
            .access(Access::May(Permission::ReadAudit))
            .summary("Lists the erasures of the boutique, the latest first; none names anybody.")
            .query::<ListQuery>()
            .answers::<ErasureList>(StatusCode::OK, "A page of records.", json!({ "items": [record()], "next": null }))
            .into(),
        Function::timer("AccountsErasuresStart", Service::Accounts, "50 */5 * * * *", start),
    ]
}

#[derive(Default, Deserialize, ToSchema)]
struct ErasureRequest {
    /// Not needed right after signing in.
    #[schema(format = "password")]
    password: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErasureAsked {
    success: bool,
    erasure_id: String,
    requested_at: DateTime<Utc>,
    /// Until when the account can be restored.
    due_at: DateTime<Utc>,
    message: String,
}

#[derive(Serialize, ToSchema)]
struct ErasureList {
    items: Vec<ErasureView>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErasureView {
    id: String,
    status: ErasureStatus,
    /// Which customer it was, for whoever has the secret that makes these names.
    subject: String,
    requested_at: Option<DateTime<Utc>>,
    started_at: DateTime<Utc>,
    erased_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    /// How many things there were, by place.
    #[schema(value_type = Object)]
    found: Counts,
    /// How many had come while it was done.
    #[schema(value_type = Object)]
    late: Counts,
}

fn ticket(tenant: &TenantId, user: &UserId, id: &ErasureId) -> Ticket {
    let job = Job::Erasure { erasure_id: id.clone() };
    Ticket { tenant_id: tenant.clone(), user_id: user.clone(), job }
}

async fn request_erasure(state: AppState, request: Request) -> Result<Response> {
    let asked: ErasureRequest = if request.body.is_empty() { Default::default() } else { request.json()? };
    let principal = request.principal()?;
    let user = accounts::user(&state, &principal.tenant, &principal.user).await?;
    user.filter(|user| user.active).ok_or_else(accounts::closed)?;
    prove(&state, &request, principal, asked.password).await?;
    let now = state.clock.now();
    let notice = ErasureNotice {
        id: ErasureId::generate(),
        requested_at: now,
        due_at: now + state.settings.erasure_delay,
        begun: false,
    };
    let event = json!({ "erasureId": notice.id, "dueAt": notice.due_at });
    let origin = Origin::of(&request);
    let told = Told { kind: "account.erasureRequested", data: event, origin: Some(&origin) };
    let close = |user: &mut User| {
        if user.role != Role::Customer {
            return Err(Error::new(Code::Conflict, "Ask an administrator first to take your role from you."));
        }
        user.active = false;
        // Asked for twice at once, the first holds.
        user.erasure.get_or_insert_with(|| notice.clone());
        Ok(())
    };
    let user = accounts::change_user_checked(&state, &principal.tenant, &principal.user, &told, close).await?;
    let notice = user.erasure.unwrap_or(notice);
    accounts::end_all(&state, &principal.tenant, &principal.user, EndReason::AccountClosed, Some(&origin)).await?;
    accounts::forget_consents(&state, &principal.tenant, &principal.user).await;
    accounts::forget_account(&state, &principal.tenant, &principal.user).await;
    if notice.due_at <= state.clock.now() {
        ticket(&principal.tenant, &principal.user, &notice.id).put(&state, Condition::None).await?;
    }
    let day = notice.due_at.format("%-d %B %Y");
    let body = ErasureAsked {
        success: true,
        erasure_id: notice.id.to_string(),
        requested_at: notice.requested_at,
        due_at: notice.due_at,
        message: format!(
            "The account is closed and will be erased on {day}. Until then `auth/restore` opens it again."
        ),
    };
    Ok(no_store(json_with(StatusCode::ACCEPTED, &body)?))
}

/// Makes sure that it is the customer: a token that was stolen must not suffice.
async fn prove(state: &AppState, request: &Request, principal: &Principal, password: Option<String>) -> Result<()> {
    if let Some(password) = password {
        return accounts::verify_present(state, request, &password).await.map(drop);
    }
    let partition = customer(&principal.tenant, principal.user.as_str());
    let found = state.documents.read(&CUSTOMERS, &partition, principal.session()?.as_str()).await?;
    let session: Option<Session> = found.map(|document| document.read()).transpose()?;
    match session {
        Some(session) if state.clock.now() - session.created_at <= FRESH => Ok(()),
        _ => Err(Error::new(Code::InvalidCredentials, "Give your password, or sign in anew first.")),
    }
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let query = Query {
        order: Some(Order::Descending("startedAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
        ..Query::default()
    };
    let partition = PartitionKey::of([request.caller.tenant().as_str()]);
    let page =
        state.documents.query(&ERASURES, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let items = page.items.iter().map(|document| Ok(view(document.read()?))).collect::<Result<_>>()?;
    Ok(no_store(json(&ErasureList { items, next: cursor_of(page.next) })?))
}

fn view(record: ErasureRecord) -> ErasureView {
    ErasureView {
        id: record.id.to_string(),
        status: record.status,
        subject: record.subject.to_string(),
        requested_at: record.requested_at,
        started_at: record.started_at,
        erased_at: record.erased_at,
        completed_at: record.completed_at,
        found: record.found,
        late: record.late,
    }
}

/// Writes a ticket for every account whose time is over.
async fn start(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let filters =
        vec![Filter::Equal("kind", json!(User::KIND)), Filter::LessOrEqual("erasure.dueAt", json!(state.clock.now()))];
    let mut started = 0;
    let mut continuation = None;
    loop {
        let query = Query { filters: filters.clone(), limit: PAGE, continuation, ..Query::default() };
        let page = state.documents.query(&CUSTOMERS, Scope::Container, query).await?;
        for document in page.items {
            let user: User = document.read()?;
            let (Some(tenant), Some(notice)) = (document.partition.0.first(), user.erasure) else { continue };
            let tenant: TenantId = tenant.parse().map_err(Error::internal)?;
            let ticket = ticket(&tenant, &user.id, &notice.id);
            // One that is there is fired again by its own timer.
            started += usize::from(ticket.put(&state, Condition::IfAbsent).await?);
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(Outcome::of(format!("{started} erasures started")));
        }
    }
}
