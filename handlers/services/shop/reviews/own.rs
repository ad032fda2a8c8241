//! What customers write about products, and what became of it.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::model::{Review, ReviewStatus, review_id};
use super::purchases;
use super::store::{self, Author, Place, SUBMITTED, TURNS, Told, no_review, too_often};
use super::words::{ReviewRequest, Words};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::function::{Access, Function};
use crate::http::conditional::{if_match, with_etag};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::ports::documents::{Filter, Order, Query, Scope};
use crate::ports::{Condition, ETag};
use crate::services::accounts;
use crate::services::shop::snapshot;
use crate::state::AppState;
use crate::types::{ProductId, ReviewId, Service};

/// This resource's rows of the registry.
pub(super) fn functions() -> Vec<Function> {
    let asked = || json!({ "name": "Lakshmi", "rating": 5, "title": "A heirloom", "content": "The zari is finer than in the pictures." });
    let submitted = || json!({ "success": true, "message": "Thank you. Your review is shown once we have read it.", "review": own_example() });
    vec![
        Function::http("ShopReviewsCreate", Service::Shop, Method::POST, "v1/products/{id}/reviews", create)
            .access(Access::SignedIn)
            .idempotent()
            .summary(
                "Writes the caller's review of a product, in the place of an earlier one; it then waits for staff.",
            )
            .takes::<ReviewRequest>("application/json", asked())
            .answers::<ReviewSubmitted>(StatusCode::CREATED, "The review is there.", submitted())
            .answers::<ReviewSubmitted>(
                StatusCode::OK,
                "The review is there in the place of the earlier one.",
                submitted(),
            )
            .into(),
        Function::http("ShopReviewsOwnList", Service::Shop, Method::GET, "v1/users/me/reviews", list)
            .access(Access::SignedIn)
            .summary("Lists the caller's reviews, the newest first.")
            .query::<ListQuery>()
            .answers::<OwnReviewList>(
                StatusCode::OK,
                "A page of reviews.",
                json!({ "items": [own_example()], "next": null }),
            )
            .into(),
        Function::http("ShopReviewsOwnGet", Service::Shop, Method::GET, "v1/users/me/reviews/{id}", show)
            .access(Access::SignedIn)
            .summary("Shows a review of the caller's.")
            .answers::<OwnReview>(StatusCode::OK, "The review.", own_example())
            .into(),
        Function::http("ShopReviewsOwnUpdate", Service::Shop, Method::PUT, "v1/users/me/reviews/{id}", update)
            .access(Access::SignedIn)
            .summary("Writes a review of the caller's anew; it then waits for staff again, unless nothing changes.")
            .takes::<ReviewRequest>("application/json", asked())
            .answers::<ReviewSubmitted>(StatusCode::OK, "The review as it is now.", submitted())
            .fails(&[Code::PreconditionFailed])
            .into(),
        Function::http("ShopReviewsOwnDelete", Service::Shop, Method::DELETE, "v1/users/me/reviews/{id}", delete)
            .access(Access::SignedIn)
            .summary("Deletes a review of the caller's.")
            .answers::<ReviewDeleted>(
                StatusCode::OK,
                "It is gone.",
                json!({ "success": true, "message": "The review was deleted." }),
            )
            .fails(&[Code::PreconditionFailed])
            .into(),
    ]
}

