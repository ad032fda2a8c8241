//! An order and its states.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cart::Choice;
use super::contact::Contact;
use super::stock::Step;
use super::totals::Totals;
use crate::types::{OrderId, Paise, PaymentMethod, ProductId};

/// How long an order that is being placed may take before it is given up; longer than any request runs.
pub const PLACING_TIME: TimeDelta = TimeDelta::minutes(3);
/// How long a payment is waited for (the boutique's payment policy).
pub const PAYMENT_TIME: TimeDelta = TimeDelta::minutes(30);
/// When it is looked whether the stock has followed an order.
pub const STOCK_TIME: TimeDelta = TimeDelta::minutes(1);
/// News of payments that an order remembers, so that one that comes twice counts once.
const NEWS_REMEMBERED: usize = 10;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Its pieces are being set aside; no customer has been told of it.
    Placing,
    /// It could not be placed.
    Failed,
    /// Its pieces are set aside; its payment is waited for.
    Placed,
    Confirmed,
    Packed,
    Shipped,
    Delivered,
    Cancelled,
    Returned,
}

/// What is done with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Place,
    Fail,
    Confirm,
    Pack,
    Ship,
    Deliver,
    Cancel,
    Return,
}

/// On whose behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    Customer,
    Staff,
    /// The payment provider.
    Payment,
    /// Nobody asked: time passed, or something was repaired.
    System,
}

/// Why an order does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefusal {
    /// It is not in a state from which this leads on.
    #[error("an order that is {from:?} cannot be moved so")]
    Impossible { from: Status },
    /// Somebody else may do it.
    #[error("only others may move an order that is {from:?} so")]
    NotYours { from: Status },
}

impl Status {
    /// Those that customers and staff see.
    pub const SHOWN: [Self; 7] =
        [Self::Placed, Self::Confirmed, Self::Packed, Self::Shipped, Self::Delivered, Self::Cancelled, Self::Returned];

    /// The state after a move.
    ///
    /// # Errors
    /// [`MoveRefusal`].
    pub fn after(self, step: Move, by: By) -> Result<Self, MoveRefusal> {
        use By::{Customer, Payment, Staff, System};
        let (to, who): (Self, &[By]) = match (self, step) {
            (Self::Placing, Move::Place) => (Self::Placed, &[Customer]),
            (Self::Placing, Move::Fail) => (Self::Failed, &[Customer, System]),
            (Self::Placed, Move::Confirm) => (Self::Confirmed, &[Staff, Payment, System]),
            (Self::Placed, Move::Cancel) => (Self::Cancelled, &[Customer, Staff, Payment, System]),
            (Self::Confirmed, Move::Pack) => (Self::Packed, &[Staff]),
            (Self::Confirmed, Move::Cancel) => (Self::Cancelled, &[Customer, Staff, System]),
            (Self::Packed, Move::Ship) => (Self::Shipped, &[Staff]),
            (Self::Packed, Move::Cancel) => (Self::Cancelled, &[Staff, System]),
            (Self::Shipped, Move::Deliver) => (Self::Delivered, &[Staff]),
            (Self::Shipped | Self::Delivered, Move::Return) => (Self::Returned, &[Staff]),
            _ => return Err(MoveRefusal::Impossible { from: self }),
        };
        if who.contains(&by) { Ok(to) } else { Err(MoveRefusal::NotYours { from: self }) }
    }

    /// What the stock has to have done with the pieces of an order in this state.
    pub fn stock(self) -> Step {
        match self {
            Self::Placing | Self::Placed | Self::Confirmed | Self::Packed => Step::Reserve,
            Self::Shipped | Self::Delivered => Step::Sell,
            Self::Failed | Self::Cancelled | Self::Returned => Step::Release,
        }
    }

    /// Whether it was ever told to its customer.
    pub fn is_shown(self) -> bool {
        Self::SHOWN.contains(&self)
    }
}

/// A line of an order, as it was when it was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    #[serde(flatten)]
    pub choice: Choice,
    pub sku: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub quantity: u32,
    #[serde(rename = "pricePaise")]
    pub price: Paise,
}

/// How far the payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PaymentStatus {
    /// Whoever brings the parcel takes the money.
    OnDelivery,
    Awaited,
    Paid,
    /// It was paid and is to be paid back: the order was not kept open so long.
    RefundDue,
    /// It was not paid.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub method: PaymentMethod,
    pub status: PaymentStatus,
    /// Where the customer pays, while it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The last news of the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<String>,
}

