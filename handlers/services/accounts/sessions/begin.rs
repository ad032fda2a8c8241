//! How a session begins: with the device made known, within the number of sessions that an account may have.

use http::StatusCode;
use serde_json::json;

use super::end::{ending, open};
use super::{answer, document};
use crate::audit::Origin;
use crate::caching::News;
use crate::error::{Code, Error, Result};
use crate::http::{Request, Response, json_with, no_store};
use crate::identity::{EndReason, Session};
use crate::ports::documents::Operation;
use crate::services::accounts::User;
use crate::services::accounts::devices::{self, DeviceToken};
use crate::services::accounts::sign_ins::{MAX_SESSIONS, SignIns};
use crate::services::accounts::store::{Told, batch, tell, too_often};
use crate::services::news;
use crate::state::AppState;
use crate::types::{SessionId, TenantId};

/// People who sign in to one account at once take turns.
const TURNS: usize = 10;
const MAX_DEVICE_CHARS: usize = 120;
/// Sessions that are ended for one that begins; where there are more, the next ones end the rest.
const MAX_ENDED: usize = 20;

/// Begins a session for a user who has proved to be one, and answers with its tokens. `by` says how they
/// proved it. The device is known from now on, by one of the tokens that it `brought` or by a new one.
///
/// # Errors
/// [`Code::InvalidCredentials`] when the account came to a new epoch since `user` was read.
pub(in crate::services::accounts) async fn begin(
    state: &AppState,
    tenant: &TenantId,
    user: &User,
    request: &Request,
    brought: &[DeviceToken],
    by: &'static str,
) -> Result<Response> {
    let origin = Origin::of(request);
    let agent: String = request.header("user-agent").unwrap_or("unknown").chars().filter(|c| !c.is_control()).collect();
    let agent: String = agent.chars().take(MAX_DEVICE_CHARS).collect();
    for _ in 0..TURNS {
        let now = state.clock.now();
        let (sign_ins, read) = SignIns::read(state, tenant, user.id.as_str()).await?;
        if sign_ins.epoch > user.session_epoch {
            return Err(Error::new(Code::InvalidCredentials, "The password was changed meanwhile."));
        }
        let mut sign_ins = sign_ins.in_epoch(user.session_epoch);
        let known = sign_ins.known(brought, now).cloned();
        let data = |session: &Session| json!({ "session": session.id, "by": by, "knownDevice": known.is_some() });
        let given = known.clone().map_or_else(DeviceToken::generate, Ok)?;
        sign_ins.admit(&given, now);
        let (mut operations, ended) = make_room(state, tenant, user, &mut sign_ins).await?;
        let (session, token) = Session::begin(tenant, &user.id, &agent, now)?;
        let session = session.in_epoch(user.session_epoch);
        sign_ins.sessions.push(session.id.clone());
        let told = Told { kind: "account.sessionBegun", data: data(&session), origin: Some(&origin) };
        operations.push(Operation::Create(document(&session, now)?));
        operations.push(sign_ins.put(read)?);
        operations.push(tell(state, tenant, &user.id, &told)?);
        if batch(state, tenant, &user.id, operations).await? {
            for id in &ended {
                news::tell(state, News::SessionEnded(id.clone())).await;
            }
            let signed_in = answer(state, tenant, user, &session.id, &token)?.on_device(&given);
            let status = if by == "registration" { StatusCode::CREATED } else { StatusCode::OK };
            return devices::keep(no_store(json_with(status, &signed_in)?), &given, brought);
        }
    }
    Err(too_often())
}

/// Where an account has all the sessions it may have: the operations that end those that were used the longest
/// ago, and their ids.
async fn make_room(
    state: &AppState,
    tenant: &TenantId,
    user: &User,
    sign_ins: &mut SignIns,
) -> Result<(Vec<Operation>, Vec<SessionId>)> {
    if sign_ins.sessions.len() < MAX_SESSIONS {
        return Ok(Default::default());
    }
    let now = state.clock.now();
    let mut lasting = Vec::new();
    for document in open(state, tenant, &user.id).await? {
        let session: Session = document.read()?;
        if session.is_live(now) && session.epoch == user.session_epoch {
            lasting.push((session, document.etag));
        }
    }
    lasting.sort_by_key(|(session, _)| session.last_used_at);
    let surplus = (lasting.len() + 1).saturating_sub(MAX_SESSIONS).min(MAX_ENDED);
    let (mut operations, mut ended) = (Vec::new(), Vec::new());
    for (mut session, etag) in lasting.drain(..surplus) {
        session.end(EndReason::TooMany, now);
        operations.extend(ending(state, tenant, &session, etag, None)?);
        ended.push(session.id);
    }
    sign_ins.sessions = lasting.into_iter().map(|(session, _)| session.id).collect();
    Ok((operations, ended))
}
