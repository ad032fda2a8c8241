//! Accounts in documents: the user in its own partition, the claim on its address in the directory.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::model::{Email, User};
use crate::containers::{CUSTOMERS, DIRECTORY, customer};
use crate::error::{Code, Error, Result};
use crate::ports::documents::{Document, DocumentStore, NewDocument, Operation, PartitionKey};
use crate::ports::{Condition, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, TenantId, UserId};

/// A claim whose account was not written within this time belongs to a process that died.
const UNFINISHED: Duration = Duration::minutes(1);
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

/// The same, for work that has the documents alone.
pub async fn find_user(documents: &dyn DocumentStore, tenant: &TenantId, id: &UserId) -> Result<Option<User>> {
    let found = documents.read(&CUSTOMERS, &customer(tenant, id.as_str()), id.as_str()).await?;
    Ok(found.map(|document| document.read()).transpose()?)
}

pub(super) async fn user_document(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
) -> Result<Option<(User, Document)>> {
    let found = state.documents.read(&CUSTOMERS, &customer(tenant, id.as_str()), id.as_str()).await?;
    found.map(|document| Ok((document.read()?, document))).transpose()
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
    for _ in 0..TURNS {
        let (mut user, document) = user_document(state, tenant, id).await?.ok_or_else(closed)?;
        change(&mut user);
        let now = state.clock.now();
        let event = outbox::put(EventId::generate(), "account.changed", tenant, id.as_str(), now, json!({}))?;
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
pub(super) fn closed() -> Error {
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