fn own_example() -> Value {
    json!({ "id": "rev_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "productId": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "status": "pending", "author": "Lakshmi", "rating": 5, "title": "A heirloom", "content": "The zari is finer than in the pictures.", "verifiedPurchase": false, "createdAt": "2026-01-15T06:30:00Z", "updatedAt": "2026-01-15T06:30:00Z", "reason": null })
}

/// A review as its author sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnReview {
    id: String,
    product_id: String,
    status: ReviewStatus,
    /// The name that is shown.
    author: String,
    #[schema(minimum = 1, maximum = 5)]
    rating: u8,
    title: String,
    content: String,
    verified_purchase: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Why it was rejected.
    reason: Option<String>,
}

impl OwnReview {
    pub fn of(review: Review) -> Self {
        Self {
            id: review.id.to_string(),
            product_id: review.product_id.to_string(),
            status: review.status,
            author: review.author,
            rating: review.rating.stars(),
            title: review.title,
            content: review.content,
            verified_purchase: review.verified_purchase,
            created_at: review.created_at,
            updated_at: review.updated_at,
            reason: review.reason,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct OwnReviewList {
    items: Vec<OwnReview>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ReviewSubmitted {
    success: bool,
    message: &'static str,
    review: OwnReview,
}

#[derive(Serialize, ToSchema)]
struct ReviewDeleted {
    success: bool,
    message: &'static str,
}

fn author(request: &Request) -> Result<Author<'_>> {
    let principal = request.principal()?;
    Ok(Author { tenant: &principal.tenant, user: &principal.user })
}

/// The body, which the storefront may send as text/plain.
fn words(request: &Request) -> Result<Words> {
    Words::of(request.json_of_any_type()?)
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let product: ProductId = request.param("id")?;
    let author = author(&request)?;
    if snapshot(&state, author.tenant).await?.get(&product).is_none() {
        return Err(Error::not_found("There is no such product."));
    }
    let draft = Draft { product: product.clone(), words: words(&request)? };
    let id = review_id(author.user, &product)?;
    for _ in 0..TURNS {
        let place = store::read(&state, author, &id).await?;
        if let Some((review, etag)) = draft.put(&state, author, &id, &place).await? {
            let status = if matches!(place, Place::Held { .. }) { StatusCode::OK } else { StatusCode::CREATED };
            return submitted(status, review, &etag);
        }
    }
    Err(too_often())
}

async fn update(state: AppState, request: Request) -> Result<Response> {
    let id: ReviewId = request.param("id")?;
    let author = author(&request)?;
    let demanded = if_match(&request)?;
    let words = words(&request)?;
    for _ in 0..TURNS {
        let place = held(&state, author, &id, &demanded).await?;
        let Place::Held { review, .. } = &place else { return Err(no_review()) };
        let draft = Draft { product: review.product_id.clone(), words: words.clone() };
        if let Some((review, etag)) = draft.put(&state, author, &id, &place).await? {
            return submitted(StatusCode::OK, review, &etag);
        }
    }
    Err(too_often())
}

/// What is there, if it is a review in the version that is demanded.
async fn held(state: &AppState, author: Author<'_>, id: &ReviewId, demanded: &Condition) -> Result<Place> {
    let place = store::read(state, author, id).await?;
    let Place::Held { etag, .. } = &place else { return Err(no_review()) };
    match demanded {
        Condition::IfMatch(version) if version != etag => {
            Err(Error::new(Code::PreconditionFailed, "It was changed meanwhile; read it again and repeat."))
        }
        _ => Ok(place),
    }
}

/// What an author wants to say of a product.
struct Draft {
    product: ProductId,
    words: Words,
}

impl Draft {
    /// Writes it where `place` is; gives the review as it is then, `None` when others were faster. One that says
    /// what is there already stays as it is, approved or rejected.
    async fn put(
        &self,
        state: &AppState,
        author: Author<'_>,
        id: &ReviewId,
        place: &Place,
    ) -> Result<Option<(Review, ETag)>> {
        let user = accounts::user(state, author.tenant, author.user).await?;
        let user = user.filter(|user| user.active).ok_or_else(accounts::closed)?;
        let (name, words) = (self.words.author(&user.first_name), &self.words);
        if let Place::Held { review, etag } = place
            && (&review.author, review.rating, &review.title, &review.content)
                == (&name, words.rating, &words.title, &words.content)
        {
            return Ok(Some(((**review).clone(), etag.clone())));
        }
        let now = state.clock.now();
        let version = place.version() + 1;
        let flags = words.flags(&name);
        let waits = state.settings.reviews_wait || !flags.is_empty();
        let created_at = match place {
            Place::Held { review, .. } => review.created_at,
            Place::Empty | Place::Left { .. } => now,
        };
        let review = Review {
            kind: Review::KIND.to_owned(),
            id: id.clone(),
            product_id: self.product.clone(),
            status: if waits { ReviewStatus::Pending } else { ReviewStatus::Approved },
            version,
            revision: version,
            author: name,
            rating: words.rating,
            title: words.title.clone(),
            content: words.content.clone(),
            verified_purchase: purchases::has_received(state, author, &self.product).await?,
            flags,
            reason: None,
            created_at,
            updated_at: now,
        };
        let written = store::write(state, author, place, &review, &Told::plainly(SUBMITTED)).await?;
        Ok(written.map(|document| (review, document.etag)))
    }
}

fn submitted(status: StatusCode, review: Review, etag: &ETag) -> Result<Response> {
    let message = match review.status {
        ReviewStatus::Approved => "Thank you. Your review is shown.",
        ReviewStatus::Pending => "Thank you. Your review is shown once we have read it.",
        ReviewStatus::Rejected => "Your review is not shown; its reason says why.",
    };
    let answer = ReviewSubmitted { success: true, message, review: OwnReview::of(review) };
    Ok(with_etag(no_store(json_with(status, &answer)?), etag))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let author = author(&request)?;
    let query = Query {
        filters: vec![Filter::Equal("kind", json!(Review::KIND))],
        order: Some(Order::Descending("createdAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
    };
    let partition = customer(author.tenant, author.user.as_str());
    let found = state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await;
    let page = found.map_err(ListQuery::explain)?;
    let items = page.items.iter().map(|document| Ok(OwnReview::of(document.read()?))).collect::<Result<_>>()?;
    Ok(no_store(json(&OwnReviewList { items, next: cursor_of(page.next) })?))
}

async fn show(state: AppState, request: Request) -> Result<Response> {
    let id: ReviewId = request.param("id")?;
    match store::read(&state, author(&request)?, &id).await? {
        Place::Held { review, etag } => Ok(with_etag(no_store(json(&OwnReview::of(*review))?), &etag)),
        Place::Empty | Place::Left { .. } => Err(no_review()),
    }
}

async fn delete(state: AppState, request: Request) -> Result<Response> {
    let id: ReviewId = request.param("id")?;
    let author = author(&request)?;
    let demanded = if_match(&request)?;
    for _ in 0..TURNS {
        let Place::Held { review, etag } = held(&state, author, &id, &demanded).await? else {
            return Err(no_review());
        };
        if store::remove(&state, author, &review, etag).await? {
            return Ok(no_store(json(&ReviewDeleted { success: true, message: "The review was deleted." })?));
        }
    }
    Err(too_often())
}
