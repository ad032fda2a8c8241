//! Sees to it that every order comes to its end: those that nobody brought there, and those that waited too
//! long for their payment.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::moves::{self, Wanted};
use super::store::{Customer, Found, found_in};
use crate::containers::CUSTOMERS;
use crate::error::{Error, Result};
use crate::function::{Function, Outcome, TimerTick};
use crate::ordering::order::{By, Move, Note, PaymentStatus, Status};
use crate::ports::Condition;
use crate::ports::documents::{Document, Filter, Query, Scope};
use crate::state::AppState;
use crate::types::Service;

const PAGE: usize = 100;
/// Pages of one run; what is left comes with the next.
const PAGES: usize = 20;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![Function::timer("ShopOrdersReconcile", Service::Shop, "30 * * * * *", reconcile)]
}

/// Looks after every order whose time has come. One that cannot be helped now does not keep the others.
async fn reconcile(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let now = state.clock.now();
    let (mut done, mut failed) = (0, None);
    let mut continuation = None;
    for _ in 0..PAGES {
        let filters = vec![Filter::LessOrEqual("attentionAt", json!(now))];
        let query = Query { filters, limit: PAGE, continuation, ..Query::default() };
        let page = state.documents.query(&CUSTOMERS, Scope::Container, query).await?;
        for document in &page.items {
            match look_after(&state, document, now).await {
                Ok(()) => done += 1,
                Err(error) => {
                    tracing::warn!(order_id = %document.id, error = %error.chain(), "order not looked after");
                    failed = Some(error);
                }
            }
        }
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
    }
    failed.map_or_else(|| Ok(Outcome::of(format!("{done} orders looked after"))), Err)
}

async fn look_after(state: &AppState, document: &Document, now: DateTime<Utc>) -> Result<()> {
    let [tenant, user] = document.partition.0.as_slice() else { return Ok(()) };
    let customer =
        Customer { tenant: tenant.parse().map_err(Error::internal)?, user: user.parse().map_err(Error::internal)? };
    let found: Found = found_in(document)?;
    // A listing may be older than the document.
    if found.order.attention_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    let id = &found.order.id;
    match found.order.status {
        Status::Placing => moves::give_up(state, &customer, id, By::System, "not placed in time").await.map(drop),
        Status::Placed if found.order.payment.status == PaymentStatus::Awaited => {
            let note = Note::because("not paid in time");
            // In this version only: the payment may come at this moment.
            let condition = Condition::IfMatch(found.etag.clone());
            let wanted = Wanted { step: Move::Cancel, by: By::System, note, condition };
            moves::advance(state, &customer, id, wanted).await.map(drop)
        }
        _ => moves::settle(state, &customer, &found).await.map(drop),
    }
}
