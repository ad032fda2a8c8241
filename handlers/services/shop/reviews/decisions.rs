//! What staff decides about reviews.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::model::{Review, ReviewStatus};
use super::own::OwnReview;
use super::purchases;
use super::store::{self, APPROVED, Author, Place, REJECTED, TURNS, Told, no_review, too_often};
use super::words::{ReviewFlag, is_plain};
use crate::audit::Origin;
use crate::containers::CUSTOMERS;
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, no_store};
use crate::identity::Permission;
use crate::ports::documents::{Document, Filter, Query, Scope};
use crate::state::AppState;
use crate::types::{ReviewId, Service, TenantId, UserId};

const MAX_REASON_CHARS: usize = 500;

/// This resource's rows of the registry.
pub(super) fn functions() -> Vec<Function> {
    let with = |status: &str, reason: Value| {
        let mut review = example();
        review["status"] = json!(status);
        review["reason"] = reason;
        review
    };
    vec![
        Function::http("ShopAdminReviewsList", Service::Shop, Method::GET, "v1/admin/reviews", list)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Lists reviews by where they stand, product by product.")
            .query::<DecisionsQuery>()
            .answers::<StaffReviewList>(
                StatusCode::OK,
                "A page of reviews.",
                json!({ "items": [example()], "next": null }),
            )
            .into(),
        Function::http(
            "ShopAdminReviewsApprove",
            Service::Shop,
            Method::POST,
            "v1/admin/reviews/{id}/approve",
            approve,
        )
        .access(Access::May(Permission::ManageCatalogue))
        .summary("Has everybody see a review as it was read.")
        .takes::<ReviewApproval>("application/json", json!({ "revision": 1 }))
        .answers::<StaffReview>(StatusCode::OK, "The review as it is now.", with("approved", Value::Null))
        .fails(&[Code::PreconditionFailed])
        .into(),
        Function::http("ShopAdminReviewsReject", Service::Shop, Method::POST, "v1/admin/reviews/{id}/reject", reject)
            .access(Access::May(Permission::ManageCatalogue))
            .summary("Has nobody but its author see a review, approved before or not; the author is told why.")
            .takes::<ReviewRejection>(
                "application/json",
                json!({ "revision": 1, "reason": "It advertises another shop." }),
            )
            .answers::<StaffReview>(
                StatusCode::OK,
                "The review as it is now.",
                with("rejected", json!("It advertises another shop.")),
            )
            .fails(&[Code::PreconditionFailed])
            .into(),
    ]
}

