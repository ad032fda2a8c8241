//! Registration, sign-in, and the keys that verify tokens.

use std::net::IpAddr;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::model::{Email, User};
use super::{sessions, store};
use crate::audit::{Note, Origin, Outcome, Subject, actions};
use crate::error::{Code, Error, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::conditional::with_content_etag;
use crate::http::{Request, Response, json, json_with, no_store};
use crate::identity::{AccessToken, PasswordRule, RefreshToken, Role, not_ready};
use crate::ports::secrets::Secret;
use crate::state::AppState;
use crate::types::Service;
use crate::types::{TierId, UserId};

/// Failed sign-ins to one account from one network within [`THROTTLE_WINDOW`].
const MAX_FAILURES: u64 = 10;
const THROTTLE_WINDOW: Duration = Duration::from_secs(15 * 60);
pub(super) const MAX_NAME_CHARS: usize = 100;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let credentials = || json!({ "email": "lakshmi@example.in", "password": "kanjivaram-9" });
    vec![
        Function::http("AccountsAuthRegister", Service::Accounts, Method::POST, "v1/auth/register", register)
            .summary("Opens an account and signs in.")
            .takes::<RegisterRequest>("application/json", json!({ "email": "lakshmi@example.in", "password": "kanjivaram-9", "firstName": "Lakshmi", "lastName": "Rao" }))
            .answers::<SignedIn>(StatusCode::CREATED, "The account is open.", signed_in_example())
            .fails(&[Code::Conflict])
            .into(),
        Function::http("AccountsAuthLogin", Service::Accounts, Method::POST, "v1/auth/login", login)
            .summary("Signs in with email and password, as a form (OAuth 2.0 password grant) or JSON.")
            .takes::<LoginRequest>("application/json", credentials())
            .takes::<LoginRequest>("application/x-www-form-urlencoded", json!({ "username": "lakshmi@example.in", "password": "kanjivaram-9" }))
            .answers::<SignedIn>(StatusCode::OK, "Signed in.", signed_in_example())
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests])
            .into(),
        Function::http("AccountsAuthLoginJson", Service::Accounts, Method::POST, "v1/auth/login/json", login)
            .summary("Signs in with JSON; the same as `auth/login`.")
            .takes::<LoginRequest>("application/json", credentials())
            .answers::<SignedIn>(StatusCode::OK, "Signed in.", signed_in_example())
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests])
            .into(),
        Function::http("AccountsAuthMe", Service::Accounts, Method::GET, "v1/auth/me", me)
            .access(Access::SignedIn)
            .summary("Shows who is signed in.")
            .answers::<UserView>(StatusCode::OK, "The caller's account.", user_example())
            .into(),
        Function::http("AccountsJwks", Service::Accounts, Method::GET, "v1/.well-known/jwks.json", jwks)
            .summary("The public keys that verify access tokens (RFC 7517).")
            .answers::<JwkSet>(StatusCode::OK, "The key set.", json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "…", "x": "…" }] }))
            .into(),
    ]
}

pub(super) fn user_example() -> Value {
    json!({ "id": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "email": "lakshmi@example.in", "username": "lakshmi@example.in", "firstName": "Lakshmi", "lastName": "Rao", "fullName": "Lakshmi Rao", "role": "customer", "tier": "free", "isActive": true, "createdAt": "2026-01-15T06:30:00Z" })
}

