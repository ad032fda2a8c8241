//! Exports over HTTP: ask for a copy of everything about oneself, follow it, fetch it, delete it.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::export_job::remove_files;
use super::export_model::{self, Export, ExportStatus, KEPT, Slot};
use super::jobs::{Job, Ticket};
use crate::caching::Owner;
use crate::containers::{CUSTOMERS, EXPORTS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function, Outcome, TimerTick};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::identity::Principal;
use crate::ports::blobs::BlobName;
use crate::ports::documents::{Filter, Operation, Order, Query, Scope};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::{accounts, links, outbox};
use crate::state::AppState;
use crate::types::{EventId, ExportId, Service};

/// Exports that one customer may ask for on one day (UTC).
const A_DAY: u32 = 3;
/// A file whose export is not there is not removed before this, for the export may be being made.
const ORPHAN_AGE: TimeDelta = TimeDelta::hours(1);
/// How often a change is put upon what others wrote meanwhile.
const TURNS: usize = 5;
const PAGE: usize = 200;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let route = "v1/users/me/exports";
    let one = "v1/users/me/exports/{id}";
    vec![
        Function::http("AccountsExportsCreate", Service::Accounts, Method::POST, route, create)
            .access(Access::SignedIn)
            .idempotent()
            .summary("Asks for a copy of everything about the caller; one at a time, three a day.")
            .answers::<ExportView>(StatusCode::ACCEPTED, "It is being made; follow `Operation-Location`.", example())
            .fails(&[Code::Conflict, Code::TooManyRequests])
            .into(),
        Function::http("AccountsExportsList", Service::Accounts, Method::GET, route, list)
            .access(Access::SignedIn)
            .summary("Lists the caller's exports of the last days, the newest first.")
            .query::<ListQuery>()
            .answers::<ExportList>(StatusCode::OK, "A page of exports.", json!({ "items": [example()], "next": null }))
            .into(),
        Function::http("AccountsExportsView", Service::Accounts, Method::GET, one, get)
            .access(Access::SignedIn)
            .summary("Shows an export and, once it is completed, a link to it that is good for five minutes.")
            .answers::<ExportView>(StatusCode::OK, "The export.", example())
            .into(),
        Function::http("AccountsExportsDelete", Service::Accounts, Method::DELETE, one, delete)
            .access(Access::SignedIn)
            .summary("Deletes an export, also one that is being made.")
            .answers::<ExportDeleted>(
                StatusCode::OK,
                "It is gone.",
                json!({ "success": true, "id": "exp_01KAXQ8W0V7D3T4Z5J6N8P9R2S" }),
            )
            .into(),
        Function::timer("AccountsExportsSweep", Service::Accounts, "0 40 * * * *", sweep),
    ]
}

