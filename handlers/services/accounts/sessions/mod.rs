//! Sessions: signing in begins one, refreshing goes on with it, signing out ends it.

mod begin;
mod end;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use self::end::{end, open, store_end};
use super::auth::{SignedIn, signed_in_example};
use super::model::User;
use super::store;
use crate::audit::{Note, Origin, Outcome, actions};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function, LimitClass};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{Credential, EndReason, Principal, Refresh, RefreshToken, Session};
use crate::ports::documents::{NewDocument, Ttl};
use crate::ports::{Condition, PortErrorKind};
use crate::state::AppState;
use crate::types::{Service, SessionId, TenantId};

pub(super) use begin::begin;
pub(super) use end::come_to_epoch;
pub(in crate::services) use end::end_all;

/// Requests that refresh one token at once take turns; each turn one of them wins.
const TURNS: usize = 8;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let done = || json!({ "success": true, "ended": 1 });
    vec![
        Function::http("AccountsAuthRefresh", Service::Accounts, Method::POST, "v1/auth/refresh", refresh)
            .limit(LimitClass::Credentials)
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
        version: user.version,
        credential: Credential::Session(session.clone()),
    };
    let access = state.keys.sign(&principal, state.clock.now())?;
    Ok(SignedIn::of(user, access, token))
}

async fn refresh(state: AppState, request: Request) -> Result<Response> {
    let asked: RefreshRequest = match request.media_type().as_deref() {
        Some("application/x-www-form-urlencoded") => request.form()?,
        _ => request.json_of_any_type()?,
    };
    let origin = Origin::of(&request);
    let refused = || {
        state.audit.note(Note {
            tenant: request.caller.tenant().clone(),
            action: actions::TOKEN_REFUSED,
            outcome: Outcome::Refused,
            actor: None,
            subject: None,
            origin: origin.clone(),
            reason: "refreshToken",
        });
        Error::new(Code::InvalidToken, "The refresh token is not valid; sign in again.")
    };
    let presented = RefreshToken::parse(&asked.refresh_token).ok_or_else(refused)?;
    // The token's boutique need not be the one that the request is for.
    state.check_open(&presented.tenant).await?;
    let user = store::user(&state, &presented.tenant, &presented.user).await?.filter(|user| user.active);
    let user = user.ok_or_else(refused)?;
    let token = rotate(&state, &presented, user.session_epoch, &origin).await?.ok_or_else(refused)?;
    Ok(no_store(json(&answer(&state, &presented.tenant, &user, &presented.session, &token)?)?))
}

/// Uses a refresh token of an account in `epoch`; gives the one that follows, `None` when it is not good.
async fn rotate(
    state: &AppState,
    presented: &RefreshToken,
    epoch: u32,
    origin: &Origin,
) -> Result<Option<RefreshToken>> {
    let partition = customer(&presented.tenant, presented.user.as_str());
    for _ in 0..TURNS {
        let found = state.documents.read(&CUSTOMERS, &partition, presented.session.as_str()).await?;
        let Some(found) = found else { return Ok(None) };
        let mut session: Session = found.read()?;
        if session.epoch != epoch {
            return Ok(None);
        }
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
                if store_end(state, &presented.tenant, &session, found.etag, Some(origin)).await? {
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
    let (principal, origin) = (request.principal()?, Origin::of(&request));
    let (tenant, user, reason) = (&principal.tenant, &principal.user, EndReason::SignedOut);
    let ended = if query.everywhere {
        end_all(&state, tenant, user, reason, Some(&origin)).await?
    } else {
        usize::from(end(&state, tenant, user, principal.session()?, reason, Some(&origin)).await?)
    };
    Ok(no_store(json(&EndedSessions { success: true, ended })?))
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let id: SessionId = request.param("id")?;
    let (principal, origin) = (request.principal()?, Origin::of(&request));
    if !end(&state, &principal.tenant, &principal.user, &id, EndReason::SignedOut, Some(&origin)).await? {
        return Err(Error::not_found("There is no such session."));
    }
    Ok(no_store(json(&EndedSessions { success: true, ended: 1 })?))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let user = store::user(&state, &principal.tenant, &principal.user).await?.ok_or_else(store::closed)?;
    let now = state.clock.now();
    let mut found: Vec<Session> = open(&state, &principal.tenant, &principal.user)
        .await?
        .into_iter()
        .map(|document| document.read::<Session>())
        .collect::<Result<_, _>>()?;
    found.retain(|session| session.is_live(now) && session.epoch == user.session_epoch);
    found.sort_by_key(|session| std::cmp::Reverse(session.last_used_at));
    let present = principal.session()?;
    let view = |session: Session| SessionView {
        current: &session.id == present,
        id: session.id.to_string(),
        device: session.device,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
    };
    Ok(no_store(json(&SessionList { items: found.into_iter().map(view).collect() })?))
}

/// The document lives as long as the session: an ended one as long as its access tokens could.
pub(super) fn document(session: &Session, now: DateTime<Utc>) -> Result<NewDocument> {
    let seconds = match session.ended {
        Some(_) => 86_400,
        None => (session.expires_at - now).num_seconds().clamp(1, i64::from(i32::MAX)),
    };
    Ok(NewDocument::new(session.id.as_str(), session)?.with_ttl(Ttl::Seconds(u32::try_from(seconds).unwrap_or(86_400))))
}
