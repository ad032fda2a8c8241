//! Accounts in documents: the user in its own partition, the claim on its address in the directory.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::login_name::LoginName;
use super::model::{Email, Purpose, User};
use super::remembered;
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, DIRECTORY, customer};
use crate::error::{Code, Error, Result};
use crate::ports::documents::{Document, DocumentStore, NewDocument, Operation, PartitionKey};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, TenantId, UserId};

/// A claim whose account was not written within this time belongs to a process that died.
const UNFINISHED: Duration = Duration::minutes(1);
/// How long [`consents_to`] believes what it read.
const CONSENTS_BELIEVED: std::time::Duration = std::time::Duration::from_secs(30);
/// How often a change is put upon what others wrote meanwhile.
pub(super) const TURNS: usize = 5;
/// Whose documents are read in place of those that do not exist.
pub(super) const NOBODY: &str = "nobody";

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
    user_by_login(state, tenant, Some(&LoginName::Email(email.clone()))).await
}

/// The user who signs in by this name, or `None`. Two point reads also for a name that nobody has, and for
/// what is no name, so that the time does not tell.
pub(super) async fn user_by_login(
    state: &AppState,
    tenant: &TenantId,
    name: Option<&LoginName>,
) -> Result<Option<User>> {
    let id = name.map_or_else(|| "email_nobody".to_owned(), |name| name.claim_id(tenant));
    let found = state.documents.read(&DIRECTORY, &PartitionKey::of([&id]), &id).await?;
    let claim = found.map(|document| document.read::<Claim>()).transpose()?.filter(|claim| claim.tenant_id == *tenant);
    let owner = claim.as_ref().map_or(NOBODY, |claim| claim.user_id.as_str());
    let found = state.documents.read(&CUSTOMERS, &customer(tenant, owner), owner).await?;
    let user = found.filter(|_| claim.is_some()).map(|document| document.read::<User>()).transpose()?;
    Ok(user.filter(|user| name.is_some_and(|name| name.is_held_by(user))))
}

/// Writes a new user, the claim on its address first, so that one of many wins.
///
/// # Errors
/// [`Code::Conflict`] when the address has an account.
pub async fn create_user(state: &AppState, tenant: &TenantId, user: &User) -> Result<()> {
    create_user_from(state, tenant, user, None).await
}

