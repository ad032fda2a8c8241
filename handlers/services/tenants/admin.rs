//! Tenants as administrators see them. Those of the operator's own tenant see and change all; a partner's see
//! their own.

use chrono::SecondsFormat;
use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::hosts;
use super::store::{Event, Tenancy};
use crate::containers::TENANTS;
use crate::error::{Code, Error, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::identity::Permission;
use crate::ports::documents::{Filter, Query, Scope};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::state::AppState;
use crate::tenants::{MOST_TENANTS, Tenant, TenantStatus};
use crate::types::{Placement, Service, TenantId, TierId};

const MAX_NAME_CHARS: usize = 100;
const MAX_HOSTS: usize = 20;
/// How often a patch is put upon what others wrote meanwhile.
const TURNS: usize = 5;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let access = Access::May(Permission::ManageTenants);
    vec![
        Function::http("AccountsTenantsCreate", Service::Accounts, Method::POST, "v1/admin/tenants", create)
            .access(access)
            .idempotent()
            .summary("Opens a boutique, in the shared database; for administrators of the operator.")
            .takes::<NewTenant>(
                "application/json",
                json!({ "id": "gadwal", "name": "Weavers of Gadwal", "tier": "enterprise", "hosts": ["gadwal.example"] }),
            )
            .answers::<TenantView>(StatusCode::CREATED, "The boutique is open.", example())
            .fails(&[Code::Conflict])
            .into(),
        Function::http("AccountsTenantsList", Service::Accounts, Method::GET, "v1/admin/tenants", list)
            .access(access)
            .summary("Lists the boutiques that the caller may see.")
            .query::<ListQuery>()
            .answers::<TenantList>(StatusCode::OK, "A page of them, by id.", json!({ "items": [example()], "next": null }))
            .into(),
        Function::http("AccountsTenantsView", Service::Accounts, Method::GET, "v1/admin/tenants/{id}", view)
            .access(access)
            .summary("Shows a boutique.")
            .answers::<TenantView>(StatusCode::OK, "The boutique.", example())
            .fails(&[Code::NotFound])
            .into(),
        Function::http("AccountsTenantsPatch", Service::Accounts, Method::PATCH, "v1/admin/tenants/{id}", patch)
            .access(access)
            .summary("Changes a boutique; for administrators of the operator. Its database is changed by `handler tenants move`.")
            .takes::<TenantPatch>("application/merge-patch+json", json!({ "status": "suspended" }))
            .takes::<TenantPatch>("application/json", json!({ "name": "Gadwal Weavers" }))
            .answers::<TenantView>(StatusCode::OK, "The boutique.", example())
            .fails(&[Code::NotFound, Code::PreconditionFailed, Code::Conflict])
            .into(),
    ]
}

