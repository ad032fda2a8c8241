//! What customers agree to: an append-only ledger, and its present state on the user.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ulid::Ulid;
use utoipa::ToSchema;

use super::jobs::{Job, Ticket};
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::ports::Condition;
use crate::ports::documents::{Filter, NewDocument, Operation, Order, Query, Scope};
use crate::services::accounts::{self, Consent, Pseudonym, Purpose, User};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, Service};

/// What marks entries of the ledger among the other documents of a customer.
const LEDGER_KIND: &str = "consent";
const MAX_USER_AGENT_CHARS: usize = 120;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let example = || json!({ "consents": [{ "purpose": "voiceStorage", "granted": true, "version": "1.0", "at": "2026-01-15T06:30:00Z" }] });
    vec![
        Function::http("AccountsConsentsCreate", Service::Accounts, Method::POST, "v1/users/me/consents", create)
            .access(Access::SignedIn)
            .idempotent()
            .summary("Gives or withdraws a consent; every change is kept, and what a withdrawn one covered is deleted.")
            .takes::<ConsentRequest>(
                "application/json",
                json!({ "purpose": "voiceStorage", "granted": true, "version": "1.0", "source": "web" }),
            )
            .answers::<ConsentList>(StatusCode::CREATED, "The present state of all consents.", example())
            .fails(&[Code::PreconditionFailed])
            .into(),
        Function::http("AccountsConsentsList", Service::Accounts, Method::GET, "v1/users/me/consents", list)
            .access(Access::SignedIn)
            .summary("Lists the present state of all consents.")
            .answers::<ConsentList>(StatusCode::OK, "What was never asked is not listed, and not agreed to.", example())
            .into(),
        Function::http(
            "AccountsConsentsHistory",
            Service::Accounts,
            Method::GET,
            "v1/users/me/consents/history",
            history,
        )
        .access(Access::SignedIn)
        .summary("Lists every change of the caller's consents, the newest first.")
        .query::<ListQuery>()
        .answers::<Ledger>(
            StatusCode::OK,
            "A page of the ledger.",
            json!({ "items": [{ "id": "con_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "purpose": "voiceStorage", "granted": true, "version": "1.0", "createdAt": "2026-01-15T06:30:00Z", "source": "web", "network": null, "userAgent": "Mozilla/5.0" }], "next": null }),
        )
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
    /// Where the customer was asked; `api` where nothing is said.
    #[serde(default)]
    source: Source,
}

/// Where a customer was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Source {
    /// The storefront in a browser.
    Web,
    /// An app.
    App,
    /// Taken over from another system.
    Import,
    #[default]
    Api,
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

#[derive(Serialize, ToSchema)]
struct Ledger {
    items: Vec<EntryView>,
    next: Option<String>,
}

/// A change of a consent: never changed itself, and kept as long as the account.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    kind: String,
    purpose: Purpose,
    granted: bool,
    version: String,
    created_at: DateTime<Utc>,
    source: Source,
    /// The network that it came from, as a name that only we can lead back to one.
    #[schema(value_type = Option<String>)]
    network: Option<Pseudonym>,
    /// What the client called itself, shortened.
    user_agent: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    id: String,
    purpose: Purpose,
    granted: bool,
    version: String,
    created_at: DateTime<Utc>,
    source: Source,
    /// A name of the network that it came from; not its address.
    network: Option<String>,
    user_agent: Option<String>,
}

impl EntryView {
    fn of(id: String, entry: Entry) -> Self {
        Self {
            id,
            purpose: entry.purpose,
            granted: entry.granted,
            version: entry.version,
            created_at: entry.created_at,
            source: entry.source,
            network: entry.network.map(|network| network.to_string()),
            user_agent: entry.user_agent,
        }
    }
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: ConsentRequest = request.json()?;
    if !(1..=10).contains(&asked.version.chars().count()) {
        return Err(Error::field("version", "expected 1 to 10 characters"));
    }
    let principal = request.principal()?;
    let at = state.clock.now();
    let withdrawal = (!asked.granted).then(|| Ticket {
        tenant_id: principal.tenant.clone(),
        user_id: principal.user.clone(),
        job: Job::CleanUp { purpose: asked.purpose, withdrawn_at: at },
    });
    // The ticket first: a withdrawal that is written is followed by its clean-up whatever happens to this
    // process.
    if let Some(ticket) = &withdrawal {
        ticket.put(&state, Condition::None).await?;
    }
    let user = record(&state, &request, &asked, at).await?;
    accounts::forget_consents(&state, &principal.tenant, &principal.user).await;
    // Once more: the job may have looked before the withdrawal was there to see.
    if let Some(ticket) = &withdrawal {
        ticket.put(&state, Condition::None).await?;
    }
    Ok(no_store(json_with(StatusCode::CREATED, &view(&user))?))
}

/// Writes the ledger's entry, the state on the user and the event, all or nothing.
async fn record(state: &AppState, request: &Request, asked: &ConsentRequest, at: DateTime<Utc>) -> Result<User> {
    let principal = request.principal()?;
    let found = accounts::user_document(state, &principal.tenant, &principal.user).await?;
    let (mut user, document) = found.filter(|(user, _)| user.active).ok_or_else(accounts::closed)?;
    let network = match request.client.address {
        Some(address) => Some(accounts::network_pseudonym(state, address).await?),
        None => None,
    };
    let user_agent = request.header("user-agent");
    let entry = Entry {
        kind: LEDGER_KIND.into(),
        purpose: asked.purpose,
        granted: asked.granted,
        version: asked.version.clone(),
        created_at: at,
        source: asked.source,
        network,
        user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
    };
    let data = json!({ "purpose": asked.purpose, "granted": asked.granted, "version": asked.version });
    user.consents.insert(asked.purpose, Consent { granted: asked.granted, version: asked.version.clone(), at });
    let subject = principal.user.as_str();
    let operations = vec![
        Operation::Create(NewDocument::new(format!("con_{}", Ulid::generate()), &entry)?),
        Operation::Replace(NewDocument::new(user.id.as_str(), &user)?, Condition::IfMatch(document.etag)),
        outbox::put_from(
            Some(&Origin::of(request)),
            EventId::generate(),
            "account.consentChanged",
            &principal.tenant,
            subject,
            at,
            data,
        )?,
    ];
    let partition = customer(&principal.tenant, subject);
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| Error::from(error.error))?;
    Ok(user)
}

async fn history(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let principal = request.principal()?;
    let query = Query {
        filters: vec![Filter::Equal("kind", json!(LEDGER_KIND))],
        order: Some(Order::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let partition = customer(&principal.tenant, principal.user.as_str());
    let page =
        state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let entries = page.items.into_iter().map(|document| Ok(EntryView::of(document.id.clone(), document.read()?)));
    Ok(no_store(json(&Ledger { items: entries.collect::<Result<_>>()?, next: cursor_of(page.next) })?))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?;
    let (user, _) =
        accounts::user_document(&state, &principal.tenant, &principal.user).await?.ok_or_else(accounts::closed)?;
    Ok(no_store(json(&view(&user))?))
}

fn view(user: &User) -> ConsentList {
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