/// The same for a request that came from `origin`.
pub(super) async fn create_user_from(
    state: &AppState,
    tenant: &TenantId,
    user: &User,
    origin: Option<&Origin>,
) -> Result<()> {
    claim(state, tenant, &LoginName::Email(user.email.clone()), &user.id).await?;
    let event = outbox::put_from(
        origin,
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

/// What is told of a change to an account.
pub(in crate::services) struct Told<'a> {
    pub kind: &'static str,
    pub data: Value,
    pub origin: Option<&'a Origin>,
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
    let told = Told { kind: "account.changed", data: json!({}), origin: None };
    change_user_telling(state, tenant, id, &told, change).await
}

/// The same with an event of its own.
pub(super) async fn change_user_telling(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
    told: &Told<'_>,
    change: impl Fn(&mut User),
) -> Result<User> {
    let change = |user: &mut User| {
        change(user);
        Ok(())
    };
    change_user_checked(state, tenant, id, told, change).await
}

/// The same; not at all when `change` refuses.
///
/// # Errors
/// Those of [`change_user`] and of `change`.
pub(in crate::services) async fn change_user_checked(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
    told: &Told<'_>,
    change: impl Fn(&mut User) -> Result<()>,
) -> Result<User> {
    for _ in 0..TURNS {
        let (mut user, document) = user_document(state, tenant, id).await?.ok_or_else(closed)?;
        change(&mut user)?;
        let operations = vec![replace(&user, document.etag)?, tell(state, tenant, id, told)?];
        if batch(state, tenant, id, operations).await? {
            remembered::forget(state, tenant, id).await;
            return Ok(user);
        }
    }
    Err(too_often())
}

/// The operation that replaces a user of this version.
pub(super) fn replace(user: &User, etag: ETag) -> Result<Operation> {
    Ok(Operation::Replace(NewDocument::new(user.id.as_str(), user)?, Condition::IfMatch(etag)))
}

/// The operation that tells of a change to an account.
pub(super) fn tell(state: &AppState, tenant: &TenantId, id: &UserId, told: &Told<'_>) -> Result<Operation> {
    let (event, now) = (EventId::generate(), state.clock.now());
    outbox::put_from(told.origin, event, told.kind, tenant, id.as_str(), now, told.data.clone())
}

/// Does all operations on a customer's documents or none; `false` when others changed one of them meanwhile.
///
/// # Errors
/// Those of the store.
pub(super) async fn batch(
    state: &AppState,
    tenant: &TenantId,
    id: &UserId,
    operations: Vec<Operation>,
) -> Result<bool> {
    match state.documents.batch(&CUSTOMERS, &customer(tenant, id.as_str()), operations).await {
        Ok(_) => Ok(true),
        Err(error) => match error.error.kind() {
            PortErrorKind::PreconditionFailed | PortErrorKind::Conflict | PortErrorKind::NotFound => Ok(false),
            _ => Err(error.error.into()),
        },
    }
}

/// What is told when others win every turn.
pub(super) fn too_often() -> Error {
    Error::new(Code::Unavailable, "The account changes too often at this moment; please try again.")
}

/// What is told to a token whose account is no more.
pub(in crate::services) fn closed() -> Error {
    Error::new(Code::InvalidToken, "This account is closed.")
}

/// Claims a name for a user: of many who ask for it at once one wins.
///
/// # Errors
/// [`Code::Conflict`] when another account has it.
pub(super) async fn claim(state: &AppState, tenant: &TenantId, name: &LoginName, user_id: &UserId) -> Result<()> {
    let id = name.claim_id(tenant);
    let partition = PartitionKey::of([&id]);
    let claim = Claim { tenant_id: tenant.clone(), user_id: user_id.clone(), claimed_at: state.clock.now() };
    let document = NewDocument::new(id.clone(), &claim)?;
    match state.documents.create(&DIRECTORY, &partition, document.clone()).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == PortErrorKind::Conflict => {}
        Err(error) => return Err(error.into()),
    }
    let taken = || Error::new(Code::Conflict, name.taken());
    let Some(found) = state.documents.read(&DIRECTORY, &partition, &id).await? else { return Err(taken()) };
    let held: Claim = found.read()?;
    // What the same account claimed before it died, it claims anew.
    if held.user_id != *user_id {
        let holder = user(state, tenant, &held.user_id).await?;
        let is_held = holder.is_some_and(|holder| name.is_held_by(&holder));
        if is_held || state.clock.now() - held.claimed_at < UNFINISHED {
            return Err(taken());
        }
    }
    match state.documents.replace(&DIRECTORY, &partition, document, Condition::IfMatch(found.etag)).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == PortErrorKind::PreconditionFailed => Err(taken()),
        Err(error) => Err(error.into()),
    }
}

/// Frees a name that a user holds no longer. A process that dies before leaves a claim that its account does
/// not hold, which others may take over.
pub(super) async fn free(state: &AppState, tenant: &TenantId, name: &LoginName, user_id: &UserId) -> Result<()> {
    let id = name.claim_id(tenant);
    let partition = PartitionKey::of([&id]);
    let Some(found) = state.documents.read(&DIRECTORY, &partition, &id).await? else { return Ok(()) };
    if found.read::<Claim>()?.user_id != *user_id {
        return Ok(());
    }
    match state.documents.delete(&DIRECTORY, &partition, &id, Condition::IfMatch(found.etag)).await {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), PortErrorKind::NotFound | PortErrorKind::PreconditionFailed) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
