//! Accounts in documents: the user in its own partition, the claim on its address in the directory.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::{Email, Purpose, User};
use crate::containers::{CUSTOMERS, DIRECTORY, customer};
use crate::error::{Code, Error, Result};
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey};
use crate::ports::{Condition, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, TenantId, UserId};

/// A claim whose account was not written within this time belongs to a process that died.
const UNFINISHED: Duration = Duration::minutes(1);
/// How long [`consents_to`] believes what it read.
const CONSENTS_BELIEVED: std::time::Duration = std::time::Duration::from_secs(30);
/// How often a change is put upon what others wrote meanwhile.
const TURNS: usize = 5;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    tenant_id: TenantId,
    user_id: UserId,
    claimed_at: DateTime<Utc>,
}

/// The user of this id, or `None`. One point read.
pub async fn user(state: &AppState, tenant: &TenantId, id: &UserId) -> Result<Option<User>> {
    Ok(user_document(state, tenant, id).await?.map(|(user, _)| user))
}

pub(in crate::services) async fn user_document(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
) -> Result<Option<(User, Document)>> {
    let found = state.documents.read(&CUSTOMERS, &customer(tenant, id.as_str()), id.as_str()).await?;
    found.map(|document| Ok((document.read()?, document))).transpose()
}

/// Whether a customer agrees to a purpose, for what asks often and may be half a minute late, such as the
/// intake of analytics. What must not be late reads the [`user`].
///
/// # Errors
/// Those of the read.
pub async fn consents_to(state: &AppState, tenant: &TenantId, id: &UserId, purpose: Purpose) -> Result<bool> {
    let key = consents_key(tenant, id);
    let cached = state.cache.get(&key).await.ok().flatten();
    if let Some(granted) = cached.and_then(|bytes| serde_json::from_slice::<Vec<Purpose>>(&bytes).ok()) {
        return Ok(granted.contains(&purpose));
    }
    let granted: Vec<Purpose> = match user(state, tenant, id).await? {
        Some(user) if user.active => Purpose::ALL.into_iter().filter(|purpose| user.consents_to(*purpose)).collect(),
        _ => Vec::new(),
    };
    let kept = serde_json::to_vec(&granted).map_err(Error::internal)?;
    if let Err(error) = state.cache.set(&key, kept.into(), CONSENTS_BELIEVED).await {
        tracing::debug!(%error, "consents not cached");
    }
    Ok(granted.contains(&purpose))
}

/// Forgets what [`consents_to`] believes of a customer, whose consents have changed.
pub(in crate::services) async fn forget_consents(state: &AppState, tenant: &TenantId, id: &UserId) {
    if let Err(error) = state.cache.delete(&consents_key(tenant, id)).await {
        tracing::warn!(%error, "old consents are believed for half a minute");
    }
}

fn consents_key(tenant: &TenantId, id: &UserId) -> String {
    format!("consents:{tenant}:{id}")
}

/// The user with this address, or `None`. Two point reads.
pub async fn user_by_email(state: &AppState, tenant: &TenantId, email: &Email) -> Result<Option<User>> {
    let id = email.claim_id(tenant);
    let Some(found) = state.documents.read(&DIRECTORY, &PartitionKey::of([&id]), &id).await? else { return Ok(None) };
    let claim: Claim = found.read()?;
    user(state, tenant, &claim.user_id).await
}

/// Writes a new user, the claim on its address first, so that one of many wins.
///
/// # Errors
/// [`Code::Conflict`] when the address has an account.
pub async fn create_user(state: &AppState, tenant: &TenantId, user: &User) -> Result<()> {
    claim(state, tenant, &user.email, &user.id).await?;
    let event = outbox::put(
        EventId::generate(),
        "account.registered",
        tenant,
        user.id.as_str(),
        user.created_at,
        json!({ "role": user.role }),
    )?;
    let operations = vec![Operation::Create(NewDocument::new(user.id.as_str(), user)?), event];
    let partition = customer(tenant, user.id.as_str());
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(())
}

/// Changes a user as it is now, whoever else changes it; gives it as it is then.
///
/// # Errors
/// [`closed`] when there is no such account; `Unavailable` when others change it again and again.
pub(super) async fn change_user(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
    change: impl Fn(&mut User),
) -> Result<User> {
    let change = |user: &mut User| {
        change(user);
        Ok(())
    };
    change_user_telling(state, tenant, id, ("account.changed", json!({})), change).await
}

/// Changes a user as [`change_user`] does, with an event of this type and data; not at all when `change`
/// refuses.
///
/// # Errors
/// Those of `change_user` and of `change`.
pub(in crate::services) async fn change_user_telling(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
    (kind, data): (&str, Value),
    change: impl Fn(&mut User) -> Result<()>,
) -> Result<User> {
    for _ in 0..TURNS {
        let (mut user, document) = user_document(state, tenant, id).await?.ok_or_else(closed)?;
        change(&mut user)?;
        let now = state.clock.now();
        let event = outbox::put(EventId::generate(), kind, tenant, id.as_str(), now, data.clone())?;
        let written = NewDocument::new(id.as_str(), &user)?;
        let operations = vec![Operation::Replace(written, Condition::IfMatch(document.etag)), event];
        match state.documents.batch(&CUSTOMERS, &customer(tenant, id.as_str()), operations).await {
            Ok(_) => return Ok(user),
            Err(error) if error.error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.error.into()),
        }
    }
    Err(Error::new(Code::Unavailable, "The account changes too often at this moment; please try again."))
}

/// What is told to a token whose account is no more.
pub(in crate::services) fn closed() -> Error {
    Error::new(Code::InvalidToken, "This account is closed.")
}

async fn claim(state: &AppState, tenant: &TenantId, email: &Email, user_id: &UserId) -> Result<()> {
    let id = email.claim_id(tenant);
    let partition = PartitionKey::of([&id]);
    let claim = Claim { tenant_id: tenant.clone(), user_id: user_id.clone(), claimed_at: state.clock.now() };
    let document = NewDocument::new(id.clone(), &claim)?;
    match state.documents.create(&DIRECTORY, &partition, document.clone()).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == PortErrorKind::Conflict => {}
        Err(error) => return Err(error.into()),
    }
    let taken = || Error::new(Code::Conflict, "There is an account with this email address; sign in instead.");
    let Some(found) = state.documents.read(&DIRECTORY, &partition, &id).await? else { return Err(taken()) };
    let held: Claim = found.read()?;
    let finished = user(state, tenant, &held.user_id).await?.is_some();
    if finished || state.clock.now() - held.claimed_at < UNFINISHED {
        return Err(taken());
    }
    match state.documents.replace(&DIRECTORY, &partition, document, Condition::IfMatch(found.etag)).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == PortErrorKind::PreconditionFailed => Err(taken()),
        Err(error) => Err(error.into()),
    }
}
