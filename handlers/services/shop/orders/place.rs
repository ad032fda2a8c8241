//! Placing an order: it is written down, its pieces are set aside, then it is placed. Whoever sends it again,
//! or comes after a process that died, finds it and goes on where it was left.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::moves::{busy, give_up};
use super::sent::{Draft, shortage};
use super::store::{self, Customer, Found};
use crate::error::{Code, Error, Result};
use crate::ordering::cart::Choice;
use crate::ordering::order::{By, Happened, Move, Note, Order, PLACING_TIME, Payment, PaymentStatus, Status, pieces};
use crate::ordering::stock::{Refusal, Step};
use crate::ordering::totals::Totals;
use crate::ports::ETag;
use crate::ports::payments::{Begun, NewPayment};
use crate::services::shop::cart::{self, Owner};
use crate::services::shop::stock;
use crate::state::AppState;
use crate::types::{PaymentMethod, ProductId};

const TURNS: u32 = 10;
const TURN_PAUSE: Duration = Duration::from_millis(3);

/// The order that a request under a key made before, brought to its end; `None` where there is none, or it
/// could not be placed.
pub async fn resumed(state: &AppState, customer: &Customer, key: Option<&str>) -> Result<Option<Found>> {
    let Some(key) = key else { return Ok(None) };
    let Some(id) = customer.keyed(state, key).await? else { return Ok(None) };
    match customer.order(state, &id).await? {
        Some(found) if found.order.status != Status::Failed => finish(state, customer, found).await.map(Some),
        _ => Ok(None),
    }
}

/// Places what a customer asks for.
///
/// # Errors
/// [`Code::OutOfStock`] with what could be had instead.
pub async fn place(state: &AppState, customer: &Customer, draft: Draft, key: Option<&str>) -> Result<Found> {
    let wanted: Vec<(ProductId, u32)> = pieces(draft.lines.iter().map(|line| (&line.choice.product_id, line.quantity)))
        .into_iter()
        .map(|(product, quantity)| (product.clone(), quantity))
        .collect();
    // Looked at before anything is written: most who come too late leave no trace.
    let mut short = Vec::new();
    for (product, quantity) in &wanted {
        let free = stock::current(state.documents.as_ref(), &customer.tenant, product).await?.free();
        if free < *quantity {
            short.push((product.clone(), *quantity, free));
        }
    }
    if !short.is_empty() && customer.order(state, &draft.id).await?.is_none() {
        return Err(shortage(state, &customer.tenant, &short).await?);
    }
    let order = new_order(draft, state.clock.now());
    let mut operations = vec![store::put(&order, None)?];
    if let Some(key) = key {
        operations.push(store::put_key(key, &order.id)?);
    }
    // Where it is not written, the same cart is being ordered by another request, or was by one that died.
    customer.write(state, operations).await?;
    let found = customer.order(state, &order.id).await?.ok_or_else(busy)?;
    finish(state, customer, found).await
}

fn new_order(draft: Draft, now: DateTime<Utc>) -> Order {
    let Draft { id, of_cart, lines, contact, note, method } = draft;
    let status = match method {
        PaymentMethod::OnDelivery => PaymentStatus::OnDelivery,
        PaymentMethod::Online => PaymentStatus::Awaited,
    };
    Order {
        kind: Order::DRAFT.into(),
        id,
        status: Status::Placing,
        created_at: now,
        updated_at: now,
        attention_at: Some(now + PLACING_TIME),
        of_cart,
        totals: Totals::of(lines.iter().map(|line| (line.price, line.quantity))),
        lines,
        contact,
        note,
        payment: Payment { method, status, page: None, news: Vec::new() },
        history: vec![Happened { status: Status::Placing, at: now, by: By::Customer, actor: None, reason: None }],
    }
}

/// Brings an order that is being placed to its end; gives others as they are.
async fn finish(state: &AppState, customer: &Customer, found: Found) -> Result<Found> {
    let mut found = found;
    for turn in 0..TURNS {
        match found.order.status {
            Status::Placing => {}
            Status::Failed => return Err(given_up()),
            _ => return Ok(found),
        }
        set_aside(state, customer, &found.order).await?;
        if conclude(state, customer, &mut found.order, &found.etag).await? {
            return customer.order(state, &found.order.id).await?.ok_or_else(busy);
        }
        tokio::time::sleep(TURN_PAUSE * (turn + 1)).await;
        found = customer.order(state, &found.order.id).await?.ok_or_else(busy)?;
    }
    Err(busy())
}

fn given_up() -> Error {
    Error::new(Code::Conflict, "The order could not be placed in time; please order again.")
}

/// Sets the pieces of an order aside, all or none.
async fn set_aside(state: &AppState, customer: &Customer, order: &Order) -> Result<()> {
    for (product, quantity) in order.pieces() {
        let step = stock::step(state, &customer.tenant, product, &order.id, Step::Reserve, quantity).await?;
        let Err(refusal) = step else { continue };
        let given = give_up(state, customer, &order.id, By::Customer, "out of stock").await?;
        // The same order under another request got the pieces, and was placed.
        if given.is_some_and(|found| found.order.status.is_shown()) {
            return Ok(());
        }
        return Err(match refusal {
            Refusal::Short { free } => shortage(state, &customer.tenant, &[(product.clone(), quantity, free)]).await?,
            Refusal::Ended | Refusal::NotReserved => given_up(),
        });
    }
    Ok(())
}

/// Places an order whose pieces are set aside, and takes them out of the cart; `false` where the order or the
/// cart was written meanwhile.
async fn conclude(state: &AppState, customer: &Customer, order: &mut Order, etag: &ETag) -> Result<bool> {
    let now = state.clock.now();
    let reference = super::webhook::reference(customer, &order.id);
    let payment = NewPayment { order: &order.id, reference: &reference, amount: order.totals.total };
    let begun = state.payments.begin(order.payment.method, &payment).await?;
    order.advance(Move::Place, By::Customer, Note::default(), now).map_err(Error::internal)?;
    let mut events = vec![store::told(&customer.tenant, order)?];
    match begun {
        Begun::Awaited { page } => order.payment.page = Some(page),
        Begun::OnDelivery => {
            order.advance(Move::Confirm, By::System, Note::default(), now).map_err(Error::internal)?;
            events.push(store::told(&customer.tenant, order)?);
        }
    }
    let mut operations = vec![store::put(order, Some(etag))?];
    operations.append(&mut events);
    if order.of_cart {
        let owner = Owner::Customer { tenant: customer.tenant.clone(), user: customer.user.clone() };
        let lines: Vec<(&Choice, u32)> = order.lines.iter().map(|line| (&line.choice, line.quantity)).collect();
        let Some(operation) = cart::take_out(state, &owner, &order.id, &lines).await? else {
            let given = give_up(state, customer, &order.id, By::Customer, "the cart changed").await?;
            // The same order under another request was placed.
            let placed = given.is_some_and(|found| found.order.status.is_shown());
            let changed = || Error::new(Code::Conflict, "The cart was changed meanwhile; look at it and order again.");
            return if placed { Ok(false) } else { Err(changed()) };
        };
        operations.push(operation);
    }
    customer.write(state, operations).await
}
