//! A cart: what a shopper wants, without prices that bind. Rules of its lines.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::types::{CartLineId, OrderId, Paise, ProductId, UserId};

/// Lines of a cart or an order at most.
pub const MAX_LINES: usize = 50;
/// Pieces of a line at most.
pub const MAX_PIECES: u32 = 20;
/// Requests that a cart remembers, so that one that is sent twice counts once.
const REMEMBERED: usize = 8;

/// What exactly is wanted of a product. Size and colour are the catalogue's words; none where the shopper
/// chose none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub product_id: ProductId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

impl Choice {
    /// The id of the line for it: the same in every cart, so that a choice is added to itself.
    pub fn line_id(&self) -> CartLineId {
        let part = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        let text = format!("{}\n{}\n{}", self.product_id, part(&self.size), part(&self.color));
        let hash = digest(&SHA256, text.as_bytes());
        let bits = hash.as_ref().iter().take(16).fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
        CartLineId::of(Ulid::from(bits))
    }
}

/// A line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CartLine {
    #[serde(flatten)]
    pub choice: Choice,
    /// 1 to [`MAX_PIECES`].
    pub quantity: u32,
    /// What a piece cost when it was put in, to tell whether that changed.
    #[serde(rename = "seenPricePaise")]
    pub seen_price: Paise,
}

/// A request that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Names the request.
    pub key: String,
    /// Tells whether another one comes under its name.
    pub content: String,
}

/// A cart as it is stored, under `cart` in the partition of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    pub kind: String,
    /// The order that is made of what is in it now, another one for other content: placed twice, it is one order.
    pub next_order: OrderId,
    pub lines: Vec<CartLine>,
    /// The order that was made of it last, while nothing new is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_order: Option<OrderId>,
    /// The last requests that changed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<Done>,
    /// Who has taken it over, while it is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<UserId>,
    pub updated_at: DateTime<Utc>,
}

/// Why a cart does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CartRefusal {
    #[error("A cart holds at most {MAX_LINES} different things.")]
    TooManyLines,
    #[error("expected 1 to {MAX_PIECES} pieces in all; {have} are in the cart")]
    TooManyPieces { have: u32 },
    #[error("This is not in the cart.")]
    NoSuchLine,
}

impl Cart {
    pub const KIND: &'static str = "cart";

    /// An empty cart, of which `next_order` will be made.
    pub fn empty(next_order: OrderId, now: DateTime<Utc>) -> Self {
        Self {
            kind: Self::KIND.into(),
            next_order,
            lines: Vec::new(),
            last_order: None,
            done: Vec::new(),
            taken_by: None,
            updated_at: now,
        }
    }

    pub fn line(&self, id: &CartLineId) -> Option<&CartLine> {
        self.lines.iter().find(|line| line.choice.line_id() == *id)
    }

    /// Puts pieces in, to those of the same choice.
    ///
    /// # Errors
    /// [`CartRefusal`] beyond the bounds.
    pub fn add(&mut self, choice: Choice, quantity: u32, price: Paise) -> Result<(), CartRefusal> {
        let position = self.lines.iter().position(|line| line.choice == choice);
        let have = position.map_or(0, |position| self.lines[position].quantity);
        let wanted = have.saturating_add(quantity);
        if !(1..=MAX_PIECES).contains(&wanted) {
            return Err(CartRefusal::TooManyPieces { have });
        }
        match position {
            Some(position) => {
                let line = &mut self.lines[position];
                (line.quantity, line.seen_price) = (wanted, price);
            }
            None if self.lines.len() >= MAX_LINES => return Err(CartRefusal::TooManyLines),
            None => self.lines.push(CartLine { choice, quantity, seen_price: price }),
        }
        self.last_order = None;
        Ok(())
    }

