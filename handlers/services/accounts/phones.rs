//! The phone number of an account: verified by a code that is sent to it, and from then on a name to sign in
//! by.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::auth::{UserView, user_example};
use super::login_name::LoginName;
use super::phone::Phone;
use super::profile::ProfileAnswer;
use super::remembered;
use super::store::{self, Told};
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, json_with, no_store};
use crate::ports::Condition;
use crate::ports::documents::{NewDocument, Operation, Ttl};
use crate::ports::limits::Quota;
use crate::state::AppState;
use crate::types::Service;

/// The document of the code that was sent last; a newer one takes its place.
const PENDING: &str = "phone-code";
/// How long a code is good, and how often one may be tried.
const CODE_SECONDS: u32 = 10 * 60;
const MAX_TRIES: u32 = 5;
/// Codes that are sent to one number, and for one account.
const TO_NUMBER: Quota = Quota { burst: 3, per: Duration::from_secs(3600) };
const FOR_ACCOUNT: Quota = Quota { burst: 5, per: Duration::from_secs(3600) };

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let account = || json!({ "success": true, "user": user_example() });
    vec![
        Function::http("AccountsPhoneCreate", Service::Accounts, Method::POST, "v1/users/me/phone", create)
            .access(Access::SignedIn)
            .summary("Has a code sent to a phone number, which proves at `phone/verify` whose it is.")
            .takes::<PhoneRequest>("application/json", json!({ "phone": "+91 98765 43210" }))
            .answers::<CodeSent>(
                StatusCode::ACCEPTED,
                "A code is on its way.",
                json!({ "success": true, "phone": "+91…10", "expiresAt": "2026-01-15T06:40:00Z" }),
            )
            .fails(&[Code::TooManyRequests])
            .into(),
        Function::http("AccountsPhoneVerify", Service::Accounts, Method::POST, "v1/users/me/phone/verify", verify)
            .access(Access::SignedIn)
            .summary("Makes a phone number the account's by the code that was sent to it.")
            .takes::<VerifyPhone>("application/json", json!({ "code": "123456" }))
            .answers::<ProfileAnswer>(
                StatusCode::OK,
                "It is the account's, which can be signed in to by it.",
                account(),
            )
            .fails(&[Code::Conflict])
            .into(),
        Function::http("AccountsPhoneDelete", Service::Accounts, Method::DELETE, "v1/users/me/phone", delete)
            .access(Access::SignedIn)
            .summary("Removes the phone number from the account; another may have it then.")
            .answers::<ProfileAnswer>(StatusCode::OK, "It is removed.", account())
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
struct PhoneRequest {
    /// E.164; ten digits without a country code are a number of India.
    #[schema(max_length = 40)]
    phone: String,
}

#[derive(Deserialize, ToSchema)]
struct VerifyPhone {
    #[schema(pattern = "^[0-9]{6}$")]
    code: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CodeSent {
    success: bool,
    /// Where to, its middle hidden.
    phone: String,
    expires_at: DateTime<Utc>,
}

/// A code that was sent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    kind: String,
    phone: Phone,
    salt: String,
    fingerprint: String,
    expires_at: DateTime<Utc>,
    tries: u32,
}

/// Six digits, each as likely as any other.
fn fresh_code() -> Result<String> {
    // Above the greatest multiple of a million a number would favour small codes.
    const BOUND: u32 = u32::MAX - u32::MAX % 1_000_000;
    loop {
        let mut bytes = [0; 4];
        rand::fill(&mut bytes).map_err(Error::internal)?;
        let number = u32::from_be_bytes(bytes);
        if number < BOUND {
            return Ok(format!("{:06}", number % 1_000_000));
        }
    }
}

/// What is stored of a code. A million codes are soon tried; what protects them is their short life.
fn fingerprint(salt: &str, code: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{salt}\n{code}").as_bytes()).as_ref())
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: PhoneRequest = request.json()?;
    let phone = Phone::parse(&asked.phone)?;
    let principal = request.principal()?;
    let (tenant, id) = (&principal.tenant, &principal.user);
    let account = format!("sms:{tenant}:{id}");
    for (key, quota) in [(account, FOR_ACCOUNT), (format!("sms:{}", phone.claim_id(tenant)), TO_NUMBER)] {
        let decision = state.limits.take(&key, quota, 1).await?;
        if !decision.allowed {
            return Err(Error::new(Code::TooManyRequests, "Too many codes were asked for; please wait.")
                .with_retry_after(decision.retry_after.unwrap_or(quota.per)));
        }
    }
    if store::user(&state, tenant, id).await?.is_none() {
        return Err(store::closed());
    }
    let (code, mut salt) = (fresh_code()?, [0; 16]);
    rand::fill(&mut salt).map_err(Error::internal)?;
    let salt = URL_SAFE_NO_PAD.encode(salt);
    let expires_at = state.clock.now() + chrono::Duration::seconds(i64::from(CODE_SECONDS));
    let pending = Pending {
        kind: "phoneCode".into(),
        phone: phone.clone(),
        fingerprint: fingerprint(&salt, &code),
        salt,
        expires_at,
        tries: 0,
    };
    let origin = Origin::of(&request);
    let data = json!({ "phone": phone, "code": code, "expiresAt": expires_at });
    let told = Told { kind: "account.phoneCodeRequested", data, origin: Some(&origin) };
    let pending = NewDocument::new(PENDING, &pending)?.with_ttl(Ttl::Seconds(CODE_SECONDS));
    let operations = vec![Operation::Upsert(pending), store::tell(&state, tenant, id, &told)?];
    let partition = customer(tenant, id.as_str());
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    let sent = CodeSent { success: true, phone: phone.hint(), expires_at };
    Ok(no_store(json_with(StatusCode::ACCEPTED, &sent)?))
}

async fn verify(state: AppState, request: Request) -> Result<Response> {
    let asked: VerifyPhone = request.json()?;
    let principal = request.principal()?;
    let phone = proved(&state, principal, asked.code.trim()).await?;
    let name = LoginName::Phone(phone.clone());
    store::claim(&state, &principal.tenant, &name, &principal.user).await?;
    let user = set(&state, &request, "account.phoneVerified", Some(phone)).await?;
    let partition = customer(&principal.tenant, principal.user.as_str());
    if let Err(error) = state.documents.delete(&CUSTOMERS, &partition, PENDING, Condition::None).await {
        tracing::debug!(%error, "a code that was used ends by itself");
    }
    Ok(no_store(json(&ProfileAnswer { success: true, user })?))
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let user = set(&state, &request, "account.phoneRemoved", None).await?;
    Ok(no_store(json(&ProfileAnswer { success: true, user })?))
}

/// The number that the code proves to be the caller's. Every try counts before it is looked at, so that many at
/// once are no more than many in turn.
async fn proved(state: &AppState, principal: &crate::identity::Principal, code: &str) -> Result<Phone> {
    let wrong = || Error::field("code", "it is not the code that was sent last, or its time is over");
    let partition = customer(&principal.tenant, principal.user.as_str());
    for _ in 0..store::TURNS {
        let found = state.documents.read(&CUSTOMERS, &partition, PENDING).await?.ok_or_else(wrong)?;
        let mut pending: Pending = found.read()?;
        let left = pending.expires_at - state.clock.now();
        if left <= chrono::Duration::zero() {
            return Err(wrong());
        }
        if pending.tries >= MAX_TRIES {
            return Err(Error::field("code", "it was tried too often; have a new one sent"));
        }
        pending.tries += 1;
        let seconds = u32::try_from(left.num_seconds().max(1)).unwrap_or(CODE_SECONDS);
        let document = NewDocument::new(PENDING, &pending)?.with_ttl(Ttl::Seconds(seconds));
        let counted = Operation::Replace(document, Condition::IfMatch(found.etag));
        if store::batch(state, &principal.tenant, &principal.user, vec![counted]).await? {
            let given = fingerprint(&pending.salt, code);
            let same = verify_slices_are_equal(given.as_bytes(), pending.fingerprint.as_bytes()).is_ok();
            return if same { Ok(pending.phone) } else { Err(wrong()) };
        }
    }
    Err(store::too_often())
}

/// Gives the account this number or none, and frees the one that it had.
async fn set(state: &AppState, request: &Request, kind: &'static str, phone: Option<Phone>) -> Result<UserView> {
    let (principal, origin) = (request.principal()?, Origin::of(request));
    let (tenant, id) = (&principal.tenant, &principal.user);
    for _ in 0..store::TURNS {
        let (mut user, document) = store::user_document(state, tenant, id).await?.ok_or_else(store::closed)?;
        if user.phone == phone {
            return Ok(UserView::of(&user));
        }
        let former = std::mem::replace(&mut user.phone, phone.clone());
        let told = Told { kind, data: json!({}), origin: Some(&origin) };
        let operations = vec![store::replace(&user, document.etag)?, store::tell(state, tenant, id, &told)?];
        if store::batch(state, tenant, id, operations).await? {
            remembered::forget(state, tenant, id).await;
            if let Some(former) = former {
                store::free(state, tenant, &LoginName::Phone(former), id).await?;
            }
            return Ok(UserView::of(&user));
        }
    }
    Err(store::too_often())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits() {
        let codes: std::collections::BTreeSet<String> = (0..100).map(|_| fresh_code().unwrap()).collect();
        assert!(codes.iter().all(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())));
        assert!(codes.len() > 90);
    }
}
