//! API keys of the caller's boutique: made, listed, revoked.

use chrono::{DateTime, Duration, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::audit::Origin;
use crate::caching::News;
use crate::containers::{CUSTOMERS, DIRECTORY, api_keys};
use crate::error::{Code, Error, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::identity::{ApiKey, ApiKeyClaim, ApiKeyText, Permission, Principal, Revoked};
use crate::ports::documents::{Document, Filter, NewDocument, Operation, Order, PartitionKey, Query, Scope};
use crate::ports::{Condition, PortErrorKind};
use crate::services::news;
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{ApiKeyId, EventId, Service, TenantId, TierId};

/// Keys of one boutique that are good at once.
const MAX_KEYS: usize = 100;
const MAX_NAME_CHARS: usize = 80;
/// How far ahead a key may expire.
const LONGEST_LIFE: Duration = Duration::days(5 * 365);
/// How often a change is put upon what others wrote meanwhile.
const TURNS: usize = 5;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let access = Access::May(Permission::ManageApiKeys);
    vec![
        Function::http("AccountsAdminApiKeysCreate", Service::Accounts, Method::POST, "v1/admin/api-keys", create)
            .access(access)
            .summary("Makes an API key for a program. Its text is in this answer and never again, so `Idempotency-Key` is not honoured.")
            .takes::<NewApiKey>("application/json", json!({ "name": "Warehouse sync", "scopes": ["manageCatalogue"], "tier": "premium", "expiresAt": "2030-01-01T00:00:00Z" }))
            .answers::<MadeApiKey>(StatusCode::CREATED, "The key.", made_example())
            .fails(&[Code::Conflict])
            .into(),
        Function::http("AccountsAdminApiKeysGet", Service::Accounts, Method::GET, "v1/admin/api-keys/{id}", show)
            .access(access)
            .summary("Shows an API key without its text.")
            .answers::<ApiKeyView>(StatusCode::OK, "The key.", example())
            .into(),
        Function::http("AccountsAdminApiKeysList", Service::Accounts, Method::GET, "v1/admin/api-keys", list)
            .access(access)
            .summary("Lists the API keys of the boutique, the newest first, revoked and expired ones for 90 days.")
            .query::<ListQuery>()
            .answers::<ApiKeyList>(StatusCode::OK, "A page of keys.", json!({ "items": [example()], "next": null }))
            .into(),
        Function::http("AccountsAdminApiKeysRevoke", Service::Accounts, Method::DELETE, "v1/admin/api-keys/{id}", revoke)
            .access(access)
            .summary("Revokes an API key, which counts at once.")
            .answers::<ApiKeyView>(StatusCode::OK, "It is revoked.", example())
            .into(),
    ]
}

fn example() -> Value {
    json!({ "id": "key_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "name": "Warehouse sync", "scopes": ["manageCatalogue"], "tier": "premium", "createdAt": "2026-01-15T06:30:00Z", "createdBy": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "expiresAt": "2030-01-01T00:00:00Z", "lastUsedAt": null, "revokedAt": null })
}

fn made_example() -> Value {
    let mut example = example();
    example["key"] = json!("pravis_01KAXQ8W0V7D3T4Z5J6N8P9R2S_…");
    example
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewApiKey {
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// What the key may beyond what is open to everybody: `readMetrics`, `readReports`, `manageCatalogue`,
    /// `useBatches`.
    #[serde(default)]
    scopes: Vec<Permission>,
    /// The plan that its limits come from; `free` where nothing is said.
    #[schema(value_type = Option<String>)]
    tier: Option<TierId>,
    /// At most five years ahead; a key without lasts until it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApiKeyView {
    id: String,
    name: String,
    scopes: Vec<Permission>,
    tier: String,
    created_at: DateTime<Utc>,
    /// The account that made it.
    created_by: String,
    expires_at: Option<DateTime<Utc>>,
    /// To the hour.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct MadeApiKey {
    /// To be sent as `Authorization: Bearer …` or `X-API-Key`.
    key: String,
    #[serde(flatten)]
    record: ApiKeyView,
}

#[derive(Serialize, ToSchema)]
struct ApiKeyList {
    items: Vec<ApiKeyView>,
    next: Option<String>,
}

impl ApiKeyView {
    fn of(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            scopes: key.scopes,
            tier: key.tier.to_string(),
            created_at: key.created_at,
            created_by: key.created_by.to_string(),
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked.map(|revoked| revoked.at),
        }
    }
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: NewApiKey = request.json()?;
    let maker = request.principal()?;
    let now = state.clock.now();
    check(&asked, maker, now)?;
    if good_keys(&state, &maker.tenant).await? >= MAX_KEYS {
        return Err(Error::new(Code::Conflict, format!("There are {MAX_KEYS} keys already; revoke one first.")));
    }
    let text = ApiKeyText::generate()?;
    let mut scopes = asked.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let key = ApiKey {
        kind: ApiKey::KIND.into(),
        id: text.id.clone(),
        name: asked.name.trim().to_owned(),
        scopes,
        tier: asked.tier.unwrap_or(TierId::FREE),
        created_at: now,
        created_by: maker.user.clone(),
        expires_at: asked.expires_at,
        last_used_at: None,
        revoked: None,
        fingerprint: text.fingerprint(),
    };
    // The claim first: without the record it leads nowhere, and a record always can be used and revoked.
    let claim = ApiKeyClaim { tenant_id: maker.tenant.clone(), key_id: key.id.clone() };
    let id = key.fingerprint.claim_id();
    state.documents.create(&DIRECTORY, &PartitionKey::of([&id]), NewDocument::new(id.clone(), &claim)?).await?;
    let data = json!({ "actor": maker.actor(), "name": key.name, "scopes": key.scopes, "tier": key.tier, "expiresAt": key.expires_at });
    let event = event("apiKey.created", Some(&Origin::of(&request)), &maker.tenant, &key, now, data)?;
    let operations = vec![Operation::Create(key.document(now)?), event];
    let partition = api_keys(&maker.tenant);
    state.documents.batch(&CUSTOMERS, &partition, operations).await.map_err(|error| error.error)?;
    let made = MadeApiKey { key: text.text(), record: ApiKeyView::of(key) };
    Ok(no_store(json_with(StatusCode::CREATED, &made)?))
}

fn check(asked: &NewApiKey, maker: &Principal, now: DateTime<Utc>) -> Result<()> {
    let mut problems = Vec::new();
    let mut refuse = |field: String, message: String| problems.push(FieldError { field, message });
    let name = asked.name.trim();
    if !(1..=MAX_NAME_CHARS).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        refuse("name".into(), format!("expected 1 to {MAX_NAME_CHARS} characters, none of control"));
    }
    for (position, scope) in asked.scopes.iter().enumerate() {
        // Nobody hands on what they may not do themselves.
        if !scope.suits_a_key() || !maker.may(*scope) {
            let allowed = Permission::ALL.into_iter().filter(|scope| scope.suits_a_key() && maker.may(*scope));
            let allowed: Vec<String> = allowed.map(Permission::name).collect();
            refuse(format!("scopes[{position}]"), format!("expected one of {}", allowed.join(", ")));
        }
    }
    if asked.expires_at.is_some_and(|expiry| expiry <= now || expiry > now + LONGEST_LIFE) {
        refuse("expiresAt".into(), "expected a time in the next five years".into());
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::fields(problems)) }
}

async fn good_keys(state: &AppState, tenant: &TenantId) -> Result<usize> {
    let (mut good, mut continuation) = (0, None);
    loop {
        let page = page(state, tenant, 100, continuation).await?;
        for document in page.items {
            good += usize::from(document.read::<ApiKey>()?.is_good(state.clock.now()));
        }
        continuation = page.next;
        if continuation.is_none() || good >= MAX_KEYS {
            return Ok(good);
        }
    }
}

async fn page(
    state: &AppState,
    tenant: &TenantId,
    limit: usize,
    continuation: Option<crate::ports::Continuation>,
) -> Result<crate::ports::Page<Document>> {
    let query = Query {
        filters: vec![Filter::Equal("kind", ApiKey::KIND.into())],
        order: Some(Order::Descending("createdAt")),
        limit,
        continuation,
    };
    state.documents.query(&CUSTOMERS, Scope::Partition(&api_keys(tenant)), query).await.map_err(ListQuery::explain)
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let query: ListQuery = request.query()?;
    let page = page(&state, request.caller.tenant(), query.limit(20)?, query.continuation()?).await?;
    let keys = page.items.iter().map(|document| Ok(ApiKeyView::of(document.read()?)));
    let list = ApiKeyList { items: keys.collect::<Result<_>>()?, next: cursor_of(page.next) };
    Ok(no_store(json(&list)?))
}

async fn read(state: &AppState, request: &Request) -> Result<(ApiKey, Document)> {
    let id: ApiKeyId = request.param("id")?;
    let found = state.documents.read(&CUSTOMERS, &api_keys(request.caller.tenant()), id.as_str()).await?;
    let document = found.ok_or_else(|| Error::not_found("There is no such API key."))?;
    Ok((document.read()?, document))
}

async fn show(state: AppState, request: Request) -> Result<Response> {
    let (key, _) = read(&state, &request).await?;
    Ok(no_store(json(&ApiKeyView::of(key))?))
}

async fn revoke(state: AppState, request: Request) -> Result<Response> {
    let actor = request.principal()?;
    for _ in 0..TURNS {
        let (mut key, document) = read(&state, &request).await?;
        let now = state.clock.now();
        if key.revoked.is_none() {
            key.revoked = Some(Revoked { at: now, by: actor.user.clone() });
            let (origin, data) = (Origin::of(&request), json!({ "actor": actor.actor() }));
            let event = event("apiKey.revoked", Some(&origin), &actor.tenant, &key, now, data)?;
            let operations = vec![Operation::Replace(key.document(now)?, Condition::IfMatch(document.etag)), event];
            match state.documents.batch(&CUSTOMERS, &api_keys(&actor.tenant), operations).await {
                Ok(_) => {}
                // Its use was noted meanwhile.
                Err(error) if error.error.kind() == PortErrorKind::PreconditionFailed => continue,
                Err(error) => return Err(error.error.into()),
            }
        }
        // Done again for one who was interrupted here.
        news::tell(&state, News::ApiKeyRevoked(key.id.clone())).await;
        forget_claim(&state, &key).await;
        return Ok(no_store(json(&ApiKeyView::of(key))?));
    }
    Err(Error::new(Code::Unavailable, "The key is much in use at this moment; please try again."))
}

/// The claim of a revoked key leads nowhere; it is only in the way.
async fn forget_claim(state: &AppState, key: &ApiKey) {
    let id = key.fingerprint.claim_id();
    match state.documents.delete(&DIRECTORY, &PartitionKey::of([&id]), &id, Condition::None).await {
        Ok(()) => {}
        Err(error) if error.kind() == PortErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "the claim of a revoked API key was not deleted"),
    }
}

/// The event of the first use of a key; see [`crate::identity::LiveApiKeys`].
pub fn first_use(tenant: &TenantId, key: &ApiKey, now: DateTime<Utc>) -> Result<Operation> {
    event("apiKey.firstUsed", None, tenant, key, now, json!({ "actor": key.id }))
}

fn event(
    kind: &str,
    origin: Option<&Origin>,
    tenant: &TenantId,
    key: &ApiKey,
    now: DateTime<Utc>,
    data: Value,
) -> Result<Operation> {
    outbox::put_from(origin, EventId::generate(), kind, tenant, key.id.as_str(), now, data)
}