    /// Sets the pieces of a line; none takes it out.
    ///
    /// # Errors
    /// [`CartRefusal`] beyond the bounds, or when it is not there.
    pub fn set_quantity(&mut self, id: &CartLineId, quantity: u32) -> Result<(), CartRefusal> {
        let position = self.lines.iter().position(|line| line.choice.line_id() == *id);
        let position = position.ok_or(CartRefusal::NoSuchLine)?;
        match quantity {
            0 => drop(self.lines.remove(position)),
            1..=MAX_PIECES => self.lines[position].quantity = quantity,
            _ => return Err(CartRefusal::TooManyPieces { have: self.lines[position].quantity }),
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// Takes everything from another cart, up to the bounds; gives how many pieces found no room.
    pub fn absorb(&mut self, other: &Self) -> u32 {
        let mut left_out = 0_u32;
        for line in &other.lines {
            let have = self.lines.iter().find(|own| own.choice == line.choice).map_or(0, |own| own.quantity);
            let taken = line.quantity.min(MAX_PIECES.saturating_sub(have));
            let added = taken > 0 && self.add(line.choice.clone(), taken, line.seen_price).is_ok();
            left_out = left_out.saturating_add(line.quantity - if added { taken } else { 0 });
        }
        left_out
    }

    /// Takes out what is ordered, if all of it is there; `next_order` will be made of what is left or put in later.
    /// `false` where it is not, and nothing changes.
    pub fn ordered(&mut self, order: &OrderId, lines: &[(&Choice, u32)], next_order: OrderId) -> bool {
        let has = |choice: &Choice, quantity: u32| {
            self.lines.iter().any(|line| line.choice == *choice && line.quantity >= quantity)
        };
        if !lines.iter().all(|(choice, quantity)| has(choice, *quantity)) {
            return false;
        }
        for (choice, quantity) in lines {
            for line in self.lines.iter_mut().filter(|line| line.choice == **choice) {
                line.quantity = line.quantity.saturating_sub(*quantity);
            }
        }
        self.lines.retain(|line| line.quantity > 0);
        self.last_order = self.lines.is_empty().then(|| order.clone());
        self.next_order = next_order;
        true
    }

    /// What was done under a key, if it is remembered.
    pub fn done_before(&self, key: &str) -> Option<&Done> {
        self.done.iter().find(|done| done.key == key)
    }

    pub fn remember(&mut self, done: Done) {
        let surplus = (self.done.len() + 1).saturating_sub(REMEMBERED);
        self.done.drain(..surplus);
        self.done.push(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(size: &str) -> Choice {
        let product_id = "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S".parse().unwrap();
        Choice { product_id, size: Some(size.into()), color: None }
    }

    fn cart() -> Cart {
        Cart::empty(OrderId::generate(), Utc::now())
    }

    #[test]
    fn the_same_choice_is_one_line_and_another_size_is_another() {
        let mut cart = cart();
        for (size, quantity) in [("M", 2), ("L", 1), ("M", 3)] {
            cart.add(choice(size), quantity, Paise(100)).unwrap();
        }
        let lines: Vec<u32> = cart.lines.iter().map(|line| line.quantity).collect();
        assert_eq!(lines, [5, 1]);
        assert_ne!(choice("M").line_id(), choice("L").line_id());
        cart.set_quantity(&choice("M").line_id(), 0).unwrap();
        assert_eq!(cart.lines.len(), 1);
        assert_eq!(cart.set_quantity(&choice("M").line_id(), 1), Err(CartRefusal::NoSuchLine));
    }

    #[test]
    fn bounds_hold() {
        let mut cart = cart();
        assert_eq!(cart.add(choice("M"), 0, Paise(1)), Err(CartRefusal::TooManyPieces { have: 0 }));
        cart.add(choice("M"), MAX_PIECES, Paise(1)).unwrap();
        assert_eq!(cart.add(choice("M"), u32::MAX, Paise(1)), Err(CartRefusal::TooManyPieces { have: 20 }));
        for size in 1..MAX_LINES {
            cart.add(choice(&size.to_string()), 1, Paise(1)).unwrap();
        }
        assert_eq!(cart.add(choice("one more"), 1, Paise(1)), Err(CartRefusal::TooManyLines));
        for request in 0..20 {
            cart.remember(Done { key: request.to_string(), content: String::new() });
        }
        assert_eq!(cart.done.len(), REMEMBERED);
        assert!(cart.done_before("19").is_some() && cart.done_before("1").is_none());
    }

    #[test]
    fn what_is_put_in_while_it_is_ordered_stays() {
        let mut cart = cart();
        cart.add(choice("M"), 3, Paise(1)).unwrap();
        cart.add(choice("L"), 1, Paise(1)).unwrap();
        let (order, next) = (cart.next_order.clone(), OrderId::generate());
        let (medium, large) = (choice("M"), choice("L"));
        assert!(cart.ordered(&order, &[(&medium, 2), (&large, 1)], next.clone()));
        assert_eq!(cart.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [1]);
        assert_eq!((cart.next_order.clone(), cart.last_order.clone()), (next, None));
        assert!(!cart.ordered(&order, &[(&medium, 2)], OrderId::generate()), "it is not all there");
        assert!(cart.ordered(&order, &[(&medium, 1)], OrderId::generate()));
        assert_eq!(cart.last_order, Some(order));
    }

    #[test]
    fn a_cart_takes_from_another_what_it_has_room_for() {
        let (mut own, mut other) = (cart(), cart());
        own.add(choice("M"), 15, Paise(1)).unwrap();
        other.add(choice("M"), 10, Paise(1)).unwrap();
        other.add(choice("L"), 1, Paise(1)).unwrap();
        assert_eq!(own.absorb(&other), 5);
        assert_eq!(own.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [20, 1]);
    }
}
