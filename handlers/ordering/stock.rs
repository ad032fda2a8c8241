//! The pieces of one product, and what one order holds of them. Every step can be done again: what an order
//! holds says what was done already.
//!
//! `on_hand + sold` stays what it was counted to be, and `reserved` never exceeds `on_hand`, whatever steps
//! are taken in whatever order.

use serde::{Deserialize, Serialize};

/// The pieces of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// Pieces in the boutique, with those that are promised to orders.
    pub on_hand: u32,
    /// Pieces of them that are promised to orders, at most `on_hand`.
    pub reserved: u32,
    /// Pieces that left with an order and did not come back.
    pub sold: u64,
    /// How often the staff counted; with `sold` it tells whether `on_hand` is what it was.
    pub counts: u64,
}

/// What one order holds of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    pub quantity: u32,
    pub status: HeldStatus,
}

/// Where the pieces of an order are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeldStatus {
    /// In the boutique, for nobody else.
    Reserved,
    /// They left.
    Sold,
    /// Anybody's again. The order can hold no more of them.
    Released,
}

/// What an order does with its pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// They are set aside.
    Reserve,
    /// They leave.
    Sell,
    /// They are anybody's again, whether they were set aside or came back.
    Release,
}

/// Why a step is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are fewer pieces than asked for.
    #[error("only {free} pieces are free")]
    Short { free: u32 },
    /// The order gave its pieces back.
    #[error("the order has given its pieces back")]
    Ended,
    /// The order has set none aside.
    #[error("the order holds no pieces")]
    NotReserved,
}

/// Fewer pieces were counted than are promised to orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reserved} pieces are promised to orders")]
pub struct Promised {
    pub reserved: u32,
}

impl Stock {
    /// So many pieces that nobody has asked for yet.
    pub fn of(on_hand: u32) -> Self {
        Self { on_hand, ..Self::default() }
    }

    /// Pieces that can be promised.
    pub fn free(self) -> u32 {
        self.on_hand.saturating_sub(self.reserved)
    }

    /// The stock, and what the order holds, after a step of `quantity` pieces; both as they were where the
    /// step was done before.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is to change.
    pub fn after(self, held: Option<Held>, step: Step, quantity: u32) -> Result<(Self, Held), Refusal> {
        let mut stock = self;
        let Some(mut held) = held else {
            return match step {
                Step::Reserve if self.free() >= quantity => {
                    stock.reserved += quantity;
                    Ok((stock, Held { quantity, status: HeldStatus::Reserved }))
                }
                Step::Reserve => Err(Refusal::Short { free: self.free() }),
                Step::Sell => Err(Refusal::NotReserved),
                // Remembered, so that a reservation which is under way comes too late.
                Step::Release => Ok((stock, Held { quantity: 0, status: HeldStatus::Released })),
            };
        };
        match (step, held.status) {
            (Step::Reserve, HeldStatus::Reserved | HeldStatus::Sold) | (Step::Sell, HeldStatus::Sold) => {}
            (Step::Reserve | Step::Sell, HeldStatus::Released) => return Err(Refusal::Ended),
            (Step::Release, HeldStatus::Released) => {}
            (Step::Sell, HeldStatus::Reserved) => {
                stock.reserved = stock.reserved.saturating_sub(held.quantity);
                stock.on_hand = stock.on_hand.saturating_sub(held.quantity);
                stock.sold = stock.sold.saturating_add(u64::from(held.quantity));
                held.status = HeldStatus::Sold;
            }
            (Step::Release, HeldStatus::Reserved) => {
                stock.reserved = stock.reserved.saturating_sub(held.quantity);
                held.status = HeldStatus::Released;
            }
            (Step::Release, HeldStatus::Sold) => {
                stock.on_hand = stock.on_hand.saturating_add(held.quantity);
                stock.sold = stock.sold.saturating_sub(u64::from(held.quantity));
                held.status = HeldStatus::Released;
            }
        }
        Ok((stock, held))
    }

    /// The stock after the staff counted the pieces in the boutique.
    ///
    /// # Errors
    /// [`Promised`] when there are fewer than orders were promised: some have to be cancelled first.
    pub fn counted(self, on_hand: u32) -> Result<Self, Promised> {
        match on_hand < self.reserved {
            true => Err(Promised { reserved: self.reserved }),
            false => Ok(Self { on_hand, counts: self.counts.saturating_add(1), ..self }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![Just(Step::Reserve), Just(Step::Sell), Just(Step::Release)]
    }

    proptest! {
        #[test]
        fn pieces_are_neither_made_nor_lost(
            initial in 0_u32..20,
            steps in prop::collection::vec((0_u8..6, step(), 1_u32..5), 0..200),
        ) {
            let mut stock = Stock::of(initial);
            let mut orders: BTreeMap<u8, Held> = BTreeMap::new();
            for (order, step, quantity) in steps {
                let Ok((after, held)) = stock.after(orders.get(&order).copied(), step, quantity) else { continue };
                prop_assert_eq!(after.after(Some(held), step, quantity), Ok((after, held)), "done again, it changes nothing");
                stock = after;
                orders.insert(order, held);
                let of = |status| orders.values().filter(|held| held.status == status).map(|held| held.quantity).sum::<u32>();
                prop_assert_eq!(stock.reserved, of(HeldStatus::Reserved));
                prop_assert_eq!(stock.sold, u64::from(of(HeldStatus::Sold)));
                prop_assert!(stock.reserved <= stock.on_hand);
                prop_assert_eq!(u64::from(stock.on_hand) + stock.sold, u64::from(initial));
            }
        }
    }

    #[test]
    fn a_late_reservation_finds_that_the_order_has_ended() {
        let (stock, held) = Stock::of(5).after(None, Step::Release, 2).unwrap();
        assert_eq!(stock, Stock::of(5));
        assert_eq!(stock.after(Some(held), Step::Reserve, 2), Err(Refusal::Ended));
    }

    #[test]
    fn no_count_breaks_a_promise() {
        let (stock, _) = Stock::of(5).after(None, Step::Reserve, 3).unwrap();
        assert_eq!(stock.counted(2), Err(Promised { reserved: 3 }));
        assert_eq!(stock.counted(3).unwrap().free(), 0);
    }
}