/// One state that an order came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Happened {
    pub status: Status,
    pub at: DateTime<Utc>,
    pub by: By,
    /// Which member of the staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An order as it is stored, under its id in the partition of its customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// [`Order::KIND`], and [`Order::DRAFT`] while no customer has been told of it.
    pub kind: String,
    pub id: OrderId,
    pub status: Status,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// When somebody has to look whether all has come to its end; absent when nothing is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_at: Option<DateTime<Utc>>,
    /// Whether it was made of the cart.
    pub of_cart: bool,
    pub lines: Vec<OrderLine>,
    #[serde(flatten)]
    pub totals: Totals,
    pub contact: Contact,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub payment: Payment,
    pub history: Vec<Happened>,
}

impl Order {
    pub const KIND: &'static str = "order";
    pub const DRAFT: &'static str = "orderDraft";

    /// Moves the order and notes it.
    ///
    /// # Errors
    /// [`MoveRefusal`]: nothing changed.
    pub fn advance(&mut self, step: Move, by: By, note: Note, now: DateTime<Utc>) -> Result<(), MoveRefusal> {
        let status = self.status.after(step, by)?;
        self.status = status;
        self.updated_at = now;
        self.kind = if status.is_shown() { Self::KIND } else { Self::DRAFT }.into();
        self.history.push(Happened { status, at: now, by, actor: note.actor, reason: note.reason });
        // The stock follows, unless it is where it has to be.
        self.attention_at = match status {
            Status::Placed if self.payment.status == PaymentStatus::Awaited => Some(now + PAYMENT_TIME),
            Status::Failed | Status::Shipped | Status::Cancelled | Status::Returned => Some(now + STOCK_TIME),
            _ => None,
        };
        if status != Status::Placed {
            self.payment.page = None;
        }
        Ok(())
    }

    /// The pieces of each product, whatever their sizes and colours.
    pub fn pieces(&self) -> Vec<(&ProductId, u32)> {
        pieces(self.lines.iter().map(|line| (&line.choice.product_id, line.quantity)))
    }

    /// Remembers news of the payment; `false` when it is known.
    pub fn hears(&mut self, news: &str) -> bool {
        if self.payment.news.iter().any(|known| known == news) {
            return false;
        }
        let surplus = (self.payment.news.len() + 1).saturating_sub(NEWS_REMEMBERED);
        self.payment.news.drain(..surplus);
        self.payment.news.push(news.to_owned());
        true
    }
}

/// Sums quantities by product, in the order of their first occurrence.
pub fn pieces<'a>(lines: impl IntoIterator<Item = (&'a ProductId, u32)>) -> Vec<(&'a ProductId, u32)> {
    let mut sums: Vec<(&ProductId, u32)> = Vec::new();
    for (product, quantity) in lines {
        match sums.iter_mut().find(|(known, _)| *known == product) {
            Some((_, sum)) => *sum = sum.saturating_add(quantity),
            None => sums.push((product, quantity)),
        }
    }
    sums
}

/// Who moved an order, and why.
#[derive(Clone, Debug, Default)]
pub struct Note {
    pub actor: Option<String>,
    pub reason: Option<String>,
}

impl Note {
    pub fn because(reason: &str) -> Self {
        Self { actor: None, reason: Some(reason.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Status; 9] = [
        Status::Placing,
        Status::Failed,
        Status::Placed,
        Status::Confirmed,
        Status::Packed,
        Status::Shipped,
        Status::Delivered,
        Status::Cancelled,
        Status::Returned,
    ];
    const MOVES: [Move; 8] =
        [Move::Place, Move::Fail, Move::Confirm, Move::Pack, Move::Ship, Move::Deliver, Move::Cancel, Move::Return];

    #[test]
    fn customers_cancel_before_packing_and_do_nothing_else() {
        for from in ALL {
            let may = |step| from.after(step, By::Customer).is_ok();
            assert_eq!(may(Move::Cancel), matches!(from, Status::Placed | Status::Confirmed), "{from:?}");
            for step in [Move::Confirm, Move::Pack, Move::Ship, Move::Deliver, Move::Return] {
                assert!(!may(step), "{from:?} {step:?}");
            }
        }
    }

    #[test]
    fn what_has_ended_moves_no_more() {
        for from in [Status::Failed, Status::Cancelled, Status::Returned] {
            for step in MOVES {
                for by in [By::Customer, By::Staff, By::Payment, By::System] {
                    assert_eq!(from.after(step, by), Err(MoveRefusal::Impossible { from }), "{step:?} {by:?}");
                }
            }
        }
    }

    #[test]
    fn every_move_leads_the_stock_forward() {
        // Reserved, then sold, then released; or released at once.
        let rank = |step| [Step::Reserve, Step::Sell, Step::Release].iter().position(|known| *known == step);
        for from in ALL {
            for step in MOVES {
                if let Ok(to) = from.after(step, By::Staff).or_else(|_| from.after(step, By::System)) {
                    assert!(rank(to.stock()) >= rank(from.stock()), "{from:?} {to:?}");
                }
            }
        }
    }
}