fn example() -> Value {
    json!({ "id": "exp_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "completed", "createdAt": "2026-01-15T06:30:00Z", "finishedAt": "2026-01-15T06:30:02Z", "expiresAt": "2026-01-22T06:30:02Z", "sizeBytes": 48_211, "downloadUrl": "https://…" })
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ExportView {
    id: String,
    status: ExportStatus,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// Until when it can be fetched.
    expires_at: Option<DateTime<Utc>>,
    size_bytes: Option<u64>,
    /// A zip file, for the next minutes; made anew at each look.
    download_url: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ExportList {
    items: Vec<ExportView>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ExportDeleted {
    success: bool,
    id: String,
}

impl ExportView {
    fn of(export: Export, download_url: Option<String>) -> Self {
        Self {
            id: export.id.to_string(),
            status: export.status,
            created_at: export.created_at,
            finished_at: export.finished_at,
            expires_at: export.expires_at,
            size_bytes: export.size_bytes,
            download_url,
        }
    }
}

fn ticket(principal: &Principal, export_id: &ExportId, asked_at: DateTime<Utc>) -> Ticket {
    let job = Job::Export { export_id: export_id.clone(), asked_at };
    Ticket { tenant_id: principal.tenant.clone(), user_id: principal.user.clone(), job }
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let user = accounts::user(&state, &principal.tenant, &principal.user).await?;
    user.filter(|user| user.active).ok_or_else(accounts::closed)?;
    let export = Export::new(state.clock.now());
    for _ in 0..TURNS {
        if reserve(&state, principal, &export).await? {
            let location = format!("/api/v1/users/me/exports/{}", export.id);
            let mut response = no_store(json_with(StatusCode::ACCEPTED, &ExportView::of(export, None))?);
            let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
            response.headers_mut().insert("operation-location", location);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            return Ok(response);
        }
    }
    Err(Error::new(Code::Unavailable, "Too many exports are asked for at once; please try again."))
}

/// Writes a new export if there may be one, and starts its job; `false` when others wrote meanwhile.
async fn reserve(state: &AppState, principal: &Principal, export: &Export) -> Result<bool> {
    let partition = customer(&principal.tenant, principal.user.as_str());
    let now = export.created_at;
    let (mut slot, version) = Slot::read(state, &partition, now.date_naive()).await?;
    if let Some(current) = &slot.current {
        let running = export_model::read(state, &principal.tenant, &principal.user, current).await?;
        if running.is_some_and(|(running, _)| !running.status.is_final()) {
            return Err(Error::new(Code::Conflict, format!("The export {current} is still being made.")));
        }
    }
    if slot.count >= A_DAY {
        let detail = format!("There are {A_DAY} exports a day; ask again tomorrow.");
        return Err(Error::new(Code::TooManyRequests, detail).with_retry_after(until_tomorrow(now)));
    }
    slot.current = Some(export.id.clone());
    slot.count += 1;
    let event = outbox::put(
        EventId::generate(),
        "account.exportRequested",
        &principal.tenant,
        principal.user.as_str(),
        now,
        json!({ "exportId": export.id }),
    )?;
    // The ticket first: once the export is written, it is made whatever happens to this process.
    let ticket = ticket(principal, &export.id, now);
    ticket.put(state, Condition::None).await?;
    let operations = vec![slot.put(version)?, Operation::Create(export.document()?), event];
    match state.documents.batch(&CUSTOMERS, &partition, operations).await {
        Ok(_) => {
            // Once more: the job may have looked before the export was there to see.
            ticket.put(state, Condition::None).await?;
            Ok(true)
        }
        Err(error) if matches!(error.error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::Conflict) => {
            Ok(false)
        }
        Err(error) => Err(error.error.into()),
    }
}

fn until_tomorrow(now: DateTime<Utc>) -> Duration {
    let midnight = (now.date_naive() + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    (midnight - now).to_std().unwrap_or(Duration::from_secs(3600))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let principal = request.principal()?;
    let query = Query {
        filters: vec![Filter::Equal("kind", json!(Export::KIND))],
        order: Some(Order::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let partition = customer(&principal.tenant, principal.user.as_str());
    let page =
        state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let items = page.items.iter().map(|document| Ok(ExportView::of(document.read()?, None))).collect::<Result<_>>()?;
    Ok(no_store(json(&ExportList { items, next: cursor_of(page.next) })?))
}

/// The caller's export that a request names.
async fn find(state: &AppState, request: &Request) -> Result<(Export, ETag)> {
    let principal = request.principal()?;
    let id: ExportId = request.param("id")?;
    let found = export_model::read(state, &principal.tenant, &principal.user, &id).await?;
    found.ok_or_else(|| Error::not_found("There is no such export (any more)."))
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let (export, _) = find(&state, &request).await?;
    let principal = request.principal()?;
    let link = match export.status {
        ExportStatus::Completed => {
            let name = export.blob(&principal.tenant, &principal.user);
            let owner = Owner { tenant: &principal.tenant, user: &principal.user };
            Some(links::download(&state, owner, &name).await?)
        }
        _ => None,
    };
    let pending = !export.status.is_final();
    let mut response = no_store(json(&ExportView::of(export, link))?);
    if pending {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    Ok(response)
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    for _ in 0..TURNS {
        let (export, etag) = find(&state, &request).await?;
        let partition = customer(&principal.tenant, principal.user.as_str());
        let (mut slot, version) = Slot::read(&state, &partition, state.clock.now().date_naive()).await?;
        let mut operations = vec![Operation::Delete(export.id.to_string(), Condition::IfMatch(etag))];
        if slot.current.as_ref() == Some(&export.id) {
            slot.current = None;
            operations.push(slot.put(version)?);
        }
        match state.documents.batch(&CUSTOMERS, &partition, operations).await {
            Ok(_) => {}
            // The job went on meanwhile.
            Err(error) if error.error.kind() == PortErrorKind::PreconditionFailed => continue,
            Err(error) if error.error.kind() == PortErrorKind::NotFound => continue,
            Err(error) => return Err(error.error.into()),
        }
        // A job that is at work finds the export gone and removes its file.
        remove_files(&state, &principal.tenant, &principal.user, &export.id).await?;
        state.blobs.delete(&ticket(principal, &export.id, export.created_at).blob(), Condition::None).await?;
        return Ok(no_store(json(&ExportDeleted { success: true, id: export.id.to_string() })?));
    }
    Err(Error::new(Code::Unavailable, "The export changes too often at this moment; please try again."))
}

/// Removes the files of exports that have expired or are gone.
async fn sweep(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let now = state.clock.now();
    let mut removed = 0;
    let mut continuation = None;
    loop {
        let page = state.blobs.list(EXPORTS, "", PAGE, continuation).await?;
        for item in page.items {
            let age = now - item.properties.modified_at;
            let wanted = match export_model::of_path(&item.path) {
                _ if age < ORPHAN_AGE => true,
                Some((tenant, user, id)) if age < KEPT => {
                    let export = export_model::read(&state, &tenant, &user, &id).await?;
                    export.is_some_and(|(export, _)| {
                        !export.status.is_final() || export.blob(&tenant, &user).path == item.path
                    })
                }
                _ => false,
            };
            if !wanted {
                state.blobs.delete(&BlobName::new(EXPORTS, item.path), Condition::None).await?;
                removed += 1;
            }
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(Outcome::of(format!("{removed} files of exports removed")));
        }
    }
}
