//! Passwords: changed by who knows the present one, or set anew by a one-time token that is mailed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::devices::{self, DeviceToken};
use super::model::{Email, User};
use super::one_time::OneTimeToken;
use super::sign_ins::SignIns;
use super::store::{self, Told, user_document};
use super::{sessions, throttle};
use crate::audit::{Note, Origin, Outcome, Subject, actions};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function, LimitClass};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{EndReason, Lane, PasswordRule, Principal, Session};
use crate::ports::documents::{Document, NewDocument, Operation, Ttl};
use crate::ports::limits::Quota;
use crate::ports::secrets::Secret;
use crate::ports::{Condition, ETag};
use crate::state::AppState;
use crate::types::{Service, TenantId, UserId};

/// How long a token for a new password is good.
const RESET_SECONDS: u32 = 30 * 60;
/// What the documents of these tokens are named by.
const PURPOSE: &str = "reset";
/// Mails to one address, and requests from one network.
const MAILS: Quota = Quota { burst: 3, per: Duration::from_secs(3600) };
const REQUESTS: Quota = Quota { burst: 30, per: Duration::from_secs(3600) };

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let done = || json!({ "success": true, "message": "The password is changed." });
    vec![
        Function::http("AccountsAuthPassword", Service::Accounts, Method::PUT, "v1/auth/password", change)
            .limit(LimitClass::Credentials)
            .access(Access::SignedIn)
            .summary("Changes the password and ends all other sessions.")
            .takes::<ChangePassword>(
                "application/json",
                json!({ "currentPassword": "kanjivaram-9", "newPassword": "pochampally-7" }),
            )
            .answers::<Done>(StatusCode::OK, "It is changed.", done())
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests])
            .into(),
        Function::http(
            "AccountsAuthResetRequest",
            Service::Accounts,
            Method::POST,
            "v1/auth/password-reset-request",
            request_reset,
        )
        .limit(LimitClass::Credentials)
        .summary(
            "Has a one-time token for a new password mailed, if the address has an account; the answer does not tell.",
        )
        .takes::<ResetRequest>("application/json", json!({ "email": "lakshmi@example.in" }))
        .answers::<Done>(StatusCode::OK, "If there is an account, a mail is on its way.", done())
        .fails(&[Code::TooManyRequests])
        .into(),
        Function::http("AccountsAuthReset", Service::Accounts, Method::POST, "v1/auth/password-reset", reset)
            .limit(LimitClass::Credentials)
            .summary("Sets a new password by the token that was mailed, and ends all sessions.")
            .takes::<Reset>("application/json", json!({ "token": "…", "newPassword": "pochampally-7" }))
            .answers::<Done>(StatusCode::OK, "It is set.", done())
            .fails(&[Code::InvalidToken])
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ChangePassword {
    #[schema(format = "password")]
    current_password: String,
    #[schema(format = "password", min_length = 8, max_length = 128)]
    new_password: String,
}

