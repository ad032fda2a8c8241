//! Registration, sign-in, and the keys that verify tokens.

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::devices::{self, DeviceToken};
use super::login_name::LoginName;
use super::model::{Email, ErasureNotice, User};
use super::sign_ins::SignIns;
use super::{remembered, sessions, store, throttle};
use crate::audit::{Note, Origin, Outcome, Subject, actions};
use crate::caching::Owner;
use crate::error::{Code, Error, FieldError, Result};
use crate::function::{Access, Function, LimitClass};
use crate::http::caching::with_cache_status;
use crate::http::conditional::with_content_etag;
use crate::http::{Request, Response, json, no_store};
use crate::identity::{AccessToken, Lane, PasswordRule, RefreshToken, Role, not_ready};
use crate::ports::secrets::Secret;
use crate::state::AppState;
use crate::types::{Service, TenantId, TierId, UserId};

pub(super) const MAX_NAME_CHARS: usize = 100;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let credentials = || json!({ "email": "lakshmi@example.in", "password": "kanjivaram-9" });
    vec![
        Function::http("AccountsAuthRegister", Service::Accounts, Method::POST, "v1/auth/register", register)
            .limit(LimitClass::Registration)
            .summary("Opens an account and signs in.")
            .takes::<RegisterRequest>("application/json", json!({ "email": "lakshmi@example.in", "password": "kanjivaram-9", "firstName": "Lakshmi", "lastName": "Rao" }))
            .answers::<SignedIn>(StatusCode::CREATED, "The account is open.", signed_in_example())
            .fails(&[Code::Conflict])
            .into(),
        Function::http("AccountsAuthLogin", Service::Accounts, Method::POST, "v1/auth/login", login)
            .limit(LimitClass::Credentials)
            .summary("Signs in with email and password, as a form (OAuth 2.0 password grant) or JSON.")
            .takes::<LoginRequest>("application/json", credentials())
            .takes::<LoginRequest>("application/x-www-form-urlencoded", json!({ "username": "lakshmi@example.in", "password": "kanjivaram-9" }))
            .answers::<SignedIn>(StatusCode::OK, "Signed in.", signed_in_example())
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests, Code::AccountClosing])
            .into(),
        Function::http("AccountsAuthLoginJson", Service::Accounts, Method::POST, "v1/auth/login/json", login)
            .limit(LimitClass::Credentials)
            .summary("Signs in with JSON; the same as `auth/login`.")
            .takes::<LoginRequest>("application/json", credentials())
            .answers::<SignedIn>(StatusCode::OK, "Signed in.", signed_in_example())
            .fails(&[Code::InvalidCredentials, Code::TooManyRequests, Code::AccountClosing])
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
    json!({ "success": true, "access_token": "eyJ…", "token": "eyJ…", "token_type": "bearer", "expires_in": 900, "refresh_token": "pravis.usr_….ses_….…", "device_token": "kD0v…", "user_id": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "user": user_example() })
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

/// `email` and `username` are the same, an email address or a verified phone number; one of them is needed.
#[derive(Deserialize, ToSchema)]
pub(super) struct LoginRequest {
    email: Option<String>,
    username: Option<String>,
    #[schema(format = "password")]
    password: String,
    /// What an earlier answer gave this device, for clients that keep no cookies.
    #[schema(format = "password")]
    device_token: Option<String>,
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
    /// To be kept on this device and sent with its next sign-in, which nobody who guesses the password
    /// elsewhere can then hold up. Browsers have it in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
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
            device_token: None,
            user_id: user.id.to_string(),
            user: UserView::of(user),
        }
    }

    /// With what the device is known by from now on.
    pub(super) fn on_device(self, token: &DeviceToken) -> Self {
        Self { device_token: Some(token.text()), ..self }
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
    /// A verified phone number (E.164).
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
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
            phone: user.phone.as_ref().map(|phone| phone.as_str().to_owned()),
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
        password_hash: state.passwords.hash(Lane::Open, Secret::new(asked.password)).await?,
        first_name: asked.first_name.trim().to_owned(),
        last_name: asked.last_name.trim().to_owned(),
        role: Role::Customer,
        tier: state.tenants.tenant(&tenant).await.map_or(TierId::FREE, |tenant| tenant.tier.clone()),
        active: true,
        version: 0,
        created_at: state.clock.now(),
        consents: Default::default(),
        phone: None,
        session_epoch: 0,
        erasure: None,
    };
    store::create_user_from(&state, &tenant, &user, Some(&Origin::of(&request))).await?;
    let brought = devices::presented(&request, None);
    sessions::begin(&state, &tenant, &user, &request, &brought, "registration").await
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

