//! Passwords: changed by who knows the present one, or set anew by a one-time token that is mailed.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::auth::throttle_key;
use super::model::{Email, User};
use super::store::{self, change_user};
use super::{auth, sessions};
use crate::containers::{CUSTOMERS, DIRECTORY, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{EndReason, PasswordRule};
use crate::ports::documents::{NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::limits::Quota;
use crate::ports::secrets::Secret;
use crate::ports::{Condition, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, Service, TenantId, UserId};

/// How long a token for a new password is good.
const RESET_SECONDS: u32 = 30 * 60;
/// Mails to one address, and requests from one network.
const MAILS: Quota = Quota { burst: 3, per: Duration::from_secs(3600) };
const REQUESTS: Quota = Quota { burst: 30, per: Duration::from_secs(3600) };

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let done = || json!({ "success": true, "message": "The password is changed." });
    vec![
        Function::http("AccountsAuthPassword", Service::Accounts, Method::PUT, "v1/auth/password", change)
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
        .summary(
            "Has a one-time token for a new password mailed, if the address has an account; the answer does not tell.",
        )
        .takes::<ResetRequest>("application/json", json!({ "email": "lakshmi@example.in" }))
        .answers::<Done>(StatusCode::OK, "If there is an account, a mail is on its way.", done())
        .fails(&[Code::TooManyRequests])
        .into(),
        Function::http("AccountsAuthReset", Service::Accounts, Method::POST, "v1/auth/password-reset", reset)
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
}

/// What a token for a new password stands for, by its fingerprint in the directory.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    tenant_id: TenantId,
    /// `None` where the address has no account: written all the same, so that the answer takes as long.
    user_id: Option<UserId>,
    expires_at: DateTime<Utc>,
}

async fn change(state: AppState, request: Request) -> Result<Response> {
    let asked: ChangePassword = request.json()?;
    check("newPassword", &asked.new_password)?;
    let principal = request.principal()?;
    let user = store::user(&state, &principal.tenant, &principal.user).await?.ok_or_else(store::closed)?;
    // A stolen access token is no way to guess the password.
    let throttle = throttle_key(&principal.tenant, user.email.as_str(), request.client.address);
    auth::count_attempt(&state, &throttle).await?;
    let given = asked.current_password.chars().take(PasswordRule::MAX_CHARS + 1).collect::<String>();
    if !state.passwords.verify(Secret::new(given), Some(user.password_hash)).await? {
        return Err(Error::new(Code::InvalidCredentials, "The present password is wrong."));
    }
    auth::forget_attempts(&state, &throttle).await;
    set(&state, &principal.tenant, &principal.user, asked.new_password).await?;
    let kept = Some(principal.session()?);
    sessions::end_all(&state, &principal.tenant, &principal.user, kept, EndReason::PasswordChanged).await?;
    Ok(no_store(json(&Done { success: true, message: "The password is changed." })?))
}

async fn request_reset(state: AppState, request: Request) -> Result<Response> {
    let asked: ResetRequest = request.json()?;
    let email = Email::parse(&asked.email)?;
    let tenant = request.caller.tenant().clone();
    let network = throttle_key(&tenant, "password-reset", request.client.address);
    let decision = state.limits.take(&network, REQUESTS, 1).await?;
    if !decision.allowed {
        let pause = decision.retry_after.unwrap_or(REQUESTS.per);
        return Err(Error::new(Code::TooManyRequests, "Too many requests for new passwords; please wait.")
            .with_retry_after(pause));
    }
    let mails = state.limits.take(&throttle_key(&tenant, email.as_str(), None), MAILS, 1).await?;
    let user = store::user_by_email(&state, &tenant, &email).await?.filter(|user| user.active && mails.allowed);
    issue(&state, &tenant, user.as_ref()).await?;
    let message = "If the address has an account, a mail is on its way.";
    Ok(no_store(json(&Done { success: true, message })?))
}

/// Stores a token and hands it to the mailer. For nobody it writes as much, to be forgotten soon.
async fn issue(state: &AppState, tenant: &TenantId, user: Option<&User>) -> Result<()> {
    let mut token = [0; 32];
    rand::fill(&mut token).map_err(Error::internal)?;
    let token = URL_SAFE_NO_PAD.encode(token);
    let now = state.clock.now();
    let expires_at = now + chrono::Duration::seconds(i64::from(RESET_SECONDS));
    let claim = Claim { tenant_id: tenant.clone(), user_id: user.map(|user| user.id.clone()), expires_at };
    let id = claim_id(&token);
    let document = NewDocument::new(id.clone(), &claim)?.with_ttl(Ttl::Seconds(RESET_SECONDS));
    state.documents.create(&DIRECTORY, &PartitionKey::of([&id]), document).await?;
    let (owner, event) = match user {
        Some(user) => {
            let data =
                json!({ "email": user.email, "firstName": user.first_name, "token": token, "expiresAt": expires_at });
            let kind = "account.passwordResetRequested";
            (user.id.as_str(), outbox::put(EventId::generate(), kind, tenant, user.id.as_str(), now, data)?)
        }
        None => {
            let nothing = NewDocument::new("nothing", &json!({ "kind": "nothing" }))?.with_ttl(Ttl::Seconds(60));
            ("nobody", Operation::Upsert(nothing))
        }
    };
    let partition = customer(tenant, owner);
    state.documents.batch(&CUSTOMERS, &partition, vec![event]).await.map_err(|error| Error::from(error.error))?;
    Ok(())
}

async fn reset(state: AppState, request: Request) -> Result<Response> {
    let asked: Reset = request.json()?;
    check("newPassword", &asked.new_password)?;
    let invalid = || Error::new(Code::InvalidToken, "The token is not valid (any more); ask for a new one.");
    let id = claim_id(&asked.token);
    let partition = PartitionKey::of([&id]);
    let found = state.documents.read(&DIRECTORY, &partition, &id).await?.ok_or_else(invalid)?;
    let claim: Claim = found.read()?;
    let user = claim.user_id.filter(|_| state.clock.now() < claim.expires_at).ok_or_else(invalid)?;
    // Used up before it counts: of two who bring it at once one wins.
    match state.documents.delete(&DIRECTORY, &partition, &id, Condition::IfMatch(found.etag)).await {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), PortErrorKind::NotFound | PortErrorKind::PreconditionFailed) => {
            return Err(invalid());
        }
        Err(error) => return Err(error.into()),
    }
    set(&state, &claim.tenant_id, &user, asked.new_password).await?;
    sessions::end_all(&state, &claim.tenant_id, &user, None, EndReason::PasswordChanged).await?;
    Ok(no_store(json(&Done { success: true, message: "The password is set; sign in with it." })?))
}

pub(super) async fn set(state: &AppState, tenant: &TenantId, user: &UserId, password: String) -> Result<()> {
    let hash = state.passwords.hash(Secret::new(password)).await?;
    change_user(state, tenant, user, |user| user.password_hash.clone_from(&hash)).await?;
    Ok(())
}

fn check(field: &str, password: &str) -> Result<()> {
    if PasswordRule::allows(password) {
        return Ok(());
    }
    let (min, max) = (PasswordRule::MIN_CHARS, PasswordRule::MAX_CHARS);
    Err(Error::field(field, format!("expected {min} to {max} characters")))
}

/// The token is random, so a plain hash cannot be searched.
fn claim_id(token: &str) -> String {
    format!("reset_{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()).as_ref()))
}
