//! Accounts of the caller's boutique: found by email, id or role; given roles and tiers; closed and
//! opened.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::super::auth::{UserView, user_example};
use super::super::model::{Email, User};
use super::super::store::{self, user_document};
use super::super::team::By;
use super::super::{remembered, sessions, team};
use crate::audit::Origin;
use crate::caching::News;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{EndReason, Permission, Principal, Role};
use crate::ports::documents::{Document, NewDocument, Operation};
use crate::ports::{Condition, PortErrorKind};
use crate::services::news;
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, Service, TierId, UserId};

/// How often a change is put upon what others wrote meanwhile.
const TURNS: usize = 5;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("AccountsAdminUsersFind", Service::Accounts, Method::GET, "v1/admin/users", find)
            .access(Access::May(Permission::ManageUsers))
            .summary("Finds an account by email, or lists those that have a role, by id.")
            .query::<UsersQuery>()
            .answers::<UserList>(StatusCode::OK, "The accounts.", json!({ "items": [user_example()], "next": null }))
            .into(),
        Function::http("AccountsAdminUsersGet", Service::Accounts, Method::GET, "v1/admin/users/{id}", show)
            .access(Access::May(Permission::ManageUsers))
            .summary("Shows an account.")
            .answers::<UserView>(StatusCode::OK, "The account.", user_example())
            .into(),
        Function::http("AccountsAdminUsersActive", Service::Accounts, Method::PUT, "v1/admin/users/{id}/active", set_active)
            .access(Access::May(Permission::ManageUsers))
            .summary("Closes an account, which ends its sessions, or opens it again. Who is no administrator closes those of customers only.")
            .takes::<ActiveRequest>("application/json", json!({ "active": false }))
            .answers::<UserView>(StatusCode::OK, "The account as it is now.", user_example())
            .fails(&[Code::Conflict, Code::PreconditionFailed])
            .into(),
        Function::http("AccountsAdminUsersRole", Service::Accounts, Method::PUT, "v1/admin/users/{id}/role", set_role)
            .access(Access::May(Permission::ManageRoles))
            .summary("Gives an account a role. Its sessions go on; access tokens of before are refused at once.")
            .takes::<RoleRequest>("application/json", json!({ "role": "staff" }))
            .answers::<UserView>(StatusCode::OK, "The account as it is now.", user_example())
            .fails(&[Code::Conflict, Code::PreconditionFailed])
            .into(),
        Function::http("AccountsAdminUsersTier", Service::Accounts, Method::PUT, "v1/admin/users/{id}/tier", set_tier)
            .access(Access::May(Permission::ManageTiers))
            .summary("Puts an account on a tier. Its sessions go on; access tokens of before are refused at once.")
            .takes::<TierRequest>("application/json", json!({ "tier": "premium" }))
            .answers::<UserView>(StatusCode::OK, "The account as it is now.", user_example())
            .fails(&[Code::PreconditionFailed])
            .into(),
    ]
}

/// One of `email` and `role` is needed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UsersQuery {
    /// The address of one account.
    email: Option<String>,
    /// `staff` or `admin`.
    role: Option<String>,
    /// Accounts a page, 1 to 100; 20 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct UserList {
    items: Vec<UserView>,
    next: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct ActiveRequest {
    active: bool,
}

#[derive(Deserialize, ToSchema)]
struct RoleRequest {
    /// `customer`, `staff` or `admin`; programs have API keys.
    role: Role,
}

#[derive(Deserialize, ToSchema)]
struct TierRequest {
    #[schema(value_type = String)]
    tier: TierId,
}

async fn find(state: AppState, request: Request) -> Result<Response> {
    let query: UsersQuery = request.query()?;
    let list = match (&query.email, &query.role) {
        (Some(email), None) => {
            let user = store::user_by_email(&state, request.caller.tenant(), &Email::parse(email)?).await?;
            UserList { items: user.iter().map(UserView::of).collect(), next: None }
        }
        (None, Some(role)) => by_role(&state, &request, role, &query).await?,
        _ => return Err(Error::field("email", "expected either `email` or `role`")),
    };
    Ok(no_store(json(&list)?))
}

