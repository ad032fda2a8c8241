//! What customers agree to: an append-only ledger, and its present state on the user.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ulid::Ulid;
use utoipa::ToSchema;

use super::model::{Consent, Purpose};
use super::store::{closed, user_document};
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, json_with, no_store};
use crate::ports::Condition;
use crate::ports::documents::{NewDocument, Operation};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::EventId;
use crate::types::Service;

const LEDGER_KIND: &str = "consent";

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let example = || json!({ "consents": [{ "purpose": "voiceStorage", "granted": true, "version": "1.0", "at": "2026-01-15T06:30:00Z" }] });
    vec![
        Function::http("AccountsConsentsCreate", Service::Accounts, Method::POST, "v1/users/me/consents", create)
            .access(Access::SignedIn)
            .idempotent()
            .summary("Gives or withdraws a consent; every change is kept.")
            .takes::<ConsentRequest>(
                "application/json",
                json!({ "purpose": "voiceStorage", "granted": true, "version": "1.0" }),
            )
            .answers::<ConsentList>(StatusCode::CREATED, "The present state of all consents.", example())
            .fails(&[Code::PreconditionFailed])
            .into(),
        Function::http("AccountsConsentsList", Service::Accounts, Method::GET, "v1/users/me/consents", list)
            .access(Access::SignedIn)
            .summary("Lists the present state of all consents.")
            .answers::<ConsentList>(StatusCode::OK, "What was never asked is not listed, and not agreed to.", example())
            .into(),
    ]
}

#[derive(Deserialize, ToSchema)]
struct ConsentRequest {
    purpose: Purpose,
    granted: bool,
    /// The version of the text that the customer saw.
    #[schema(min_length = 1, max_length = 10)]
    version: String,
}

#[derive(Serialize, ToSchema)]
struct ConsentList {
    consents: Vec<ConsentView>,
}

#[derive(Serialize, ToSchema)]
struct ConsentView {
    purpose: Purpose,
    granted: bool,
    version: String,
    at: DateTime<Utc>,
}

#[derive(Serialize)]
struct LedgerEntry<'a> {
    kind: &'static str,
    purpose: Purpose,
    granted: bool,
    version: &'a str,
    at: DateTime<Utc>,
    source: &'static str,
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: ConsentRequest = request.json()?;
    if !(1..=10).contains(&asked.version.chars().count()) {
        return Err(Error::field("version", "expected 1 to 10 characters"));
    }
    let principal = request.principal()?;
    let (mut user, document) = user_document(&state, &principal.tenant, &principal.user).await?.ok_or_else(closed)?;
    let at = state.clock.now();
    let entry = LedgerEntry {
        kind: LEDGER_KIND,
        purpose: asked.purpose,
        granted: asked.granted,
        version: &asked.version,
        at,
        source: "api",
    };
    let data = json!({ "purpose": asked.purpose, "granted": asked.granted, "version": asked.version });
    let mut operations = vec![Operation::Create(NewDocument::new(format!("con_{}", Ulid::generate()), &entry)?)];
    user.consents.insert(asked.purpose, Consent { granted: asked.granted, version: asked.version.clone(), at });
    operations.push(Operation::Replace(NewDocument::new(user.id.as_str(), &user)?, Condition::IfMatch(document.etag)));
    let subject = principal.user.as_str();
    let (kind, origin) = ("account.consentChanged", Origin::of(&request));
    operations.push(outbox::put_from(Some(&origin), EventId::generate(), kind, &principal.tenant, subject, at, data)?);
    let partition = customer(&principal.tenant, subject);
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(no_store(json_with(StatusCode::CREATED, &view(&user))?))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let (user, _) = user_document(&state, &principal.tenant, &principal.user).await?.ok_or_else(closed)?;
    Ok(no_store(json(&view(&user))?))
}

fn view(user: &super::User) -> ConsentList {
    let consents = user
        .consents
        .iter()
        .map(|(&purpose, consent)| ConsentView {
            purpose,
            granted: consent.granted,
            version: consent.version.clone(),
            at: consent.at,
        })
        .collect();
    ConsentList { consents }
}
