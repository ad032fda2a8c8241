//! What becomes of a customer's orders when the account is erased. What has not left is cancelled; of what has,
//! the boutique keeps a record for its books that names nobody: accounts are kept for 72 months after the
//! annual return is due (Central Goods and Services Tax Act 2017, section 36).

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::moves::{self, Wanted};
use super::store::{Customer, found_in};
use crate::containers::{CUSTOMERS, sales};
use crate::error::Result;
use crate::ordering::order::{By, Move, Note, Order, OrderLine, Status};
use crate::ordering::totals::Totals;
use crate::ports::Condition;
use crate::ports::documents::{Document, NewDocument, Ttl};
use crate::state::AppState;
use crate::types::{OrderId, PaymentMethod, TenantId, UserId};

/// Eight years: the year of the sale, the months until the return is due, and the 72 months.
const SALES_KEPT: u32 = 8 * 366 * 86_400;

/// A sale to somebody who is no longer a customer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sale<'a> {
    kind: &'static str,
    id: &'a OrderId,
    status: Status,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    lines: &'a [OrderLine],
    #[serde(flatten)]
    totals: Totals,
    payment_method: PaymentMethod,
}

/// Ends what is open of an order of a customer who is being erased, and keeps what the books need. The document
/// itself is left to whoever erases. Can be done again.
///
/// # Errors
/// Where it cannot be done now.
pub async fn forget(state: &AppState, tenant: &TenantId, user: &UserId, document: &Document) -> Result<()> {
    let customer = Customer { tenant: tenant.clone(), user: user.clone() };
    let found = found_in(document)?;
    let id = &found.order.id;
    let order = match found.order.status {
        Status::Placing => moves::give_up(state, &customer, id, By::System, "account erased").await?,
        Status::Placed | Status::Confirmed | Status::Packed => {
            let note = Note::because("account erased");
            let wanted = Wanted { step: Move::Cancel, by: By::System, note, condition: Condition::None };
            Some(moves::advance(state, &customer, id, wanted).await?)
        }
        _ => Some(found),
    };
    let Some(found) = order else { return Ok(()) };
    // Once the order is gone nobody knows which pieces were its own.
    moves::settle(state, &customer, &found).await?;
    match found.order.status {
        Status::Shipped | Status::Delivered | Status::Returned => keep(state, tenant, &found.order).await,
        _ => Ok(()),
    }
}

async fn keep(state: &AppState, tenant: &TenantId, order: &Order) -> Result<()> {
    let sale = Sale {
        kind: "sale",
        id: &order.id,
        status: order.status,
        created_at: order.created_at,
        updated_at: order.updated_at,
        lines: &order.lines,
        totals: order.totals,
        payment_method: order.payment.method,
    };
    let document = NewDocument::new(order.id.as_str(), &sale)?.with_ttl(Ttl::Seconds(SALES_KEPT));
    state.documents.upsert(&CUSTOMERS, &sales(tenant), document).await?;
    Ok(())
}
