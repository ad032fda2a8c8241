//! What follows from events: of reviews, and of orders that arrive.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::model::review_id;
use super::projection::{self, PART, Told};
use super::store::{self, Author, CHANGED, Place, TURNS, too_often};
use super::{figures, public};
use crate::containers::{CUSTOMERS, REVIEWS};
use crate::error::Result;
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::ports::events::DomainEvent;
use crate::services::{dedicated, outbox};
use crate::state::AppState;
use crate::types::{ProductId, Service, TenantId, UserId};

/// Products of one order that are looked at; no order has as many.
const MAX_PRODUCTS: usize = 200;

/// This resource's rows of the registry.
pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::change_feed("ShopReviewsProject", Service::Shop, &CUSTOMERS, project),
        dedicated::pulled("ShopReviewsProjectPull", Service::Shop, &CUSTOMERS, project),
        Function::change_feed("ShopReviewsSummed", Service::Shop, &REVIEWS, summed),
        dedicated::pulled("ShopReviewsSummedPull", Service::Shop, &REVIEWS, summed),
    ]
}

/// An order that arrived.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivered {
    user_id: UserId,
    product_ids: Vec<ProductId>,
}

/// Acts on the events of the outbox that concern reviews.
async fn project(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let mut followed = 0;
    for document in changed.documents.into_iter().filter_map(outbox::read) {
        let event = document.event;
        if event.kind.starts_with("review.") {
            followed += usize::from(review_changed(&state, event).await?);
        } else if event.kind == "order.delivered" {
            followed += order_delivered(&state, event).await?;
        }
    }
    Ok(Outcome::of(format!("{followed} reviews followed")))
}

/// What an event says. One that cannot be read would come for ever, so it is logged and passed over.
fn data<T: DeserializeOwned>(event: DomainEvent) -> Option<T> {
    let (id, kind) = (event.id, event.kind);
    match serde_json::from_value(event.data) {
        Ok(data) => Some(data),
        Err(error) => {
            tracing::error!(%id, %kind, %error, "event cannot be read; passed over");
            None
        }
    }
}

async fn review_changed(state: &AppState, event: DomainEvent) -> Result<bool> {
    let tenant = event.tenant_id.clone();
    let Some(told) = data::<Told>(event) else { return Ok(false) };
    let author = Author { tenant: &tenant, user: &told.user_id };
    projection::follow(state, author, &told.product_id, &told.review_id, told.version).await
}

/// Marks the reviews of what has arrived; gives their number.
async fn order_delivered(state: &AppState, event: DomainEvent) -> Result<usize> {
    let tenant = event.tenant_id.clone();
    let Some(Delivered { user_id, product_ids }) = data(event) else { return Ok(0) };
    let author = Author { tenant: &tenant, user: &user_id };
    let mut marked = 0;
    for product in product_ids.iter().take(MAX_PRODUCTS) {
        marked += usize::from(verify(state, author, product).await?);
    }
    Ok(marked)
}

/// Marks the author's review of a product as that of a buyer; `false` when there is none, or it is.
async fn verify(state: &AppState, author: Author<'_>, product: &ProductId) -> Result<bool> {
    let id = review_id(author.user, product)?;
    for _ in 0..TURNS {
        let place = store::read(state, author, &id).await?;
        let mut review = match &place {
            Place::Held { review, .. } if !review.verified_purchase => review.clone(),
            _ => return Ok(false),
        };
        review.verified_purchase = true;
        review.version += 1;
        if store::write(state, author, &place, &review, &store::Told::plainly(CHANGED)).await?.is_some() {
            return Ok(true);
        }
    }
    Err(too_often())
}

/// Has the products and the memories of all instances follow summaries that changed.
async fn summed(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let summed: BTreeSet<(TenantId, ProductId)> = changed.documents.iter().filter_map(summary).collect();
    public::changed(&state, &summed).await?;
    let mut products = 0;
    for (tenant, product) in &summed {
        products += usize::from(figures::refresh(&state, tenant, product).await?);
    }
    Ok(Outcome::of(format!("{} summaries changed, and {products} products with them", summed.len())))
}

/// The product whose summary a document is.
fn summary(document: &Value) -> Option<(TenantId, ProductId)> {
    let text = |field: &str| document.get(field)?.as_str();
    (text(PART)? == "summary").then_some(())?;
    Some((text("tenantId")?.parse().ok()?, text("productId")?.parse().ok()?))
}