fn example() -> Value {
    json!({ "id": "rev_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "productId": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "pending", "author": "Lakshmi", "rating": 5, "title": "A heirloom", "content": "Ask me at lakshmi@example.in.", "verifiedPurchase": false, "createdAt": "2026-01-15T06:30:00Z", "updatedAt": "2026-01-15T06:30:00Z", "reason": null, "userId": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "revision": 1, "flags": ["email"] })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DecisionsQuery {
    /// `pending`, `approved` or `rejected`; `pending` where nothing is said.
    status: Option<String>,
    /// Reviews a page, 1 to 100; 20 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct ReviewApproval {
    /// Of the review as it was read: one that its author changed meanwhile has to be read again.
    revision: u64,
}

#[derive(Deserialize, ToSchema)]
struct ReviewRejection {
    /// Of the review as it was read.
    revision: u64,
    /// What the author is told.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct StaffReviewList {
    items: Vec<StaffReview>,
    next: Option<String>,
}

/// A review as staff sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StaffReview {
    #[serde(flatten)]
    review: OwnReview,
    user_id: String,
    /// Names what its author wrote last.
    revision: u64,
    /// Why somebody has to look at it.
    flags: Vec<ReviewFlag>,
}

impl StaffReview {
    fn of(user: &UserId, review: Review) -> Self {
        let (revision, flags) = (review.revision, review.flags.clone());
        Self { review: OwnReview::of(review), user_id: user.to_string(), revision, flags }
    }
}

/// Whose partition a document is in.
fn user(document: &Document) -> Result<UserId> {
    let user = document.partition.0.get(1).ok_or_else(|| Error::internal("a review of nobody"))?;
    user.parse().map_err(Error::internal)
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let asked: DecisionsQuery = request.query()?;
    let status = asked.status.as_deref().unwrap_or(ReviewStatus::Pending.name());
    if !ReviewStatus::ALL.iter().any(|known| known.name() == status) {
        return Err(Error::field("status", "expected pending, approved or rejected"));
    }
    let paging = ListQuery { limit: asked.limit, cursor: asked.cursor };
    // By id, which sorts by product: over many partitions there is an index for no other order.
    let query = Query {
        filters: vec![Filter::Equal("kind", json!(Review::KIND)), Filter::Equal("status", json!(status))],
        order: None,
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let tenant = [request.caller.tenant().to_string()];
    let found = state.documents.query(&CUSTOMERS, Scope::Prefix(&tenant), query).await;
    let page = found.map_err(ListQuery::explain)?;
    let items = page.items.iter().map(|document| Ok(StaffReview::of(&user(document)?, document.read()?)));
    Ok(no_store(json(&StaffReviewList { items: items.collect::<Result<_>>()?, next: cursor_of(page.next) })?))
}

async fn approve(state: AppState, request: Request) -> Result<Response> {
    let id: ReviewId = request.param("id")?;
    let ReviewApproval { revision } = request.json()?;
    Decision { id, revision, status: ReviewStatus::Approved, reason: None }.carry_out(&state, &request).await
}

async fn reject(state: AppState, request: Request) -> Result<Response> {
    let id: ReviewId = request.param("id")?;
    let ReviewRejection { revision, reason } = request.json()?;
    let reason = reason.trim().to_owned();
    if !(1..=MAX_REASON_CHARS).contains(&reason.chars().count()) || !reason.chars().all(is_plain) {
        let expected = format!("expected 1 to {MAX_REASON_CHARS} characters, none of control");
        return Err(Error::field("reason", expected));
    }
    Decision { id, revision, status: ReviewStatus::Rejected, reason: Some(reason) }.carry_out(&state, &request).await
}

/// What is decided about a review as somebody read it.
struct Decision {
    id: ReviewId,
    revision: u64,
    status: ReviewStatus,
    reason: Option<String>,
}

impl Decision {
    /// Decided twice alike, it is decided once.
    async fn carry_out(&self, state: &AppState, request: &Request) -> Result<Response> {
        let principal = request.principal()?;
        let origin = Origin::of(request);
        let kind = if self.status == ReviewStatus::Approved { APPROVED } else { REJECTED };
        let told = Told { kind, actor: Some(principal.actor()), origin: Some(&origin) };
        for _ in 0..TURNS {
            let (user, place) = find(state, &principal.tenant, &self.id).await?.ok_or_else(no_review)?;
            let Place::Held { review, .. } = &place else { return Err(no_review()) };
            if user == principal.user {
                return Err(Error::new(Code::NotPermitted, "Nobody decides about their own review."));
            }
            if review.revision != self.revision {
                return Err(Error::new(Code::PreconditionFailed, "Its author changed it meanwhile; read it again."));
            }
            let mut decided = (**review).clone();
            if (decided.status, &decided.reason) != (self.status, &self.reason) {
                let author = Author { tenant: &principal.tenant, user: &user };
                decided.status = self.status;
                decided.reason = self.reason.clone();
                decided.version += 1;
                // An order may have arrived while the review was being written.
                decided.verified_purchase |= purchases::has_received(state, author, &decided.product_id).await?;
                if store::write(state, author, &place, &decided, &told).await?.is_none() {
                    continue;
                }
            }
            return Ok(no_store(json(&StaffReview::of(&user, decided))?));
        }
        Err(too_often())
    }
}

/// The review of this id, whoever wrote it; asked of all partitions of a boutique.
async fn find(state: &AppState, tenant: &TenantId, id: &ReviewId) -> Result<Option<(UserId, Place)>> {
    let filters = vec![Filter::Equal("kind", json!(Review::KIND)), Filter::Equal("id", json!(id))];
    let query = Query { filters, limit: 1, ..Query::default() };
    let prefix = [tenant.to_string()];
    let page = state.documents.query(&CUSTOMERS, Scope::Prefix(&prefix), query).await?;
    page.items.first().map(|document| Ok((user(document)?, store::place(document)?))).transpose()
}
