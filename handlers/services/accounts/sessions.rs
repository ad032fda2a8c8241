//! Sessions: signing in begins one, refreshing goes on with it, signing out ends it.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::auth::{SignedIn, signed_in_example};
use super::model::User;
use super::store;
use crate::caching::News;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{EndReason, Principal, Refresh, RefreshToken, Session};
use crate::ports::documents::{Document, Filter, NewDocument, Operation, Query, Scope, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, Service, SessionId, TenantId, UserId};

/// Requests that refresh one token at once take turns; each turn one of them wins.
const TURNS: usize = 8;
const MAX_DEVICE_CHARS: usize = 120;
/// Sessions of one account that are looked at; more cannot be open for long.
const MAX_SESSIONS: usize = 1000;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let done = || json!({ "success": true, "ended": 1 });
    vec![
        Function::http("AccountsAuthRefresh", Service::Accounts, Method::POST, "v1/auth/refresh", refresh)
            .summary("Gives a new access token and a new refresh token for a refresh token, which is good once.")
            .takes::<RefreshRequest>("application/json", json!({ "refresh_token": "pravis.usr_….ses_….…" }))
            .takes::<RefreshRequest>("application/x-www-form-urlencoded", json!({ "refresh_token": "pravis.usr_….ses_….…" }))
            .answers::<SignedIn>(StatusCode::OK, "Still signed in.", signed_in_example())
            .fails(&[Code::InvalidToken])
            .into(),
        Function::http("AccountsAuthLogout", Service::Accounts, Method::POST, "v1/auth/logout", logout)
            .access(Access::SignedIn)
            .summary("Ends this session, or with `everywhere` all sessions of the account.")
            .query::<LogoutQuery>()
            .answers::<EndedSessions>(StatusCode::OK, "Signed out.", done())
            .into(),
        Function::http("AccountsSessionsList", Service::Accounts, Method::GET, "v1/auth/sessions", list)
            .access(Access::SignedIn)
            .summary("Lists the sessions that are open, the last used first.")
            .answers::<SessionList>(StatusCode::OK, "The sessions.", json!({ "items": [{ "id": "ses_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "device": "Firefox", "createdAt": "2026-01-15T06:30:00Z", "lastUsedAt": "2026-01-16T06:30:00Z", "expiresAt": "2026-02-15T06:30:00Z", "current": true }] }))
            .into(),
        Function::http("AccountsSessionsDelete", Service::Accounts, Method::DELETE, "v1/auth/sessions/{id}", delete)
            .access(Access::SignedIn)
            .summary("Ends one session of the account.")
            .answers::<EndedSessions>(StatusCode::OK, "It has ended.", done())
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
struct RefreshRequest {
    #[schema(format = "password")]
    refresh_token: String,
}

#[derive(Deserialize, utoipa::IntoParams)]
struct LogoutQuery {
    /// Whether to end all sessions of the account.
    #[serde(default)]
    everywhere: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EndedSessions {
    pub success: bool,
    /// Sessions that were open and are no more.
    pub ended: usize,
}

#[derive(Serialize, ToSchema)]
struct SessionList {
    items: Vec<SessionView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    id: String,
    device: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// Whether it is the session of this request.
    current: bool,
}

/// Begins a session for a user who has proved to be one.
pub(super) async fn begin(state: &AppState, tenant: &TenantId, user: &User, device: &str) -> Result<SignedIn> {
    let now = state.clock.now();
    let device: String = device.chars().filter(|c| !c.is_control()).take(MAX_DEVICE_CHARS).collect();
    let (session, token) = Session::begin(tenant, &user.id, &device, now)?;
    let partition = customer(tenant, user.id.as_str());
    state.documents.create(&CUSTOMERS, &partition, document(&session, now)?).await?;
    answer(state, tenant, user, &session.id, &token)
}

/// The device that a request comes from, in its own words.
pub(super) fn device(request: &Request) -> &str {
    request.header("user-agent").unwrap_or("unknown")
}

fn answer(
    state: &AppState,
    tenant: &TenantId,
    user: &User,
    session: &SessionId,
    token: &RefreshToken,
) -> Result<SignedIn> {
    let principal = Principal {
        user: user.id.clone(),
        tenant: tenant.clone(),
        role: user.role,
        tier: user.tier.clone(),
        session: session.clone(),
    };
    let access = state.keys.sign(&principal, state.clock.now())?;
    Ok(SignedIn::of(user, access, token))
}

async fn refresh(state: AppState, request: Request) -> Result<Response> {
    let asked: RefreshRequest = match request.media_type().as_deref() {
        Some("application/x-www-form-urlencoded") => request.form()?,
        _ => request.json_of_any_type()?,
    };
    let refused = || Error::new(Code::InvalidToken, "The refresh token is not valid; sign in again.");
    let presented = RefreshToken::parse(&asked.refresh_token).ok_or_else(refused)?;
    let user = store::user(&state, &presented.tenant, &presented.user).await?.filter(|user| user.active);
    let user = user.ok_or_else(refused)?;
    let token = rotate(&state, &presented).await?.ok_or_else(refused)?;
    Ok(no_store(json(&answer(&state, &presented.tenant, &user, &presented.session, &token)?)?))
}

/// Uses a refresh token; gives the one that follows, `None` when it is not good.
async fn rotate(state: &AppState, presented: &RefreshToken) -> Result<Option<RefreshToken>> {
    let partition = customer(&presented.tenant, presented.user.as_str());
    for _ in 0..TURNS {
        let found = state.documents.read(&CUSTOMERS, &partition, presented.session.as_str()).await?;
        let Some(found) = found else { return Ok(None) };
        let mut session: Session = found.read()?;
        let now = state.clock.now();
        match session.refresh(presented, now)? {
            Refresh::Refused => return Ok(None),
            Refresh::Repeated(token) => return Ok(Some(token)),
            Refresh::Rotated(token) => {
                let written = document(&session, now)?;
                match state.documents.replace(&CUSTOMERS, &partition, written, Condition::IfMatch(found.etag)).await {
                    Ok(_) => return Ok(Some(token)),
                    Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Refresh::Reused => {
                tracing::warn!(session = %session.id, "a used refresh token came again; the session is ended");
                if store_end(state, &presented.tenant, &session, found.etag).await? {
                    return Ok(None);
                }
            }
        }
    }
    Err(too_many())
}

fn too_many() -> Error {
    Error::new(Code::Unavailable, "Too many requests change this session at once; please try again.")
}

async fn logout(state: AppState, request: Request) -> Result<Response> {
    let query: LogoutQuery = request.query()?;
    let principal = request.principal()?;
    let ended = if query.everywhere {
        end_all(&state, &principal.tenant, &principal.user, None, EndReason::SignedOut).await?
    } else {
        usize::from(end(&state, principal, &principal.session).await?)
    };
    Ok(no_store(json(&EndedSessions { success: true, ended })?))
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let id: SessionId = request.param("id")?;
    if !end(&state, request.principal()?, &id).await? {
        return Err(Error::not_found("There is no such session."));
    }
    Ok(no_store(json(&EndedSessions { success: true, ended: 1 })?))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let now = state.clock.now();
    let mut open: Vec<Session> = all(&state, &principal.tenant, &principal.user)
        .await?
        .into_iter()
        .map(|document| document.read::<Session>())
        .collect::<Result<_, _>>()?;
    open.retain(|session| session.is_live(now));
    open.sort_by_key(|session| std::cmp::Reverse(session.last_used_at));
    let view = |session: Session| SessionView {
        current: session.id == principal.session,
        id: session.id.to_string(),
        device: session.device,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
    };
    Ok(no_store(json(&SessionList { items: open.into_iter().map(view).collect() })?))
}

/// Ends one session of the caller; `false` when it is not open.
async fn end(state: &AppState, principal: &Principal, id: &SessionId) -> Result<bool> {
    let partition = customer(&principal.tenant, principal.user.as_str());
    for _ in 0..TURNS {
        let found = state.documents.read(&CUSTOMERS, &partition, id.as_str()).await?;
        let Some(found) = found else { return Ok(false) };
        let mut session: Session = found.read()?;
        if !session.is_live(state.clock.now()) {
            return Ok(false);
        }
        session.end(EndReason::SignedOut, state.clock.now());
        if store_end(state, &principal.tenant, &session, found.etag).await? {
            return Ok(true);
        }
    }
    Err(too_many())
}

/// Ends the open sessions of a user but `kept`; gives their number.
pub(super) async fn end_all(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    kept: Option<&SessionId>,
    reason: EndReason,
) -> Result<usize> {
    let mut ended = 0;
    for document in all(state, tenant, user).await? {
        let mut session: Session = document.read()?;
        if Some(&session.id) == kept || !session.is_live(state.clock.now()) {
            continue;
        }
        session.end(reason, state.clock.now());
        if !store_end(state, tenant, &session, document.etag).await? {
            // It was refreshed meanwhile; what it is now ends as well.
            let partition = customer(tenant, user.as_str());
            state.documents.upsert(&CUSTOMERS, &partition, self::document(&session, state.clock.now())?).await?;
            tell(state, &session.id).await;
        }
        ended += 1;
    }
    Ok(ended)
}

async fn all(state: &AppState, tenant: &TenantId, user: &UserId) -> Result<Vec<Document>> {
    let partition = customer(tenant, user.as_str());
    let mut found = Vec::new();
    let mut continuation = None;
    while found.len() < MAX_SESSIONS {
        let query = Query {
            filters: vec![Filter::Equal("kind", Session::KIND.into())],
            limit: 100,
            continuation,
            ..Query::default()
        };
        let page = state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await?;
        found.extend(page.items);
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
    }
    Ok(found)
}

/// Stores the end of a session with its event, and tells every instance; `false` when the session was
/// changed meanwhile.
async fn store_end(state: &AppState, tenant: &TenantId, session: &Session, etag: ETag) -> Result<bool> {
    let now = state.clock.now();
    let reason = session.ended.as_ref().map(|ended| ended.reason);
    let data = json!({ "userId": session.user_id, "reason": reason });
    let event = outbox::put(EventId::generate(), "account.sessionEnded", tenant, session.id.as_str(), now, data)?;
    let operations = vec![Operation::Replace(document(session, now)?, Condition::IfMatch(etag)), event];
    let partition = customer(tenant, session.user_id.as_str());
    match state.documents.batch(&CUSTOMERS, &partition, operations).await {
        Ok(_) => {
            tell(state, &session.id).await;
            Ok(true)
        }
        Err(error) if error.error.kind() == PortErrorKind::PreconditionFailed => Ok(false),
        Err(error) => Err(error.error.into()),
    }
}

/// Who misses the news notices within a minute.
async fn tell(state: &AppState, session: &SessionId) {
    state.sessions.ended(session).await;
    if let Err(error) = state.invalidations.publish(News::SessionEnded(session.clone()).message()).await {
        tracing::warn!(%error, "the end of a session was not told to other instances");
    }
}

/// The document lives as long as the session: an ended one as long as its access tokens could.
fn document(session: &Session, now: DateTime<Utc>) -> Result<NewDocument> {
    let seconds = match session.ended {
        Some(_) => 86_400,
        None => (session.expires_at - now).num_seconds().clamp(1, i64::from(i32::MAX)),
    };
    Ok(NewDocument::new(session.id.as_str(), session)?.with_ttl(Ttl::Seconds(u32::try_from(seconds).unwrap_or(86_400))))
}
