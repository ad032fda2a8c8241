//! Who of a boutique's people has a role, in one document for each boutique: so that they can be listed
//! without looking at every customer, and so that of two administrators who dismiss each other at the same
//! moment one stays.
//!
//! The account itself says what its role is. A change of it is first announced in the document, then done
//! to the account with its event, then entered; who comes upon an announcement of a process that died
//! does what is left to do. Each step is done once, however many do it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::model::User;
use super::remembered;
use super::store::user_document;
use crate::audit::Origin;
use crate::caching::News;
use crate::containers::{CUSTOMERS, customer, team};
use crate::error::{Code, Error, Result};
use crate::http::Request;
use crate::identity::Role;
use crate::ports::documents::{NewDocument, Operation};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::news;
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, TenantId, UserId};

const ID: &str = "team";
/// People with a role at one boutique.
const MAX_MEMBERS: usize = 1000;
/// Changes of one boutique's team take turns; each turn one of them gets through.
const TURNS: usize = 16;

/// The team as stored: in a partition of its own.
#[derive(Default, Serialize, Deserialize)]
struct Team {
    kind: String,
    members: BTreeMap<UserId, Member>,
    announced: Option<Announced>,
}

/// One who has a role other than that of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub role: Role,
    pub active: bool,
}

impl Member {
    fn acts_as_admin(&self) -> bool {
        self.role == Role::Admin && self.active
    }
}

/// A change that was begun. Its id is that of its event.
#[derive(Clone, Serialize, Deserialize)]
struct Announced {
    id: EventId,
    user: UserId,
    becomes: Member,
    /// Kept with the change, so that whoever carries it out tells who wanted it.
    #[serde(flatten)]
    by: By,
    at: DateTime<Utc>,
}

/// Who wants a change, and where the request came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct By {
    pub actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl By {
    /// The caller of a request.
    ///
    /// # Errors
    /// Those of [`Request::principal`].
    pub fn caller(request: &Request) -> Result<Self> {
        Ok(Self { actor: request.principal()?.actor().to_owned(), origin: Some(Origin::of(request)) })
    }

    /// The operator at the command line.
    pub fn operator() -> Self {
        Self { actor: "operator".into(), origin: None }
    }
}

/// What becomes of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Role(Role),
    /// The role of an administrator, where there is none.
    FirstAdmin,
    Active(bool),
}

impl Change {
    fn to(self, present: Member) -> Member {
        match self {
            Self::Role(role) => Member { role, ..present },
            Self::FirstAdmin => Member { role: Role::Admin, ..present },
            Self::Active(active) => Member { active, ..present },
        }
    }
}

impl Team {
    /// Whether an administrator stays who can act when `user` becomes what `becomes` says.
    fn keeps_an_admin(&self, user: &UserId, becomes: Member) -> bool {
        becomes.acts_as_admin() || self.members.iter().any(|(id, member)| id != user && member.acts_as_admin())
    }

    fn allows(&self, change: Change) -> Result<()> {
        if change == Change::FirstAdmin && self.members.values().any(Member::acts_as_admin) {
            return Err(Error::new(Code::Conflict, "There is an administrator already."));
        }
        Ok(())
    }

    fn enter(&mut self, announced: &Announced) {
        match announced.becomes.role {
            Role::Customer => drop(self.members.remove(&announced.user)),
            _ => drop(self.members.insert(announced.user.clone(), announced.becomes)),
        }
        self.announced = None;
    }
}

/// Who has a role at a boutique, by id.
///
/// # Errors
/// Those of the store; `Unavailable` when the team changes again and again.
pub async fn members(state: &AppState, tenant: &TenantId) -> Result<BTreeMap<UserId, Member>> {
    Ok(settled(state, tenant).await?.0.members)
}

/// Whether the team as it is allows a change.
///
/// # Errors
/// [`Code::Conflict`] when it does not; those of [`members`].
pub async fn check(state: &AppState, tenant: &TenantId, change: Change) -> Result<()> {
    settled(state, tenant).await?.0.allows(change)
}

/// Changes role or state of an account; gives the account as it is then. What it is
/// already is not changed again. Sessions stay; access tokens of before are void at once.
///
/// # Errors
/// [`Code::NotFound`] without such an account, [`Code::Conflict`] when no administrator would stay or the
/// team is full.
pub async fn change(state: &AppState, tenant: &TenantId, id: &UserId, change: Change, by: &By) -> Result<User> {
    for _ in 0..TURNS {
        let (mut team, etag) = settled(state, tenant).await?;
        let (user, _) = user_document(state, tenant, id).await?.ok_or_else(no_such_account)?;
        let present = Member { role: user.role, active: user.active };
        let becomes = change.to(present);
        if becomes == present {
            return Ok(user);
        }
        team.allows(change)?;
        if present.acts_as_admin() && !team.keeps_an_admin(id, becomes) {
            return Err(Error::new(Code::Conflict, "This is the last administrator; appoint another one first."));
        }
        let is_new = becomes.role != Role::Customer && !team.members.contains_key(id);
        if is_new && team.members.len() >= MAX_MEMBERS {
            return Err(Error::new(Code::Conflict, format!("At most {MAX_MEMBERS} people can have a role.")));
        }
        let announced =
            Announced { id: EventId::generate(), user: id.clone(), becomes, by: by.clone(), at: state.clock.now() };
        team.announced = Some(announced.clone());
        let Some(etag) = write(state, tenant, &team, etag).await? else { continue };
        let user = carry_out(state, tenant, &announced).await?.ok_or_else(no_such_account)?;
        // What is done counts; the next one who comes enters what this one does not.
        team.enter(&announced);
        if let Err(error) = write(state, tenant, &team, Some(etag)).await {
            tracing::warn!(error = %error.chain(), "a change of the team is not entered yet");
        }
        return Ok(user);
    }
    Err(too_many())
}

