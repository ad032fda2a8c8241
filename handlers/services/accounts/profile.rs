//! What customers say of themselves: their names, and preferences that clients keep with the account.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::auth::{MAX_NAME_CHARS, UserView, is_name, user_example};
use super::remembered;
use super::store::{change_user, user_document};
use crate::caching::Owner;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::caching::with_cache_status;
use crate::http::conditional::{if_match, with_etag};
use crate::http::{Request, Response, json, no_store};
use crate::ports::documents::{Document, NewDocument};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::state::AppState;
use crate::types::Service;

/// The document of preferences in the customer's partition.
pub(super) const PREFERENCES: &str = "preferences";
const MAX_PREFERENCES_BYTES: usize = 16 * 1024;
const MAX_DEPTH: usize = 8;
/// How often a patch is put upon what others wrote meanwhile.
const TURNS: usize = 5;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let preferences = || json!({ "voice-enabled": true, "voice-volume": 0.8 });
    vec![
        Function::http("AccountsAuthProfile", Service::Accounts, Method::PUT, "v1/auth/profile", update)
            .access(Access::SignedIn)
            .summary("Changes the names of the caller; what is left out stays.")
            .takes::<Profile>("application/json", json!({ "firstName": "Lakshmi", "lastName": "Rao" }))
            .answers::<ProfileAnswer>(
                StatusCode::OK,
                "The account.",
                json!({ "success": true, "user": user_example() }),
            )
            .into(),
        Function::http("AccountsPreferencesGet", Service::Accounts, Method::GET, "v1/users/me/preferences", show)
            .access(Access::SignedIn)
            .summary("Shows the caller's preferences.")
            .answers::<Preferences>(StatusCode::OK, "The preferences.", json!({ "preferences": preferences() }))
            .into(),
        Function::http("AccountsPreferencesPatch", Service::Accounts, Method::PATCH, "v1/users/me/preferences", patch)
            .access(Access::SignedIn)
            .summary("Changes preferences by a JSON merge patch (RFC 7396); null removes one.")
            .takes::<PreferencesPatch>(
                "application/merge-patch+json",
                json!({ "voice-volume": 0.5, "voice-muted": null }),
            )
            .takes::<PreferencesPatch>("application/json", json!({ "voice-volume": 0.5 }))
            .answers::<Preferences>(StatusCode::OK, "The preferences.", json!({ "preferences": preferences() }))
            .fails(&[Code::PreconditionFailed])
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[schema(max_length = 100)]
    first_name: Option<String>,
    #[schema(max_length = 100)]
    last_name: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ProfileAnswer {
    pub success: bool,
    pub user: UserView,
}

/// Any JSON object.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
struct PreferencesPatch(Map<String, Value>);

#[derive(Serialize, ToSchema)]
struct Preferences<'a> {
    /// Whatever clients keep here: at most 16 KiB, nested at most 8 deep.
    #[schema(value_type = Object)]
    preferences: &'a Map<String, Value>,
}

/// Preferences as stored.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Stored {
    kind: String,
    values: Map<String, Value>,
}

async fn update(state: AppState, request: Request) -> Result<Response> {
    // The storefront sends this one as text/plain.
    let asked: Profile = request.json_of_any_type()?;
    for (field, name) in [("firstName", &asked.first_name), ("lastName", &asked.last_name)] {
        if name.as_deref().is_some_and(|name| !is_name(name)) {
            let expected = format!("expected at most {MAX_NAME_CHARS} characters, none of control");
            return Err(Error::field(field, expected));
        }
    }
    let principal = request.principal()?;
    let user = change_user(&state, &principal.tenant, &principal.user, |user| {
        if let Some(name) = &asked.first_name {
            user.first_name = name.trim().to_owned();
        }
        if let Some(name) = &asked.last_name {
            user.last_name = name.trim().to_owned();
        }
    })
    .await?;
    Ok(no_store(json(&ProfileAnswer { success: true, user: UserView::of(&user) })?))
}

async fn show(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let owner = Owner { tenant: &principal.tenant, user: &principal.user };
    let (kept, status) = remembered::preferences(&state, owner).await?;
    Ok(with_cache_status(answer(&kept.stored, kept.etag.as_ref())?, status))
}

async fn patch(state: AppState, request: Request) -> Result<Response> {
    let PreferencesPatch(patch) = request.json()?;
    let demanded = if_match(&request)?;
    let patch = Value::Object(patch);
    for _ in 0..TURNS {
        let (mut stored, document) = read(&state, &request).await?;
        let present = document.as_ref().map(|document| document.etag.clone());
        if let Condition::IfMatch(etag) = &demanded
            && present.as_ref() != Some(etag)
        {
            return Err(Error::new(
                Code::PreconditionFailed,
                "They were changed meanwhile; read them again and repeat.",
            ));
        }
        let mut values = Value::Object(std::mem::take(&mut stored.values));
        json_patch::merge(&mut values, &patch);
        stored.values = check(values)?;
        stored.kind = PREFERENCES.to_owned();
        let written = write(&state, &request, &stored, present).await?;
        if let Some(written) = written {
            let principal = request.principal()?;
            remembered::forget(&state, &principal.tenant, &principal.user).await;
            return answer(&stored, Some(&written.etag));
        }
    }
    Err(Error::new(Code::Unavailable, "They change too often at this moment; please try again."))
}

async fn read(state: &AppState, request: &Request) -> Result<(Stored, Option<Document>)> {
    let principal = request.principal()?;
    let partition = customer(&principal.tenant, principal.user.as_str());
    match state.documents.read(&CUSTOMERS, &partition, PREFERENCES).await? {
        Some(document) => Ok((document.read()?, Some(document))),
        None => Ok((Stored::default(), None)),
    }
}

/// `None` when others wrote meanwhile.
async fn write(
    state: &AppState,
    request: &Request,
    stored: &Stored,
    present: Option<ETag>,
) -> Result<Option<Document>> {
    let principal = request.principal()?;
    // Nothing is kept for an account that was closed.
    if user_document(state, &principal.tenant, &principal.user).await?.is_none() {
        return Err(Error::new(Code::InvalidToken, "This account is closed."));
    }
    let partition = customer(&principal.tenant, principal.user.as_str());
    let document = NewDocument::new(PREFERENCES, stored)?;
    let written = match present {
        Some(etag) => state.documents.replace(&CUSTOMERS, &partition, document, Condition::IfMatch(etag)).await,
        None => state.documents.create(&CUSTOMERS, &partition, document).await,
    };
    match written {
        Ok(written) => Ok(Some(written)),
        Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Refuses more than may be kept.
fn check(values: Value) -> Result<Map<String, Value>> {
    if depth(&values) > MAX_DEPTH {
        return Err(Error::field("", format!("expected values nested at most {MAX_DEPTH} deep")));
    }
    if values.to_string().len() > MAX_PREFERENCES_BYTES {
        return Err(Error::field("", format!("expected at most {MAX_PREFERENCES_BYTES} bytes in all")));
    }
    match values {
        Value::Object(values) => Ok(values),
        _ => Err(Error::field("", "expected a JSON object")),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn answer(stored: &Stored, etag: Option<&ETag>) -> Result<Response> {
    let response = no_store(json(&Preferences { preferences: &stored.values })?);
    Ok(match etag {
        Some(etag) => with_etag(response, etag),
        None => response,
    })
}
