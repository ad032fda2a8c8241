//! Whether the product works.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::containers::{CATALOGUE, SPEECH};
use crate::error::Result;
use crate::function::{Function, LimitClass};
use crate::http::{Request, Response, json, json_with, no_store};
use crate::ports::documents::PartitionKey;
use crate::ports::{PortError, PortErrorKind, PortResult};
use crate::state::AppState;
use crate::types::Service;

/// A component that does not answer within this time is not healthy.
const PROBE_TIME_LIMIT: Duration = Duration::from_secs(2);

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let example = || json!({ "status": "healthy", "version": "0.1.0", "timestamp": "2026-01-15T06:30:00Z", "components": { "documents": { "status": "healthy", "latencyMs": 0.3, "detail": null } } });
    vec![
        Function::http("OpsHealth", Service::Ops, Method::GET, "v1/health", health)
            .limit(LimitClass::Unlimited)
            .summary("Tells of every component; 503 when one that is needed does not work.")
            .answers::<Health>(StatusCode::OK, "All that is needed works.", example())
            .into(),
        Function::http("OpsHealthLive", Service::Ops, Method::GET, "v1/health/live", live)
            .probe()
            .summary("Tells that the process answers; asks nothing of anyone.")
            .answers::<Alive>(StatusCode::OK, "It does.", json!({ "status": "alive" }))
            .into(),
        Function::http("OpsHealthReady", Service::Ops, Method::GET, "v1/health/ready", ready)
            .probe()
            .summary("Tells whether requests can be served: documents and blobs answer, and tokens can be checked.")
            .answers::<Health>(StatusCode::OK, "They do.", example())
            .into(),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Healthy,
    /// It does not work, but the rest can do without.
    Degraded,
    Unhealthy,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    status: State,
    version: &'static str,
    timestamp: String,
    components: BTreeMap<&'static str, Component>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Component {
    status: State,
    /// Milliseconds.
    latency_ms: f64,
    /// What to do about it.
    detail: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Alive {
    status: &'static str,
}

async fn live(_state: AppState, _request: Request) -> Result<Response> {
    Ok(no_store(json(&Alive { status: "alive" })?))
}

async fn ready(state: AppState, _request: Request) -> Result<Response> {
    answer(&state, vital(&state).await)
}

async fn health(state: AppState, _request: Request) -> Result<Response> {
    let mut components = vital(&state).await;
    components.insert("cache", probe(State::Degraded, cache(&state)).await);
    components.insert("reporting", probe(State::Degraded, reporting(&state)).await);
    for (name, engine) in [("recogniser", state.speech.recogniser()), ("synthesiser", state.speech.synthesiser())] {
        let status = if engine.available { State::Healthy } else { State::Degraded };
        components.insert(name, Component { status, latency_ms: 0.0, detail: engine.advice });
    }
    answer(&state, components)
}

/// What requests cannot be served without.
async fn vital(state: &AppState) -> BTreeMap<&'static str, Component> {
    BTreeMap::from([
        ("documents", probe(State::Unhealthy, documents(state)).await),
        ("blobs", probe(State::Unhealthy, blobs(state)).await),
        ("signingKeys", probe(State::Unhealthy, signing_keys(state)).await),
    ])
}

fn answer(state: &AppState, components: BTreeMap<&'static str, Component>) -> Result<Response> {
    let has = |status: State| components.values().any(|component| component.status == status);
    let (code, status) = match (has(State::Unhealthy), has(State::Degraded)) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, State::Unhealthy),
        (false, true) => (StatusCode::OK, State::Degraded),
        (false, false) => (StatusCode::OK, State::Healthy),
    };
    let timestamp = state.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let health = Health { status, version: env!("CARGO_PKG_VERSION"), timestamp, components };
    Ok(no_store(json_with(code, &health)?))
}

async fn probe(otherwise: State, work: impl Future<Output = PortResult<()>>) -> Component {
    let started = Instant::now();
    let outcome = tokio::time::timeout(PROBE_TIME_LIMIT, work)
        .await
        .unwrap_or_else(|_| Err(PortError::new(PortErrorKind::TimedOut, "no answer in time")));
    let latency_ms = (started.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    match outcome {
        Ok(()) => Component { status: State::Healthy, latency_ms, detail: None },
        Err(error) => {
            tracing::warn!(%error, "a component does not work");
            Component {
                status: otherwise,
                latency_ms,
                detail: Some("does not answer as it should; see the log".into()),
            }
        }
    }
}

async fn signing_keys(state: &AppState) -> PortResult<()> {
    if state.keys.ready() { Ok(()) } else { Err(PortError::unavailable("the signing keys have not been read yet")) }
}

async fn documents(state: &AppState) -> PortResult<()> {
    let partition = PartitionKey::of([state.default_tenant().as_str(), "category"]);
    state.documents.read(&CATALOGUE, &partition, "health").await.map(|_| ())
}

async fn blobs(state: &AppState) -> PortResult<()> {
    state.blobs.list(SPEECH, "", 1, None).await.map(|_| ())
}

async fn cache(state: &AppState) -> PortResult<()> {
    state.cache.health().await
}

async fn reporting(state: &AppState) -> PortResult<()> {
    use crate::ports::reporting::{Projection, Select};
    let Some(&table) = crate::services::analytics::TABLES.first() else { return Ok(()) };
    let select = Select {
        table,
        projections: vec![Projection::Column(table.key[0])],
        filters: Vec::new(),
        order: Vec::new(),
        limit: 1,
    };
    state.reporting.select(select).await.map(|_| ())
}