async fn by_role(state: &AppState, request: &Request, role: &str, query: &UsersQuery) -> Result<UserList> {
    let role = match role {
        "staff" => Role::Staff,
        "admin" => Role::Admin,
        _ => return Err(Error::field("role", "expected `staff` or `admin`; customers are found by email or id")),
    };
    let limit = match query.limit {
        None => 20,
        Some(limit @ 1..=100) => limit,
        Some(_) => return Err(Error::field("limit", "expected 1 to 100")),
    };
    let after: Option<UserId> = match &query.cursor {
        None => None,
        Some(cursor) => {
            let wrong = || Error::field("cursor", "expected the `next` of a page of this same list");
            Some(cursor.parse().map_err(|_| wrong())?)
        }
    };
    let tenant = request.caller.tenant();
    let members = team::members(state, tenant).await?;
    let mut ids = members
        .into_iter()
        .filter(|(id, member)| member.role == role && after.as_ref().is_none_or(|after| id > after))
        .map(|(id, _)| id);
    let page: Vec<UserId> = ids.by_ref().take(limit).collect();
    let next = ids.next().and(page.last()).map(ToString::to_string);
    let mut items = Vec::with_capacity(page.len());
    for id in &page {
        items.extend(store::user(state, tenant, id).await?.as_ref().map(UserView::of));
    }
    Ok(UserList { items, next })
}

async fn show(state: AppState, request: Request) -> Result<Response> {
    let (user, document) = target(&state, &request).await?;
    Ok(with_etag(no_store(json(&UserView::of(&user))?), &document.etag))
}

/// The account that the address names, in the caller's boutique.
async fn target(state: &AppState, request: &Request) -> Result<(User, Document)> {
    let id: UserId = request.param("id")?;
    let found = user_document(state, request.caller.tenant(), &id).await?;
    found.ok_or_else(|| Error::not_found("There is no such account."))
}

/// The account that is to be changed: another than the caller's own, and as it was when the caller saw it.
async fn to_change<'a>(state: &AppState, request: &'a Request) -> Result<(&'a Principal, User, Document)> {
    let actor = request.principal()?;
    let (user, document) = target(state, request).await?;
    if user.id == actor.user {
        return Err(Error::new(
            Code::NotPermitted,
            "Nobody changes their own account here; ask another administrator.",
        ));
    }
    match if_match(request)? {
        Condition::IfMatch(etag) if etag != document.etag => {
            Err(Error::new(Code::PreconditionFailed, "It was changed meanwhile; read it again and repeat."))
        }
        _ => Ok((actor, user, document)),
    }
}

async fn set_role(state: AppState, request: Request) -> Result<Response> {
    let RoleRequest { role } = request.json()?;
    if role == Role::Service {
        return Err(Error::field("role", "expected `customer`, `staff` or `admin`; programs have API keys"));
    }
    let (actor, user, _) = to_change(&state, &request).await?;
    let change = team::Change::Role(role);
    let user = team::change(&state, &actor.tenant, &user.id, change, &By::caller(&request)?).await?;
    Ok(no_store(json(&UserView::of(&user))?))
}

async fn set_active(state: AppState, request: Request) -> Result<Response> {
    let ActiveRequest { active } = request.json()?;
    let (actor, user, _) = to_change(&state, &request).await?;
    if user.role != Role::Customer && !actor.may(Permission::ManageRoles) {
        return Err(Error::new(Code::NotPermitted, "You may close and open accounts of customers only."));
    }
    let change = team::Change::Active(active);
    let changed = team::change(&state, &actor.tenant, &user.id, change, &By::caller(&request)?).await?;
    if !active {
        sessions::come_to_epoch(&state, &actor.tenant, &changed, EndReason::AccountClosed, None).await;
    }
    Ok(no_store(json(&UserView::of(&changed))?))
}

async fn set_tier(state: AppState, request: Request) -> Result<Response> {
    let TierRequest { tier } = request.json()?;
    for _ in 0..TURNS {
        let (actor, mut user, document) = to_change(&state, &request).await?;
        if user.tier == tier {
            return Ok(no_store(json(&UserView::of(&user))?));
        }
        let data: Value = json!({ "actor": actor.actor(), "from": user.tier, "to": tier });
        let now = state.clock.now();
        let (origin, subject) = (Origin::of(&request), user.id.as_str());
        let (id, kind) = (EventId::generate(), "account.tierChanged");
        let event = outbox::put_from(Some(&origin), id, kind, &actor.tenant, subject, now, data)?;
        user.tier = tier.clone();
        user.version += 1;
        let written = NewDocument::new(user.id.as_str(), &user)?;
        let operations = vec![Operation::Replace(written, Condition::IfMatch(document.etag)), event];
        match state.documents.batch(&CUSTOMERS, &customer(&actor.tenant, user.id.as_str()), operations).await {
            Ok(_) => {
                news::tell(&state, News::AccountChanged { user: user.id.clone(), version: user.version }).await;
                remembered::forget(&state, &actor.tenant, &user.id).await;
                return Ok(no_store(json(&UserView::of(&user))?));
            }
            Err(error) if error.error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.error.into()),
        }
    }
    Err(Error::new(Code::Unavailable, "The account changes too often at this moment; please try again."))
}