#[derive(Deserialize, ToSchema)]
struct ResetRequest {
    #[schema(format = "email", max_length = 254)]
    email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reset {
    #[schema(format = "password")]
    token: String,
    #[schema(format = "password", min_length = 8, max_length = 128)]
    new_password: String,
}

#[derive(Serialize, ToSchema)]
struct Done {
    success: bool,
    message: &'static str,
    /// By what the device is known that set the password, as at `auth/login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

impl Done {
    fn saying(message: &'static str) -> Self {
        Self { success: true, message, device_token: None }
    }
}

/// What a token for a new password stands for, beside its account. Its id is the token's fingerprint.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResetClaim {
    kind: String,
    /// The epoch of the account when it was issued: another new password in between makes it void.
    epoch: u32,
    /// The hash of the address that it was mailed to: it is void once the account has another.
    sent_to: String,
    expires_at: DateTime<Utc>,
}

async fn change(state: AppState, request: Request) -> Result<Response> {
    let asked: ChangePassword = request.json()?;
    check("newPassword", &asked.new_password)?;
    let principal = request.principal()?;
    let user = verify_present(&state, &request, &asked.current_password).await?;
    let brought = devices::presented(&request, None);
    let (sign_ins, _) = SignIns::read(&state, &principal.tenant, user.id.as_str()).await?;
    let device = sign_ins.in_epoch(user.session_epoch).known(&brought, state.clock.now()).cloned();
    let hash = state.passwords.hash(Lane::Trusted, Secret::new(asked.new_password)).await?;
    let change = Change { verified: user.password_hash, hash, device };
    let user = change.store(&state, principal, &Origin::of(&request)).await?;
    let reason = EndReason::PasswordChanged;
    sessions::come_to_epoch(&state, &principal.tenant, &user, reason, Some(&Origin::of(&request))).await;
    Ok(no_store(json(&Done::saying("The password is changed."))?))
}

/// The caller's account, when `given` is its password: a stolen access token is no way to take it over, and
/// none to guess the password.
///
/// # Errors
/// [`Code::InvalidCredentials`] for another password, [`Code::TooManyRequests`] after many.
pub(in crate::services) async fn verify_present(state: &AppState, request: &Request, given: &str) -> Result<User> {
    let principal = request.principal()?;
    let user = store::user(state, &principal.tenant, &principal.user).await?.ok_or_else(store::closed)?;
    let attempt = throttle::by_session(state, &principal.tenant, user.id.as_str()).await?;
    if state.passwords.verify(Lane::Trusted, PasswordRule::cut(given), Some(user.password_hash.clone())).await? {
        attempt.succeeded(state).await;
        return Ok(user);
    }
    let id = user.id.to_string();
    state.audit.note(Note {
        tenant: principal.tenant.clone(),
        action: actions::LOGIN_FAILED,
        outcome: Outcome::Failed,
        actor: Some(id.clone()),
        subject: Some(Subject::Id(id)),
        origin: Origin::of(request),
        reason: "presentPassword",
    });
    Err(Error::new(Code::InvalidCredentials, "The present password is wrong."))
}

/// A new password by who knew the former one.
struct Change {
    /// The hash that the former one was verified against.
    verified: String,
    hash: String,
    /// The device that remains known.
    device: Option<DeviceToken>,
}

impl Change {
    /// Stores the password, and with it in one step that the caller's session goes on and no other does.
    async fn store(&self, state: &AppState, principal: &Principal, origin: &Origin) -> Result<User> {
        let (tenant, id, session_id) = (&principal.tenant, &principal.user, principal.session()?);
        let partition = customer(tenant, id.as_str());
        for _ in 0..store::TURNS {
            let now = state.clock.now();
            let (mut user, document) = user_document(state, tenant, id).await?.ok_or_else(store::closed)?;
            if user.password_hash != self.verified {
                return Err(Error::new(Code::InvalidCredentials, "The password was changed meanwhile."));
            }
            let ended = || Error::new(Code::InvalidToken, "The session has ended; sign in again.");
            let kept = state.documents.read(&CUSTOMERS, &partition, session_id.as_str()).await?.ok_or_else(ended)?;
            let session: Session = kept.read()?;
            if !session.is_live(now) || session.epoch != user.session_epoch {
                return Err(ended());
            }
            let (_, read) = SignIns::read(state, tenant, id.as_str()).await?;
            user.password_hash.clone_from(&self.hash);
            user.session_epoch += 1;
            let session = session.in_epoch(user.session_epoch);
            let mut sign_ins = SignIns::of_epoch(user.session_epoch);
            sign_ins.sessions.push(session.id.clone());
            if let Some(device) = &self.device {
                sign_ins.admit(device, now);
            }
            let told = Told { kind: "account.passwordChanged", data: json!({}), origin: Some(origin) };
            let operations = vec![
                store::replace(&user, document.etag)?,
                Operation::Replace(sessions::document(&session, now)?, Condition::IfMatch(kept.etag)),
                sign_ins.put(read)?,
                store::tell(state, tenant, id, &told)?,
            ];
            if store::batch(state, tenant, id, operations).await? {
                return Ok(user);
            }
        }
        Err(store::too_often())
    }
}

async fn request_reset(state: AppState, request: Request) -> Result<Response> {
    let asked: ResetRequest = request.json()?;
    let email = Email::parse(&asked.email)?;
    let tenant = request.caller.tenant().clone();
    let network = throttle::key(&tenant, "password-reset", request.client.address);
    let decision = state.limits.take(&network, REQUESTS, 1).await?;
    if !decision.allowed {
        let pause = decision.retry_after.unwrap_or(REQUESTS.per);
        return Err(Error::new(Code::TooManyRequests, "Too many requests for new passwords; please wait.")
            .with_retry_after(pause));
    }
    let mails = format!("mail:{}", email.claim_id(&tenant));
    let mails = state.limits.take(&mails, MAILS, 1).await?;
    let user = store::user_by_email(&state, &tenant, &email)
        .await?
        .filter(|user| mails.allowed && (user.active || user.erasure.is_some()));
    issue(&state, &tenant, user.as_ref(), &Origin::of(&request)).await?;
    Ok(no_store(json(&Done::saying("If the address has an account, a mail is on its way."))?))
}

/// Stores a token and hands it to the mailer. For nobody it writes as much, to be forgotten soon.
async fn issue(state: &AppState, tenant: &TenantId, user: Option<&User>, origin: &Origin) -> Result<()> {
    let token = OneTimeToken::generate(tenant, user.map_or_else(UserId::generate, |user| user.id.clone()))?;
    let now = state.clock.now();
    let expires_at = now + chrono::Duration::seconds(i64::from(RESET_SECONDS));
    let epoch = user.map_or(0, |user| user.session_epoch);
    let sent_to = user.map(|user| user.email.claim_id(tenant)).unwrap_or_default();
    let claim = ResetClaim { kind: "passwordReset".into(), epoch, sent_to, expires_at };
    let claim = NewDocument::new(token.id(PURPOSE), &claim)?;
    let (owner, operations) = match user {
        Some(user) => {
            let data = json!({ "email": user.email, "firstName": user.first_name, "token": token.text(), "expiresAt": expires_at });
            let told = Told { kind: "account.passwordResetRequested", data, origin: Some(origin) };
            let claim = Operation::Create(claim.with_ttl(Ttl::Seconds(RESET_SECONDS)));
            (user.id.as_str(), vec![claim, store::tell(state, tenant, &user.id, &told)?])
        }
        None => {
            let nothing = NewDocument::new("nothing", &json!({ "kind": "nothing" }))?.with_ttl(Ttl::Seconds(60));
            (store::NOBODY, vec![Operation::Create(claim.with_ttl(Ttl::Seconds(60))), Operation::Upsert(nothing)])
        }
    };
    let partition = customer(tenant, owner);
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(())
}

async fn reset(state: AppState, request: Request) -> Result<Response> {
    let asked: Reset = request.json()?;
    check("newPassword", &asked.new_password)?;
    let token = OneTimeToken::parse(&asked.token).ok_or_else(invalid)?;
    let (tenant, id, origin) = (&token.tenant, &token.user, Origin::of(&request));
    // Nothing is hashed for a guess.
    usable(&state, &token).await?;
    let hash = state.passwords.hash(Lane::Trusted, Secret::new(asked.new_password)).await?;
    let device = DeviceToken::generate()?;
    for _ in 0..store::TURNS {
        let (mut user, document, claim) = usable(&state, &token).await?;
        let (_, read) = SignIns::read(&state, tenant, id.as_str()).await?;
        user.password_hash.clone_from(&hash);
        user.session_epoch += 1;
        let mut sign_ins = SignIns::of_epoch(user.session_epoch);
        sign_ins.admit(&device, state.clock.now());
        let told = Told { kind: "account.passwordReset", data: json!({}), origin: Some(&origin) };
        // The token is used up by the step that sets the password: of two who bring it at once one wins, and
        // who fails may bring it again.
        let operations = vec![
            Operation::Delete(token.id(PURPOSE), Condition::IfMatch(claim)),
            store::replace(&user, document.etag)?,
            sign_ins.put(read)?,
            store::tell(&state, tenant, id, &told)?,
        ];
        if store::batch(&state, tenant, id, operations).await? {
            sessions::come_to_epoch(&state, tenant, &user, EndReason::PasswordChanged, Some(&origin)).await;
            let done = Done::saying("The password is set; sign in with it.");
            let done = Done { device_token: Some(device.text()), ..done };
            return devices::keep(no_store(json(&done)?), &device, &devices::presented(&request, None));
        }
    }
    Err(store::too_often())
}

/// Sets a password without asking for the present one, and ends the account's sessions: for the operator.
///
/// # Errors
/// Those of the hash, and of a change to the account.
pub(super) async fn set(state: &AppState, tenant: &TenantId, user: &UserId, password: String) -> Result<()> {
    let hash = state.passwords.hash(Lane::Trusted, Secret::new(password)).await?;
    let told = Told { kind: "account.passwordChanged", data: json!({ "actor": "operator" }), origin: None };
    let set = |user: &mut User| {
        user.password_hash.clone_from(&hash);
        user.session_epoch += 1;
    };
    let user = store::change_user_telling(state, tenant, user, &told, set).await?;
    sessions::come_to_epoch(state, tenant, &user, EndReason::PasswordChanged, None).await;
    Ok(())
}

fn invalid() -> Error {
    Error::new(Code::InvalidToken, "The token is not valid (any more); ask for a new one.")
}

/// The account that a token is for, and the version of what it stands for.
async fn usable(state: &AppState, token: &OneTimeToken) -> Result<(User, Document, ETag)> {
    let partition = customer(&token.tenant, token.user.as_str());
    let found = state.documents.read(&CUSTOMERS, &partition, &token.id(PURPOSE)).await?.ok_or_else(invalid)?;
    let claim: ResetClaim = found.read()?;
    let (user, document) = user_document(state, &token.tenant, &token.user).await?.ok_or_else(invalid)?;
    let good = state.clock.now() < claim.expires_at
        && claim.epoch == user.session_epoch
        && claim.sent_to == user.email.claim_id(&token.tenant)
        && user.active;
    if good { Ok((user, document, found.etag)) } else { Err(invalid()) }
}

fn check(field: &str, password: &str) -> Result<()> {
    if PasswordRule::allows(password) {
        return Ok(());
    }
    let (min, max) = (PasswordRule::MIN_CHARS, PasswordRule::MAX_CHARS);
    Err(Error::field(field, format!("expected {min} to {max} characters")))
}