/// The team once no change is left half done, with its version; none when it was never written.
async fn settled(state: &AppState, tenant: &TenantId) -> Result<(Team, Option<ETag>)> {
    for _ in 0..TURNS {
        let Some(found) = state.documents.read(&CUSTOMERS, &team(tenant), ID).await? else {
            return Ok((Team { kind: ID.into(), ..Team::default() }, None));
        };
        let mut present: Team = found.read()?;
        let Some(announced) = present.announced.clone() else { return Ok((present, Some(found.etag))) };
        carry_out(state, tenant, &announced).await?;
        present.enter(&announced);
        if let Some(etag) = write(state, tenant, &present, Some(found.etag)).await? {
            return Ok((present, Some(etag)));
        }
    }
    Err(too_many())
}

/// Gives the new version; `None` when others wrote meanwhile.
async fn write(state: &AppState, tenant: &TenantId, present: &Team, etag: Option<ETag>) -> Result<Option<ETag>> {
    let document = NewDocument::new(ID, present)?;
    let written = match etag {
        Some(etag) => state.documents.replace(&CUSTOMERS, &team(tenant), document, Condition::IfMatch(etag)).await,
        None => state.documents.create(&CUSTOMERS, &team(tenant), document).await,
    };
    match written {
        Ok(written) => Ok(Some(written.etag)),
        Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Does to the account what was announced, unless it was done; `None` when the account is no more.
async fn carry_out(state: &AppState, tenant: &TenantId, announced: &Announced) -> Result<Option<User>> {
    for _ in 0..TURNS {
        let Some((mut user, document)) = user_document(state, tenant, &announced.user).await? else { return Ok(None) };
        let before = Member { role: user.role, active: user.active };
        // After the account, so that its version is of a time at which the change still stood.
        if before == announced.becomes || !stands(state, tenant, announced).await? {
            // Told again for one who died before telling.
            tell(state, &user).await;
            return Ok(Some(user));
        }
        (user.role, user.active) = (announced.becomes.role, announced.becomes.active);
        user.version += 1;
        if !user.active {
            // No session of before comes back with the account.
            user.session_epoch += 1;
        }
        let operations = vec![
            Operation::Replace(NewDocument::new(user.id.as_str(), &user)?, Condition::IfMatch(document.etag)),
            event(tenant, announced, before)?,
        ];
        match state.documents.batch(&CUSTOMERS, &customer(tenant, user.id.as_str()), operations).await {
            Ok(_) => {
                tell(state, &user).await;
                remembered::forget(state, tenant, &user.id).await;
                return Ok(Some(user));
            }
            Err(error) if error.error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.error.into()),
        }
    }
    Err(too_many())
}

/// Whether a change is still announced: else another process has done it, and maybe others after it.
async fn stands(state: &AppState, tenant: &TenantId, announced: &Announced) -> Result<bool> {
    let found = state.documents.read(&CUSTOMERS, &team(tenant), ID).await?;
    let present = found.map(|document| document.read::<Team>()).transpose()?;
    Ok(present.and_then(|team| team.announced).is_some_and(|present| present.id == announced.id))
}

async fn tell(state: &AppState, user: &User) {
    news::tell(state, News::AccountChanged { user: user.id.clone(), version: user.version }).await;
}

fn event(tenant: &TenantId, announced: &Announced, before: Member) -> Result<Operation> {
    let becomes = announced.becomes;
    let kind = match (before.active, becomes.active) {
        (true, false) => "account.disabled",
        (false, true) => "account.enabled",
        _ => "account.roleChanged",
    };
    let data = json!({ "actor": announced.by.actor, "from": before.role, "to": becomes.role });
    let (origin, id) = (announced.by.origin.as_ref(), announced.id.clone());
    outbox::put_from(origin, id, kind, tenant, announced.user.as_str(), announced.at, data)
}

fn no_such_account() -> Error {
    Error::not_found("There is no such account.")
}

fn too_many() -> Error {
    Error::new(Code::Unavailable, "Too many change who has a role at this moment; please try again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_administrator_who_can_act_stays() {
        let (admin, other, disabled) = (UserId::generate(), UserId::generate(), UserId::generate());
        let member = |role, active| Member { role, active };
        let mut team = Team::default();
        team.members.insert(admin.clone(), member(Role::Admin, true));
        team.members.insert(other.clone(), member(Role::Staff, true));
        team.members.insert(disabled, member(Role::Admin, false));
        for becomes in [member(Role::Staff, true), member(Role::Customer, true), member(Role::Admin, false)] {
            assert!(!team.keeps_an_admin(&admin, becomes), "{becomes:?}");
        }
        team.members.insert(other, member(Role::Admin, true));
        assert!(team.keeps_an_admin(&admin, member(Role::Customer, true)));
    }
}
