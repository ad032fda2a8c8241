//! What an order costs. Prices of the catalogue include GST, as prices shown to consumers in India must
//! (Legal Metrology (Packaged Commodities) Rules 2011, rule 2(m): the retail price includes all taxes), so no
//! tax is added. Shipping is what the boutique's shipping policy says (`handlers/seed/policies.json`).

use serde::{Deserialize, Serialize};

use crate::types::Paise;

/// From this value of goods on shipping is free.
pub const FREE_SHIPPING_FROM: Paise = Paise::from_rupees(2_000);
/// What shipping costs below it.
pub const SHIPPING: Paise = Paise::from_rupees(99);
/// Up to this total an order can be paid on delivery, where there is another way (the payment policy).
pub const ON_DELIVERY_AT_MOST: Paise = Paise::from_rupees(10_000);

/// The amounts of a cart or an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    #[serde(rename = "subtotalPaise")]
    pub subtotal: Paise,
    #[serde(rename = "shippingPaise")]
    pub shipping: Paise,
    #[serde(rename = "totalPaise")]
    pub total: Paise,
}

/// The price of some pieces; saturates at the largest amount.
pub fn price_of(price: Paise, quantity: u32) -> Paise {
    Paise(price.0.saturating_mul(u64::from(quantity)))
}

impl Totals {
    /// The amounts of lines, each the price of a piece and how many of it. Nothing costs nothing.
    pub fn of(lines: impl IntoIterator<Item = (Paise, u32)>) -> Self {
        let sums = lines.into_iter().map(|(price, quantity)| price_of(price, quantity).0);
        let subtotal = Paise(sums.fold(0, u64::saturating_add));
        let shipping = if subtotal.0 == 0 || subtotal >= FREE_SHIPPING_FROM { Paise(0) } else { SHIPPING };
        Self { subtotal, shipping, total: Paise(subtotal.0.saturating_add(shipping.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipping_is_free_from_two_thousand_rupees() {
        let of = |rupees: u64, quantity| {
            let totals = Totals::of([(Paise::from_rupees(rupees), quantity)]);
            [totals.subtotal, totals.shipping, totals.total].map(|amount| amount.0 / 100)
        };
        assert_eq!(of(1_999, 1), [1_999, 99, 2_098]);
        assert_eq!(of(1_000, 2), [2_000, 0, 2_000]);
        assert_eq!(Totals::of([]), Totals::default());
        assert_eq!(Totals::of([(Paise(u64::MAX), 2)]).total, Paise(u64::MAX));
    }
}
