//! How sessions end: one with its event in one batch, all of an account by its epoch.

use serde_json::json;

use super::{TURNS, document, too_many};
use crate::audit::Origin;
use crate::caching::News;
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::identity::{EndReason, Session};
use crate::ports::documents::{Document, Filter, Operation, Query, Scope};
use crate::ports::{Condition, ETag};
use crate::services::accounts::User;
use crate::services::accounts::store::{Told, batch, change_user_telling};
use crate::services::news;
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, SessionId, TenantId, UserId};

/// Pages of open sessions that are looked at: many more than an account may have.
const MAX_PAGES: usize = 10;

/// Ends one session; `false` when it is not open.
pub(super) async fn end(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    id: &SessionId,
    reason: EndReason,
    origin: Option<&Origin>,
) -> Result<bool> {
    for _ in 0..TURNS {
        let found = state.documents.read(&CUSTOMERS, &customer(tenant, user.as_str()), id.as_str()).await?;
        let Some(found) = found else { return Ok(false) };
        let mut session: Session = found.read()?;
        if !session.is_live(state.clock.now()) {
            return Ok(false);
        }
        session.end(reason, state.clock.now());
        if store_end(state, tenant, &session, found.etag, origin).await? {
            return Ok(true);
        }
    }
    Err(too_many())
}

/// Ends all sessions of an account at once, and forgets its devices; gives the number of sessions.
pub(in crate::services) async fn end_all(
    state: &AppState,
    tenant: &TenantId,
    user: &UserId,
    reason: EndReason,
    origin: Option<&Origin>,
) -> Result<usize> {
    let told = Told { kind: "account.sessionsEnded", data: json!({ "reason": reason }), origin };
    let user = change_user_telling(state, tenant, user, &told, |user| user.session_epoch += 1).await?;
    Ok(come_to_epoch(state, tenant, &user, reason, origin).await)
}

/// An account has come to its epoch: all instances are told, and the documents of the sessions before it are
/// tidied up; gives how many of them were open. The sessions have ended already, so what fails here is left
/// to the lifetimes of the documents.
pub(in crate::services::accounts) async fn come_to_epoch(
    state: &AppState,
    tenant: &TenantId,
    user: &User,
    reason: EndReason,
    origin: Option<&Origin>,
) -> usize {
    news::tell(state, News::SessionsEnded { user: user.id.clone(), epoch: user.session_epoch }).await;
    let mut ended = 0;
    let former = match open(state, tenant, &user.id).await {
        Ok(former) => former,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "ended sessions not tidied up");
            return ended;
        }
    };
    for document in former {
        let Ok(session) = document.read::<Session>() else { continue };
        if session.epoch >= user.session_epoch {
            continue;
        }
        match end(state, tenant, &user.id, &session.id, reason, origin).await {
            Ok(was_open) => ended += usize::from(was_open),
            Err(error) => tracing::warn!(error = %error.chain(), "an ended session not tidied up"),
        }
    }
    ended
}

/// The documents of the sessions of an account that were not ended.
pub(super) async fn open(state: &AppState, tenant: &TenantId, user: &UserId) -> Result<Vec<Document>> {
    let partition = customer(tenant, user.as_str());
    let (mut found, mut continuation) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let query = Query {
            filters: vec![Filter::Equal("kind", Session::KIND.into()), Filter::Equal("status", "open".into())],
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
pub(super) async fn store_end(
    state: &AppState,
    tenant: &TenantId,
    session: &Session,
    etag: ETag,
    origin: Option<&Origin>,
) -> Result<bool> {
    let stored = batch(state, tenant, &session.user_id, ending(state, tenant, session, etag, origin)?).await?;
    if stored {
        news::tell(state, News::SessionEnded(session.id.clone())).await;
    }
    Ok(stored)
}

/// The operations that store the end of a session with its event.
pub(super) fn ending(
    state: &AppState,
    tenant: &TenantId,
    session: &Session,
    etag: ETag,
    origin: Option<&Origin>,
) -> Result<Vec<Operation>> {
    let now = state.clock.now();
    let reason = session.ended.as_ref().map(|ended| ended.reason);
    let data = json!({ "userId": session.user_id, "reason": reason });
    let (id, kind, subject) = (EventId::generate(), "account.sessionEnded", session.id.as_str());
    let event = outbox::put_from(origin, id, kind, tenant, subject, now, data)?;
    Ok(vec![Operation::Replace(document(session, now)?, Condition::IfMatch(etag)), event])
}