pub(super) fn signed_in_example() -> Value {
    json!({ "success": true, "access_token": "eyJ…", "token": "eyJ…", "token_type": "bearer", "expires_in": 900, "refresh_token": "pravis.usr_….ses_….…", "user_id": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "user": user_example() })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RegisterRequest {
    #[schema(format = "email", max_length = 254)]
    email: String,
    #[schema(format = "password", min_length = 8, max_length = 128)]
    password: String,
    #[serde(default)]
    #[schema(max_length = 100)]
    first_name: String,
    #[serde(default)]
    #[schema(max_length = 100)]
    last_name: String,
}

/// `email` and `username` are the same; one of them is needed.
#[derive(Deserialize, ToSchema)]
struct LoginRequest {
    email: Option<String>,
    username: Option<String>,
    #[schema(format = "password")]
    password: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct SignedIn {
    success: bool,
    /// The access token, to be sent as `Authorization: Bearer …`.
    access_token: String,
    /// The same token, for the storefront.
    token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Good once, at `auth/refresh`.
    refresh_token: String,
    user_id: String,
    user: UserView,
}

impl SignedIn {
    pub(super) fn of(user: &User, access: AccessToken, refresh: &RefreshToken) -> Self {
        Self {
            success: true,
            token: access.token.clone(),
            access_token: access.token,
            token_type: "bearer",
            expires_in: access.expires_in.num_seconds(),
            refresh_token: refresh.text(),
            user_id: user.id.to_string(),
            user: UserView::of(user),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: String,
    email: String,
    username: String,
    first_name: String,
    last_name: String,
    full_name: String,
    role: Role,
    tier: String,
    is_active: bool,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
struct JwkSet {
    keys: Vec<Value>,
}

impl UserView {
    pub(super) fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            username: user.email.as_str().to_owned(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            full_name: format!("{} {}", user.first_name, user.last_name).trim().to_owned(),
            role: user.role,
            tier: user.tier.to_string(),
            is_active: user.active,
            created_at: user.created_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }
}

async fn register(state: AppState, request: Request) -> Result<Response> {
    // An account whose owner is not signed in could not be opened again.
    if !state.keys.ready() {
        return Err(not_ready());
    }
    let asked: RegisterRequest = request.json_of_any_type()?;
    let email = check(&asked)?;
    let tenant = request.caller.tenant().clone();
    // Checked before the costly hash; the claim decides for good.
    if store::user_by_email(&state, &tenant, &email).await?.is_some() {
        return Err(Error::new(Code::Conflict, "There is an account with this email address; sign in instead."));
    }
    let user = User {
        kind: User::KIND.into(),
        id: UserId::generate(),
        email,
        password_hash: state.passwords.hash(Secret::new(asked.password)).await?,
        first_name: asked.first_name.trim().to_owned(),
        last_name: asked.last_name.trim().to_owned(),
        role: Role::Customer,
        tier: TierId::FREE,
        active: true,
        version: 0,
        created_at: state.clock.now(),
        consents: Default::default(),
    };
    store::create_user(&state, &tenant, &user).await?;
    let signed_in = sessions::begin(&state, &tenant, &user, sessions::device(&request)).await?;
    Ok(no_store(json_with(StatusCode::CREATED, &signed_in)?))
}

fn check(asked: &RegisterRequest) -> Result<Email> {
    let mut problems = Vec::new();
    let mut refuse = |field: &str, message: String| problems.push(FieldError { field: field.into(), message });
    let email = Email::parse(&asked.email);
    if email.is_err() {
        refuse("email", "expected an email address".into());
    }
    if !PasswordRule::allows(&asked.password) {
        let (min, max) = (PasswordRule::MIN_CHARS, PasswordRule::MAX_CHARS);
        refuse("password", format!("expected {min} to {max} characters"));
    }
    for (field, name) in [("firstName", &asked.first_name), ("lastName", &asked.last_name)] {
        if !is_name(name) {
            refuse(field, format!("expected at most {MAX_NAME_CHARS} characters, none of control"));
        }
    }
    if problems.is_empty() { email } else { Err(Error::fields(problems)) }
}

/// Whether a text may be a person's name.
pub(super) fn is_name(text: &str) -> bool {
    text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control)
}

/// Counts an attempt at a password, and refuses those beyond [`MAX_FAILURES`].
pub(super) async fn count_attempt(state: &AppState, throttle: &str) -> Result<()> {
    let failures = state.cache.increment(throttle, 1, THROTTLE_WINDOW).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "sign-ins are not counted");
        0
    });
    if failures > MAX_FAILURES {
        return Err(Error::new(Code::TooManyRequests, "Too many failed sign-ins; please wait.")
            .with_retry_after(THROTTLE_WINDOW));
    }
    Ok(())
}

/// The password was right.
pub(super) async fn forget_attempts(state: &AppState, throttle: &str) {
    if let Err(error) = state.cache.delete(throttle).await {
        tracing::warn!(%error, "count of failed sign-ins not cleared");
    }
}

async fn login(state: AppState, request: Request) -> Result<Response> {
    let asked: LoginRequest = match request.media_type().as_deref() {
        Some("application/x-www-form-urlencoded") => request.form()?,
        _ => request.json_of_any_type()?,
    };
    let address = asked.email.or(asked.username).ok_or_else(|| Error::field("email", "expected an email address"))?;
    let wrong = || Error::new(Code::InvalidCredentials, "Email or password is wrong.");
    let tenant = request.caller.tenant().clone();
    // An address that no account can have takes the same way and time as an unknown one.
    let email = Email::parse(&address).ok();
    let throttle = throttle_key(&tenant, &address, request.client.address);
    let observe = |action, outcome, reason| {
        let subject = email.as_ref().map(|email| Subject::Claim(email.claim_id(&tenant)));
        let tenant = tenant.clone();
        state.audit.note(Note { tenant, action, outcome, actor: None, subject, origin: Origin::of(&request), reason });
    };
    count_attempt(&state, &throttle)
        .await
        .inspect_err(|_| observe(actions::LOGIN_THROTTLED, Outcome::Refused, "network"))?;
    let user = match &email {
        Some(email) => store::user_by_email(&state, &tenant, email).await?,
        None => None,
    };
    // Longer texts than a password can be are not hashed.
    let password = asked.password.chars().take(PasswordRule::MAX_CHARS + 1).collect::<String>();
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let matches = state.passwords.verify(Secret::new(password), stored).await?;
    let Some(user) = user.filter(|user| matches && user.active) else {
        observe(actions::LOGIN_FAILED, Outcome::Failed, "password");
        return Err(wrong());
    };
    forget_attempts(&state, &throttle).await;
    Ok(no_store(json(&sessions::begin(&state, &tenant, &user, sessions::device(&request)).await?)?))
}

/// Counted by account and by network, so that a stranger elsewhere cannot lock a customer out.
pub(super) fn throttle_key(tenant: &crate::types::TenantId, address: &str, client: Option<IpAddr>) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    let network = match client {
        Some(IpAddr::V4(address)) => address.octets()[..3].to_vec(),
        Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
        None => Vec::new(),
    };
    let account = address.trim().to_lowercase();
    let mut key = format!("{tenant}\n{account}\n").into_bytes();
    key.extend(network);
    format!("login:{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest(&SHA256, &key).as_ref()))
}

async fn me(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let user = store::user(&state, &principal.tenant, &principal.user)
        .await?
        .filter(|user| user.active)
        .ok_or_else(|| Error::new(Code::InvalidToken, "This account is closed."))?;
    Ok(no_store(json(&UserView::of(&user))?))
}

async fn jwks(state: AppState, _request: Request) -> Result<Response> {
    let mut response = json(&state.keys.jwks(state.clock.now())?)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(with_content_etag(response))
}
