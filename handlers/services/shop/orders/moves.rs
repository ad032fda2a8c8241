//! Moving orders. The order's document says first where it stands; then the stock follows. Who dies in between
//! leaves an order that asks for attention, which the timer gives it.

use std::time::Duration;

use super::store::{self, Customer, Found};
use crate::error::{Code, Error, Result};
use crate::ordering::order::{By, Move, MoveRefusal, Note, Order, PaymentStatus, Status};
use crate::ordering::stock::{Refusal, Step};
use crate::ports::Condition;
use crate::services::shop::cart::{self, Owner};
use crate::services::shop::stock;
use crate::state::AppState;
use crate::types::OrderId;

/// How often a change is put upon what others wrote meanwhile.
const TURNS: u32 = 10;
const TURN_PAUSE: Duration = Duration::from_millis(3);

/// What is to become of an order.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub step: Move,
    pub by: By,
    pub note: Note,
    /// The version that is meant.
    pub condition: Condition,
}

/// Moves an order. Where it is already what the move would make of it, it stays as it is.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::Conflict`] when it cannot be moved so; [`Code::PreconditionFailed`].
pub async fn advance(state: &AppState, customer: &Customer, id: &OrderId, wanted: Wanted) -> Result<Found> {
    for turn in 0..TURNS {
        let Some(mut found) = customer.order(state, id).await?.filter(|found| found.order.status.is_shown()) else {
            return Err(no_order());
        };
        if matches!(&wanted.condition, Condition::IfMatch(etag) if *etag != found.etag) {
            return Err(Error::new(Code::PreconditionFailed, "The order changed meanwhile; read it again and repeat."));
        }
        if is_done(&found.order, wanted.step) {
            return Ok(found);
        }
        let now = state.clock.now();
        found.order.advance(wanted.step, wanted.by, wanted.note.clone(), now).map_err(explain)?;
        if found.order.status == Status::Cancelled && found.order.payment.status == PaymentStatus::Paid {
            found.order.payment.status = PaymentStatus::RefundDue;
        }
        let operations =
            vec![store::put(&found.order, Some(&found.etag))?, store::told(&customer.tenant, &found.order)?];
        if customer.write(state, operations).await? {
            return settled(state, customer, id).await;
        }
        tokio::time::sleep(TURN_PAUSE * (turn + 1)).await;
    }
    Err(busy())
}

/// Whether a move was made before and nothing came after it.
fn is_done(order: &Order, step: Move) -> bool {
    let made = match step {
        Move::Place => Status::Placed,
        Move::Fail => Status::Failed,
        Move::Confirm => Status::Confirmed,
        Move::Pack => Status::Packed,
        Move::Ship => Status::Shipped,
        Move::Deliver => Status::Delivered,
        Move::Cancel => Status::Cancelled,
        Move::Return => Status::Returned,
    };
    order.status == made
}

fn explain(refusal: MoveRefusal) -> Error {
    let words = |status: Status| format!("{status:?}").to_lowercase();
    match refusal {
        MoveRefusal::Impossible { from } => {
            Error::new(Code::Conflict, format!("This cannot be done with an order that is {}.", words(from)))
        }
        MoveRefusal::NotYours { from } => {
            let detail = format!("The order is {} by now; please get in touch with the boutique.", words(from));
            Error::new(Code::Conflict, detail)
        }
    }
}

/// The order as it is now, its stock settled; where that cannot be done now, the timer does it.
async fn settled(state: &AppState, customer: &Customer, id: &OrderId) -> Result<Found> {
    let found = customer.order(state, id).await?.ok_or_else(no_order)?;
    match settle(state, customer, &found).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => customer.order(state, id).await?.ok_or_else(no_order),
        Err(error) => {
            tracing::warn!(order_id = %id, error = %error.chain(), "stock does not follow an order yet");
            Ok(found)
        }
    }
}

/// Has the stock follow an order that asks for attention, and notes that it has; `None` where the order was
/// written meanwhile. Can be done again.
///
/// # Errors
/// Where it cannot be done now.
pub async fn settle(state: &AppState, customer: &Customer, found: &Found) -> Result<Option<Found>> {
    let Found { order, etag } = found;
    let step = order.status.stock();
    if order.attention_at.is_none() || step == Step::Reserve {
        return Ok(Some(found.clone()));
    }
    for (product, quantity) in order.pieces() {
        match stock::step(state, &customer.tenant, product, &order.id, step, quantity).await? {
            Ok(_) => {}
            // A move that came later was faster.
            Err(Refusal::Ended) => {}
            Err(refusal) => {
                tracing::error!(order_id = %order.id, %product, %refusal, "stock cannot follow an order");
            }
        }
    }
    let order = Order { attention_at: None, ..order.clone() };
    let written = customer.write(state, vec![store::put(&order, Some(etag))?]).await?;
    if written { customer.order(state, &order.id).await } else { Ok(None) }
}

/// Gives an order up that could not be placed, and sets its pieces free. The cart is as it was, but another
/// order will be made of it. Where the order was placed meanwhile, or given up, it stays so. Gives the order as
/// it then is, if there is one.
///
/// # Errors
/// Where it cannot be done now.
pub async fn give_up(
    state: &AppState,
    customer: &Customer,
    id: &OrderId,
    by: By,
    reason: &str,
) -> Result<Option<Found>> {
    for turn in 0..TURNS {
        let Some(mut found) = customer.order(state, id).await? else { return Ok(None) };
        if found.order.status == Status::Placing {
            found.order.advance(Move::Fail, by, Note::because(reason), state.clock.now()).map_err(explain)?;
            let mut operations = vec![store::put(&found.order, Some(&found.etag))?];
            if found.order.of_cart {
                let owner = Owner::Customer { tenant: customer.tenant.clone(), user: customer.user.clone() };
                operations.extend(cart::give_up(state, &owner, id).await?);
            }
            if !customer.write(state, operations).await? {
                tokio::time::sleep(TURN_PAUSE * (turn + 1)).await;
                continue;
            }
        }
        return settled(state, customer, id).await.map(Some);
    }
    Err(busy())
}

pub fn no_order() -> Error {
    Error::not_found("There is no such order.")
}

pub fn busy() -> Error {
    Error::new(Code::Unavailable, "The order is changed all the time; please try again.")
        .with_retry_after(Duration::from_secs(1))
}
