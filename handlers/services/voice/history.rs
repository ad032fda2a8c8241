//! What a customer asked Ask Pravi before.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::model::{Interaction, Sample, Ticket};
use super::{conversation, jobs};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Error, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, no_store};
use crate::ports::documents::{Filter, Order, PartitionKey, Query, Scope};
use crate::ports::{Condition, PortErrorKind};
use crate::state::AppState;
use crate::types::Service;
use crate::types::{InteractionId, SampleId};

const PAGE: usize = 100;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let cleared = || json!({ "success": true, "message": "3 exchanges and 1 recordings were deleted.", "interactions": 3, "samples": 1 });
    vec![
        Function::http("VoiceHistoryList", Service::Voice, Method::GET, "v1/voice/history", list)
            .access(Access::SignedIn)
            .summary("Lists the caller's exchanges with Ask Pravi, the newest first.")
            .query::<ListQuery>()
            .answers::<HistoryList>(
                StatusCode::OK,
                "A page of exchanges; what was said only with consent.",
                json!({ "items": [], "next": null }),
            )
            .into(),
        Function::http("VoiceHistoryClear", Service::Voice, Method::DELETE, "v1/voice/history", clear)
            .access(Access::SignedIn)
            .summary("Deletes all of the caller's exchanges and recordings.")
            .answers::<Cleared>(StatusCode::OK, "They are gone.", cleared())
            .into(),
        Function::http("VoiceHistoryClearOld", Service::Voice, Method::DELETE, "v1/voice/clear-history", clear)
            .access(Access::SignedIn)
            .summary("The same as `DELETE voice/history`.")
            .answers::<Cleared>(StatusCode::OK, "They are gone.", cleared())
            .into(),
        Function::http("VoiceHistoryClearSite", Service::Voice, Method::DELETE, "voice/clear-history", clear)
            .access(Access::SignedIn)
            .summary("The same, at the address that the storefront calls.")
            .answers::<Cleared>(StatusCode::OK, "They are gone.", cleared())
            .into(),
        Function::http("VoiceHistoryDelete", Service::Voice, Method::DELETE, "v1/voice/history/{id}", delete)
            .access(Access::SignedIn)
            .summary("Deletes one exchange.")
            .answers::<Cleared>(StatusCode::OK, "It is gone.", cleared())
            .into(),
    ]
}

#[derive(Serialize, ToSchema)]
struct HistoryList {
    items: Vec<Exchange>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Exchange {
    id: String,
    sample_id: Option<String>,
    created_at: DateTime<Utc>,
    /// What was said; absent without consent to voice storage.
    query: Option<String>,
    /// What was answered; absent likewise, since answers may quote.
    response: Option<String>,
    intent: String,
    language: String,
    confidence: f64,
}

#[derive(Serialize, ToSchema)]
struct Cleared {
    success: bool,
    message: String,
    interactions: usize,
    samples: usize,
}

impl Cleared {
    fn of(interactions: usize, samples: usize) -> Self {
        let message = format!("{interactions} exchanges and {samples} recordings were deleted.");
        Self { success: true, message, interactions, samples }
    }
}

fn own_partition(request: &Request) -> Result<PartitionKey> {
    let principal = request.principal()?;
    Ok(customer(&principal.tenant, principal.user.as_str()))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let query = Query {
        filters: vec![Filter::Equal("kind", json!(Interaction::KIND))],
        order: Some(Order::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let partition = own_partition(&request)?;
    let page =
        state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let mut items = Vec::with_capacity(page.items.len());
    for document in &page.items {
        let interaction: Interaction = document.read()?;
        items.push(Exchange {
            id: interaction.id.to_string(),
            sample_id: interaction.sample_id.map(String::from),
            created_at: interaction.created_at,
            query: interaction.query,
            response: interaction.response,
            intent: interaction.intent,
            language: interaction.language.tag().into(),
            confidence: interaction.confidence,
        });
    }
    Ok(no_store(json(&HistoryList { items, next: cursor_of(page.next) })?))
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let id: InteractionId = request.param("id")?;
    let partition = own_partition(&request)?;
    match state.documents.delete(&CUSTOMERS, &partition, id.as_str(), Condition::None).await {
        Ok(()) => Ok(no_store(json(&Cleared::of(1, 0))?)),
        Err(error) if error.kind() == PortErrorKind::NotFound => Err(Error::not_found("There is no such exchange.")),
        Err(error) => Err(error.into()),
    }
}

async fn clear(state: AppState, request: Request) -> Result<Response> {
    let principal = request.principal()?.clone();
    let partition = own_partition(&request)?;
    let samples = ids(&state, &partition, Sample::KIND).await?;
    for id in &samples {
        remove(&state, &partition, id).await?;
        let sample_id: SampleId = id.parse().map_err(Error::internal)?;
        let ticket = Ticket { tenant_id: principal.tenant.clone(), user_id: principal.user.clone(), sample_id };
        jobs::remove_blobs(&state, &ticket).await?;
    }
    let interactions = ids(&state, &partition, Interaction::KIND).await?;
    for id in &interactions {
        remove(&state, &partition, id).await?;
    }
    conversation::forget(&state, &principal.tenant, &principal.user).await;
    Ok(no_store(json(&Cleared::of(interactions.len(), samples.len()))?))
}

/// Deletes a document that may be gone already.
async fn remove(state: &AppState, partition: &PartitionKey, id: &str) -> Result<()> {
    match state.documents.delete(&CUSTOMERS, partition, id, Condition::None).await {
        Err(error) if error.kind() != PortErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The ids of all documents of a kind in a partition.
async fn ids(state: &AppState, partition: &PartitionKey, kind: &str) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut continuation = None;
    loop {
        let query =
            Query { filters: vec![Filter::Equal("kind", json!(kind))], limit: PAGE, continuation, ..Query::default() };
        let page = state.documents.query(&CUSTOMERS, Scope::Partition(partition), query).await?;
        ids.extend(page.items.into_iter().map(|document| document.id));
        continuation = page.next;
        if continuation.is_none() {
            return Ok(ids);
        }
    }
}
