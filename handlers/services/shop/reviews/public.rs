//! The reviews of a product, for everybody.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::projection::{self, Entry, PART, SHOWN, Summary};
use crate::caching::{CacheStatus, Cached, Change, PerTenant, table};
use crate::containers::REVIEWS;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::http::caching::{cacheable, tagged, with_cache_status};
use crate::http::conditional::{content_etag, with_etag};
use crate::http::{Body, ListQuery, Request, Response, cursor_of};
use crate::ports::ETag;
use crate::ports::documents::{Document, Filter, Order, Query, Scope};
use crate::services::shop::snapshot_and_status;
use crate::state::AppState;
use crate::types::{ProductId, Service, TenantId};

/// This resource's rows of the registry.
pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::http("ShopReviewsList", Service::Shop, Method::GET, "v1/products/{id}/reviews", list)
            .summary("Lists the approved reviews of a product, with how many stars they gave.")
            .query::<ReviewsQuery>()
            .answers::<ReviewList>(
                StatusCode::OK,
                "A page of reviews.",
                json!({ "items": [review_example()], "next": null, "summary": { "average": 5.0, "count": 1, "histogram": { "1": 0, "2": 0, "3": 0, "4": 0, "5": 1 } } }),
            )
            .into(),
    ]
}

fn review_example() -> Value {
    json!({ "id": "rev_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "author": "Lakshmi", "rating": 5, "title": "A heirloom", "content": "The zari is finer than in the pictures.", "date": "2026-01-15T06:30:00Z", "verifiedPurchase": true })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReviewsQuery {
    /// `newest`, `highest` or `lowest`; the newest first by default.
    sort: Option<String>,
    /// Reviews a page, 1 to 100; 10 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ReviewList {
    items: Vec<ReviewView>,
    next: Option<String>,
    summary: ReviewSummary,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReviewView {
    id: String,
    /// The name that the author goes by here.
    author: String,
    #[schema(minimum = 1, maximum = 5)]
    rating: u8,
    /// Plain text, as `content`; may be empty.
    title: String,
    content: String,
    /// When it was written.
    date: DateTime<Utc>,
    /// Whether the author bought the product here and it arrived.
    verified_purchase: bool,
}

/// Of the reviews that can be read here. The product's own `rating` and `reviewCount` also count what it came with.
#[derive(Serialize, ToSchema)]
struct ReviewSummary {
    /// To two decimals; 0 without reviews.
    average: f64,
    count: u32,
    /// How many gave each number of stars.
    #[schema(value_type = Object)]
    histogram: BTreeMap<u8, u32>,
}

impl ReviewSummary {
    fn of(summary: &Summary) -> Self {
        let count = summary.count();
        let mean = summary.stars() as f64 / f64::from(count.max(1));
        let histogram = (1..=5).zip(summary.counts).collect();
        Self { average: (mean * 100.0).round() / 100.0, count, histogram }
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug)]
enum Sort {
    Newest,
    Highest,
    Lowest,
}

impl Sort {
    fn of(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("newest") => Ok(Self::Newest),
            Some("highest") => Ok(Self::Highest),
            Some("lowest") => Ok(Self::Lowest),
            Some(_) => Err(Error::field("sort", "expected newest, highest or lowest")),
        }
    }

    fn order(self) -> Order {
        match self {
            Self::Newest => Order::Descending("at"),
            Self::Highest => Order::Descending("rank"),
            Self::Lowest => Order::Ascending("rank"),
        }
    }
}

/// An answer as it is sent.
struct Rendered {
    body: Bytes,
    etag: ETag,
}

static SUMMARIES: Cached<PerTenant, Summary> =
    Cached::in_process(&table::REVIEW_SUMMARIES, |_| std::mem::size_of::<Summary>());
static ANSWERS: Cached<PerTenant, Rendered> = Cached::in_process(&table::REVIEW_ANSWERS, |answer| answer.body.len());

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: ReviewsQuery = request.query()?;
    let sort = Sort::of(asked.sort.as_deref())?;
    let paging = ListQuery { limit: asked.limit, cursor: asked.cursor };
    let query = Query {
        filters: vec![Filter::Equal(PART, json!(SHOWN))],
        order: Some(sort.order()),
        limit: paging.limit(10)?,
        continuation: paging.continuation()?,
    };
    let tenant = request.caller.tenant();
    let product: ProductId = request.param("id")?;
    let (catalogue, status) = snapshot_and_status(&state, tenant).await?;
    if catalogue.get(&product).is_none() {
        return Err(Error::not_found("There is no such product."));
    }
    let (summary, known) = known_summary(&state, tenant, &product).await?;
    let status = status.and(known);
    // First pages are kept: they are what a product's page shows.
    if query.continuation.is_some() {
        let page = page(&state, tenant, &product, query, &summary).await?;
        return answer(&request, &product, &page, state.caches.bypass(&ANSWERS));
    }
    let key = format!("{product} {} {sort:?} {}", summary.version, query.limit);
    let (loading, owner, of) = (state.clone(), tenant.clone(), product.clone());
    let load = move || async move { page(&loading, &owner, &of, query, &summary).await };
    let (page, made) = state.caches.get_or_load(&ANSWERS, tenant, &key, load).await?;
    answer(&request, &product, &page, status.and(made))
}

/// The summary of a product's reviews, from memory where it is.
async fn known_summary(
    state: &AppState,
    tenant: &TenantId,
    product: &ProductId,
) -> Result<(std::sync::Arc<Summary>, CacheStatus)> {
    let (loading, owner, of) = (state.clone(), tenant.clone(), product.clone());
    let load = move || async move {
        let found = projection::summary(&loading, &owner, &of).await?;
        Ok(found.map(|(summary, _)| summary).unwrap_or_default())
    };
    state.caches.get_or_load(&SUMMARIES, tenant, product.as_str(), load).await
}

/// Has every instance forget what it knows of the reviews of these products.
pub(super) async fn changed(state: &AppState, products: &BTreeSet<(TenantId, ProductId)>) -> Result<()> {
    let changes: Vec<Change> = products.iter().map(|(tenant, product)| Change::reviews(tenant, product)).collect();
    state.caches.changed(&changes).await
}

async fn page(
    state: &AppState,
    tenant: &TenantId,
    product: &ProductId,
    query: Query,
    summary: &Summary,
) -> Result<Rendered> {
    let partition = projection::partition(tenant, product);
    let found = state.documents.query(&REVIEWS, Scope::Partition(&partition), query).await;
    let found = found.map_err(ListQuery::explain)?;
    let items = found.items.iter().map(view).collect::<Result<Vec<_>>>()?;
    let list = ReviewList {
        items: items.into_iter().flatten().collect(),
        next: cursor_of(found.next),
        summary: ReviewSummary::of(summary),
    };
    let body = Bytes::from(serde_json::to_vec(&list).map_err(Error::internal)?);
    Ok(Rendered { etag: content_etag(&body), body })
}

fn view(document: &Document) -> Result<Option<ReviewView>> {
    let Entry::Shown { author, rating, title, content, verified_purchase, at, .. } = document.read()? else {
        return Ok(None);
    };
    let date = DateTime::from_timestamp_millis(at).ok_or_else(|| Error::internal("a review of no time"))?;
    let (id, rating) = (document.id.clone(), rating.stars());
    Ok(Some(ReviewView { id, author, rating, title, content, date, verified_purchase }))
}

/// The URL alone determines it: its language is its author's.
fn answer(request: &Request, product: &ProductId, page: &Rendered, status: CacheStatus) -> Result<Response> {
    let mut response = Response::new(Body::Full(page.body.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = with_cache_status(with_etag(response, &page.etag), status);
    let tag = Change::reviews(request.caller.tenant(), product).tag();
    Ok(cacheable(tagged(response, &[tag]), request, true, "Authorization"))
}
