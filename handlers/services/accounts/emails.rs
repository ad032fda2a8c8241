//! Another email address for an account: verified by a one-time token that is mailed to it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::auth::{UserView, user_example};
use super::login_name::LoginName;
use super::model::{Email, User};
use super::one_time::OneTimeToken;
use super::passwords::verify_present;
use super::profile::ProfileAnswer;
use super::remembered;
use super::store::{self, Told};
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, json_with, no_store};
use crate::ports::documents::{NewDocument, Operation, Ttl};
use crate::ports::limits::Quota;
use crate::ports::{Condition, ETag};
use crate::state::AppState;
use crate::types::Service;

/// How long a token is good.
const TOKEN_SECONDS: u32 = 24 * 3600;
/// Mails to one address, and for one account.
const MAILS: Quota = Quota { burst: 3, per: Duration::from_secs(3600) };
/// What the documents of these tokens are named by.
const PURPOSE: &str = "email";

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("AccountsEmailCreate", Service::Accounts, Method::POST, "v1/users/me/email", create)
            .access(Access::SignedIn)
            .summary("Has a one-time token mailed to another address, which becomes the account's by it.")
            .takes::<EmailRequest>(
                "application/json",
                json!({ "email": "lakshmi.rao@example.in", "currentPassword": "kanjivaram-9" }),
            )
            .answers::<TokenMailed>(
                StatusCode::ACCEPTED,
                "A mail is on its way.",
                json!({ "success": true, "expiresAt": "2026-01-16T06:30:00Z" }),
            )
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests])
            .into(),
        Function::http("AccountsEmailVerify", Service::Accounts, Method::POST, "v1/users/email/verify", verify)
            .summary("Makes an address the account's by the token that was mailed to it.")
            .takes::<VerifyEmail>("application/json", json!({ "token": "…" }))
            .answers::<ProfileAnswer>(
                StatusCode::OK,
                "It is the account's; the former one is free.",
                json!({ "success": true, "user": user_example() }),
            )
            .fails(&[Code::InvalidToken, Code::Conflict])
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EmailRequest {
    #[schema(format = "email", max_length = 254)]
    email: String,
    #[schema(format = "password")]
    current_password: String,
}

#[derive(Deserialize, ToSchema)]
struct VerifyEmail {
    #[schema(format = "password")]
    token: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenMailed {
    success: bool,
    expires_at: DateTime<Utc>,
}

/// What a token is good for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    kind: String,
    email: Email,
    /// The epoch of the account when it was mailed: a new password in between makes it void.
    epoch: u32,
    expires_at: DateTime<Utc>,
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: EmailRequest = request.json()?;
    let email = Email::parse(&asked.email)?;
    let principal = request.principal()?;
    let (tenant, id) = (&principal.tenant, &principal.user);
    // Who has stolen an access token cannot take the account over.
    let user = verify_present(&state, &request, &asked.current_password).await?;
    for key in [format!("email-change:{tenant}:{id}"), format!("mail:{}", email.claim_id(tenant))] {
        let decision = state.limits.take(&key, MAILS, 1).await?;
        if !decision.allowed {
            return Err(Error::new(Code::TooManyRequests, "Too many mails were asked for; please wait.")
                .with_retry_after(decision.retry_after.unwrap_or(MAILS.per)));
        }
    }
    let token = OneTimeToken::generate(tenant, id.clone())?;
    let expires_at = state.clock.now() + chrono::Duration::seconds(i64::from(TOKEN_SECONDS));
    let pending = Pending { kind: "emailChange".into(), email: email.clone(), epoch: user.session_epoch, expires_at };
    let pending = NewDocument::new(token.id(PURPOSE), &pending)?.with_ttl(Ttl::Seconds(TOKEN_SECONDS));
    let origin = Origin::of(&request);
    let data = json!({ "email": email, "firstName": user.first_name, "token": token.text(), "expiresAt": expires_at });
    let told = Told { kind: "account.emailChangeRequested", data, origin: Some(&origin) };
    let operations = vec![Operation::Create(pending), store::tell(&state, tenant, id, &told)?];
    let partition = customer(tenant, id.as_str());
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(no_store(json_with(StatusCode::ACCEPTED, &TokenMailed { success: true, expires_at })?))
}

async fn verify(state: AppState, request: Request) -> Result<Response> {
    let asked: VerifyEmail = request.json()?;
    let token = OneTimeToken::parse(&asked.token).ok_or_else(invalid)?;
    let (tenant, id, origin) = (&token.tenant, &token.user, Origin::of(&request));
    let (_, _, pending, _) = usable(&state, &token).await?;
    store::claim(&state, tenant, &LoginName::Email(pending.email), id).await?;
    for _ in 0..store::TURNS {
        let (mut user, document, pending, etag) = usable(&state, &token).await?;
        let former = std::mem::replace(&mut user.email, pending.email);
        let data = json!({ "email": user.email, "formerEmail": former, "firstName": user.first_name });
        let told = Told { kind: "account.emailChanged", data, origin: Some(&origin) };
        let operations = vec![
            Operation::Delete(token.id(PURPOSE), Condition::IfMatch(etag)),
            store::replace(&user, document.etag)?,
            store::tell(&state, tenant, id, &told)?,
        ];
        if store::batch(&state, tenant, id, operations).await? {
            remembered::forget(&state, tenant, id).await;
            if former != user.email {
                store::free(&state, tenant, &LoginName::Email(former), id).await?;
            }
            return Ok(no_store(json(&ProfileAnswer { success: true, user: UserView::of(&user) })?));
        }
    }
    Err(store::too_often())
}

fn invalid() -> Error {
    Error::new(Code::InvalidToken, "The token is not valid (any more); ask for a new one.")
}

/// The account that a token is for, and what it is good for, each with its version.
async fn usable(
    state: &AppState,
    token: &OneTimeToken,
) -> Result<(User, crate::ports::documents::Document, Pending, ETag)> {
    let partition = customer(&token.tenant, token.user.as_str());
    let found = state.documents.read(&CUSTOMERS, &partition, &token.id(PURPOSE)).await?.ok_or_else(invalid)?;
    let pending: Pending = found.read()?;
    let (user, document) = store::user_document(state, &token.tenant, &token.user).await?.ok_or_else(invalid)?;
    let good = state.clock.now() < pending.expires_at && pending.epoch == user.session_epoch && user.active;
    if good { Ok((user, document, pending, found.etag)) } else { Err(invalid()) }
}
