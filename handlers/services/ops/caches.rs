//! The caches, for those who operate the product.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::caching::{CacheStats, Change};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, no_store};
use crate::identity::{Permission, Principal};
use crate::state::AppState;
use crate::types::Service;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("OpsCachesClear", Service::Ops, Method::POST, "v1/admin/caches/clear", clear)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Has all instances forget one cache, or what a tag names.")
            .takes::<ClearRequest>("application/json", json!({ "cache": "catalogue" }))
            .answers::<CacheCleared>(StatusCode::OK, "They were told.", json!({ "cleared": "catalogue" }))
            .into(),
        Function::http("OpsCachesList", Service::Ops, Method::GET, "v1/admin/caches", list)
            .access(Access::May(Permission::ReadMetrics))
            .summary("Lists the caches of the instance that answers.")
            .answers::<CacheList>(
                StatusCode::OK,
                "Every cache.",
                json!({ "caches": [{
                    "name": "catalogue", "scope": "tenant", "levels": "process+shared", "freshSeconds": 60,
                    "invalidatedBy": ["catalogue"], "hits": 990, "misses": 9, "stale": 1, "bypassed": 0,
                    "hitRatio": 0.991, "entries": 1, "bytes": 482_133, "maxBytes": 60_397_977, "loading": 0
                }] }),
            )
            .into(),
    ]
}

/// One of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClearRequest {
    /// The name of a cache; only for administrators of the boutique that runs this deployment.
    cache: Option<String>,
    /// A tag, as `Cache-Tag` and `Surrogate-Key` give it, such as `catalogue:pravis:`; of the own boutique.
    tag: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CacheCleared {
    /// What was forgotten.
    cleared: String,
}

#[derive(Serialize, ToSchema)]
struct CacheList {
    caches: Vec<CacheView>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CacheView {
    name: &'static str,
    /// Who may be given what it holds: `public`, `tenant` or `caller`.
    scope: &'static str,
    /// `process` or `process+shared`.
    levels: &'static str,
    /// How long a value is fresh at most.
    fresh_seconds: u64,
    /// The kinds of changes that end its values.
    invalidated_by: Vec<&'static str>,
    /// Counted since the instance started.
    hits: u64,
    misses: u64,
    stale: u64,
    bypassed: u64,
    /// The part of the requests that were answered without waiting; null before the first.
    hit_ratio: Option<f64>,
    entries: u64,
    bytes: u64,
    max_bytes: u64,
    /// Reads that are under way.
    loading: usize,
}

impl CacheView {
    fn of(stats: &CacheStats) -> Self {
        Self {
            name: stats.policy.name,
            scope: stats.policy.scope.name(),
            levels: stats.policy.levels.name(),
            fresh_seconds: stats.policy.fresh.as_secs(),
            invalidated_by: stats.policy.invalidated_by.iter().map(|kind| kind.name()).collect(),
            hits: stats.hits,
            misses: stats.misses,
            stale: stats.stale,
            bypassed: stats.bypassed,
            hit_ratio: stats.hit_ratio(),
            entries: stats.entries,
            bytes: stats.bytes,
            max_bytes: stats.max_bytes,
            loading: stats.loading,
        }
    }
}

async fn list(state: AppState, _request: Request) -> Result<Response> {
    let caches = state.caches.stats().iter().map(CacheView::of).collect();
    Ok(no_store(json(&CacheList { caches })?))
}

async fn clear(state: AppState, request: Request) -> Result<Response> {
    let asked: ClearRequest = request.json()?;
    let principal = request.principal()?;
    let cleared = match (asked.cache, asked.tag) {
        (Some(cache), None) => {
            if !operates_all(&state, principal) {
                return Err(Error::new(
                    Code::NotPermitted,
                    "A whole cache is cleared by administrators of the boutique that runs this deployment.",
                ));
            }
            if !state.caches.clear(&cache).await? {
                let names: Vec<_> = state.caches.stats().iter().map(|stats| stats.policy.name).collect();
                return Err(Error::field("cache", format!("expected one of {}", names.join(", "))));
            }
            cache
        }
        (None, Some(tag)) => {
            let change = Change::of_tag(&tag).ok_or_else(|| {
                Error::field("tag", "expected a kind, a boutique and a key, such as catalogue:pravis:")
            })?;
            if change.tenant() != principal.tenant.as_str() && !operates_all(&state, principal) {
                return Err(Error::new(Code::NotPermitted, "This is of another boutique."));
            }
            state.caches.changed(&[change]).await?;
            tag
        }
        _ => return Err(Error::field("cache", "expected either cache or tag")),
    };
    tracing::info!(cleared, by = principal.actor(), "cache cleared");
    Ok(no_store(json(&CacheCleared { cleared })?))
}

/// Whether the caller is an administrator of the boutique that runs this deployment.
fn operates_all(state: &AppState, principal: &Principal) -> bool {
    principal.tenant == *state.default_tenant() && principal.may(Permission::ManageOperations)
}