async fn login(state: AppState, request: Request) -> Result<Response> {
    let (user, brought) = identify(&state, &request).await?;
    if let Some(notice) = &user.erasure {
        return Err(closing(notice));
    }
    sessions::begin(&state, request.caller.tenant(), &user, &request, &brought, "password").await
}

/// Told to nobody but the owner of the password.
fn closing(notice: &ErasureNotice) -> Error {
    let day = notice.due_at.format("%-d %B %Y, %H:%M UTC");
    let detail = format!("This account is closed and will be erased on {day}. To keep it, sign in at auth/restore.");
    Error::new(Code::AccountClosing, detail)
}

pub(super) fn wrong_credentials() -> Error {
    Error::new(Code::InvalidCredentials, "Email or password is wrong.")
}

/// Whose credentials a request brings, with the tokens of its device. The account is open, or closed by its
/// owner and can still be restored.
///
/// # Errors
/// [`wrong_credentials`]; [`Code::TooManyRequests`] after many attempts.
pub(super) async fn identify(state: &AppState, request: &Request) -> Result<(User, Vec<DeviceToken>)> {
    let asked: LoginRequest = match request.media_type().as_deref() {
        Some("application/x-www-form-urlencoded") => request.form()?,
        _ => request.json_of_any_type()?,
    };
    let typed = asked.email.or(asked.username).ok_or_else(|| Error::field("email", "expected an email address"))?;
    let tenant = request.caller.tenant();
    // A text that can be no account's name takes the same way and time as an unknown one.
    let name = LoginName::parse(&typed);
    let observe = |action, outcome, reason| {
        let subject = name.as_ref().map(|name| Subject::Claim(name.claim_id(tenant)));
        let (tenant, origin) = (tenant.clone(), Origin::of(request));
        state.audit.note(Note { tenant, action, outcome, actor: None, subject, origin, reason });
    };
    let brought = devices::presented(request, asked.device_token.as_deref());
    // Only who brings a token is looked up before the attempt is counted.
    let (mut user, mut device) = (None, None);
    if !brought.is_empty() {
        user = store::user_by_login(state, tenant, name.as_ref()).await?;
        device = known_device(state, tenant, user.as_ref(), &brought).await?;
    }
    let counted = name.as_ref().map_or_else(|| typed.trim().to_lowercase(), |name| name.claim_id(tenant));
    let attempt = throttle::attempt(state, tenant, &counted, request.client.address, device.as_ref()).await;
    let attempt = attempt.map_err(|(exhausted, error)| {
        observe(actions::LOGIN_THROTTLED, Outcome::Refused, exhausted.name());
        error
    })?;
    if brought.is_empty() {
        user = store::user_by_login(state, tenant, name.as_ref()).await?;
    }
    let lane = if device.is_some() { Lane::Trusted } else { Lane::Open };
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let matches = state.passwords.verify(lane, PasswordRule::cut(&asked.password), stored).await?;
    let Some(user) = user.filter(|user| matches && (user.active || user.can_be_restored())) else {
        observe(actions::LOGIN_FAILED, Outcome::Failed, "password");
        return Err(wrong_credentials());
    };
    attempt.succeeded(state).await;
    Ok((user, brought))
}

/// The one of the tokens by which an account knows the device. One point read also where there is no account.
async fn known_device(
    state: &AppState,
    tenant: &TenantId,
    user: Option<&User>,
    brought: &[DeviceToken],
) -> Result<Option<DeviceToken>> {
    let (sign_ins, _) = SignIns::read(state, tenant, user.map_or(store::NOBODY, |user| user.id.as_str())).await?;
    let Some(user) = user else { return Ok(None) };
    Ok(sign_ins.in_epoch(user.session_epoch).known(brought, state.clock.now()).cloned())
}

async fn me(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let owner = Owner { tenant: &principal.tenant, user: &principal.user };
    let (view, status) = remembered::profile(&state, owner).await?;
    let view = view.ok_or_else(store::closed)?;
    Ok(with_cache_status(with_content_etag(no_store(json(&*view)?)), status))
}

async fn jwks(state: AppState, _request: Request) -> Result<Response> {
    let mut response = json(&state.keys.jwks(state.clock.now())?)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(with_content_etag(response))
}