fn example() -> Value {
    json!({ "id": "gadwal", "name": "Weavers of Gadwal", "status": "active", "placement": { "type": "dedicated", "database": "weaves" }, "movingTo": null, "tier": "enterprise", "hosts": ["gadwal.example"], "version": 4, "createdAt": "2026-01-15T06:30:00Z", "changedAt": "2026-02-01T04:00:00Z" })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewTenant {
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,32}$")]
    id: TenantId,
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The plan of its new customers; `free` where nothing is said.
    #[schema(value_type = Option<String>)]
    tier: Option<TierId>,
    /// Hosts of its storefront.
    #[serde(default)]
    #[schema(max_items = 20)]
    hosts: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TenantPatch {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    tier: Option<TierId>,
    #[schema(max_items = 20)]
    hosts: Option<Vec<String>>,
    status: Option<WantedStatus>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum WantedStatus {
    Active,
    Suspended,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TenantView {
    id: String,
    name: String,
    status: TenantStatus,
    placement: Placement,
    /// Where its documents are being moved.
    moving_to: Option<Placement>,
    tier: String,
    hosts: Vec<String>,
    version: u64,
    created_at: String,
    changed_at: String,
}

#[derive(Serialize, ToSchema)]
struct TenantList {
    items: Vec<TenantView>,
    next: Option<String>,
}

impl TenantView {
    fn of(tenant: &Tenant) -> Self {
        let text = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            status: tenant.status(),
            placement: tenant.placement.clone(),
            moving_to: tenant.movement.as_ref().map(|movement| movement.to.clone()),
            tier: tenant.tier.to_string(),
            hosts: tenant.hosts.clone(),
            version: tenant.version,
            created_at: text(tenant.created_at),
            changed_at: text(tenant.changed_at),
        }
    }
}

fn tenancy(state: &AppState) -> Tenancy {
    Tenancy::new(state.documents.clone(), state.invalidations.clone())
}

/// Whether the caller administers the whole deployment, not one boutique.
fn is_of_the_operator(state: &AppState, request: &Request) -> Result<bool> {
    Ok(request.principal()?.tenant == *state.default_tenant())
}

fn for_the_operator_only(state: &AppState, request: &Request) -> Result<()> {
    match is_of_the_operator(state, request)? {
        true => Ok(()),
        false => Err(Error::new(Code::NotPermitted, "Only administrators of the operator may do this.")),
    }
}

fn no_such_tenant() -> Error {
    Error::not_found("There is no boutique with this id.")
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    for_the_operator_only(&state, &request)?;
    let asked: NewTenant = request.json()?;
    check(Some(&asked.name), Some(&asked.hosts))?;
    if state.tenants.count().await >= MOST_TENANTS {
        return Err(Error::new(Code::Conflict, "There are as many boutiques as this deployment can serve."));
    }
    let now = state.clock.now();
    let tenant = Tenant {
        kind: Tenant::KIND.into(),
        id: asked.id,
        name: asked.name.trim().to_owned(),
        tier: asked.tier.unwrap_or(TierId::FREE),
        hosts: hosts::normal(asked.hosts),
        suspended: false,
        placement: Placement::Shared,
        movement: None,
        left_behind: None,
        version: 1,
        created_at: now,
        changed_at: now,
    };
    let taken = || Error::new(Code::Conflict, "There is a boutique with this id.");
    if tenancy(&state).find(&tenant.id).await?.is_some() {
        return Err(taken());
    }
    hosts::claim(&state, &tenant.id, &tenant.hosts).await?;
    let event = Event { kind: "tenant.created", data: json!({ "tier": tenant.tier }) };
    let etag = match tenancy(&state).create(&tenant, event).await {
        Ok(etag) => etag,
        Err(error) if error.kind() == PortErrorKind::Conflict => return Err(taken()),
        Err(error) => return Err(error.into()),
    };
    state.tenants.forget();
    let mut response = json_with(StatusCode::CREATED, &TenantView::of(&tenant))?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/admin/tenants/{}", tenant.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(no_store(with_etag(response, &etag)))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: ListQuery = request.query()?;
    let (limit, continuation) = (asked.limit(20)?, asked.continuation()?);
    if !is_of_the_operator(&state, &request)? {
        let own = tenancy(&state).find(&request.principal()?.tenant).await?;
        let items = own.iter().map(|(tenant, _)| TenantView::of(tenant)).collect();
        return Ok(no_store(json(&TenantList { items, next: None })?));
    }
    let filters = vec![Filter::Equal("kind", Tenant::KIND.into())];
    let query = Query { filters, limit, continuation, ..Query::default() };
    let page = state.documents.query(&TENANTS, Scope::Container, query).await.map_err(ListQuery::explain)?;
    let views = page.items.iter().map(|document| Ok(TenantView::of(&document.read()?)));
    let items = views.collect::<Result<_>>()?;
    Ok(no_store(json(&TenantList { items, next: cursor_of(page.next) })?))
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let id: TenantId = request.param("id")?;
    // Whether another boutique exists is nobody's business.
    if !is_of_the_operator(&state, &request)? && request.principal()?.tenant != id {
        return Err(no_such_tenant());
    }
    let (tenant, etag) = tenancy(&state).find(&id).await?.ok_or_else(no_such_tenant)?;
    answer(&tenant, &etag)
}

async fn patch(state: AppState, request: Request) -> Result<Response> {
    for_the_operator_only(&state, &request)?;
    let id: TenantId = request.param("id")?;
    let asked: TenantPatch = request.json()?;
    check(asked.name.as_deref(), asked.hosts.as_deref())?;
    if matches!(asked.status, Some(WantedStatus::Suspended)) && id == *state.default_tenant() {
        return Err(Error::field("status", "the operator's own boutique cannot be suspended"));
    }
    let demanded = if_match(&request)?;
    for _ in 0..TURNS {
        let (before, etag) = tenancy(&state).find(&id).await?.ok_or_else(no_such_tenant)?;
        if let Condition::IfMatch(version) = &demanded
            && *version != etag
        {
            let problem = "It was changed meanwhile; read it again and repeat.";
            return Err(Error::new(Code::PreconditionFailed, problem));
        }
        let after = patched(before.clone(), &asked);
        if after == before {
            return answer(&before, &etag);
        }
        let after = after.changed(state.clock.now());
        hosts::claim(&state, &id, &after.hosts).await?;
        let data = json!({ "status": after.status(), "tier": after.tier, "version": after.version });
        match tenancy(&state).replace(&after, etag, Some(Event { kind: "tenant.changed", data })).await {
            Ok(etag) => {
                state.tenants.forget();
                hosts::release(&state, &id, before.hosts.iter().filter(|host| !after.hosts.contains(host))).await;
                return answer(&after, &etag);
            }
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::new(Code::Unavailable, "It changes too often at this moment; please try again."))
}

fn patched(mut tenant: Tenant, asked: &TenantPatch) -> Tenant {
    if let Some(name) = &asked.name {
        tenant.name = name.trim().to_owned();
    }
    if let Some(tier) = &asked.tier {
        tenant.tier = tier.clone();
    }
    if let Some(hosts) = &asked.hosts {
        tenant.hosts = hosts::normal(hosts.clone());
    }
    if let Some(status) = asked.status {
        tenant.suspended = matches!(status, WantedStatus::Suspended);
    }
    tenant
}

fn answer(tenant: &Tenant, etag: &ETag) -> Result<Response> {
    Ok(no_store(with_etag(json(&TenantView::of(tenant))?, etag)))
}

fn check(name: Option<&str>, hosts: Option<&[String]>) -> Result<()> {
    let mut problems = Vec::new();
    let mut refuse = |field: String, message: String| problems.push(FieldError { field, message });
    if let Some(name) = name.map(str::trim) {
        let chars = name.chars().count();
        if !(1..=MAX_NAME_CHARS).contains(&chars) || name.chars().any(char::is_control) {
            refuse("name".into(), format!("expected 1 to {MAX_NAME_CHARS} characters, none of control"));
        }
    }
    let hosts = hosts.unwrap_or_default();
    if hosts.len() > MAX_HOSTS {
        refuse("hosts".into(), format!("expected at most {MAX_HOSTS} hosts"));
    }
    for (n, host) in hosts.iter().enumerate().take(MAX_HOSTS) {
        if !hosts::is_host(host) {
            refuse(format!("hosts[{n}]"), "expected the name of a host, as in shop.example, without port".into());
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::fields(problems)) }
}
