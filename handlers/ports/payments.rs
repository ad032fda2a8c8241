//! How orders are paid.

use async_trait::async_trait;

use super::PortResult;
use crate::types::{OrderId, Paise, PaymentMethod};

/// A payment that is to begin.
#[derive(Clone, Debug)]
pub struct NewPayment<'a> {
    pub order: &'a OrderId,
    /// What the provider gives back with its news of the payment.
    pub reference: &'a str,
    /// In Indian rupees.
    pub amount: Paise,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing is to be waited for: whoever brings the parcel takes the money.
    OnDelivery,
    /// The customer pays at this address; news of it comes by the webhook.
    Awaited { page: String },
}

/// How orders are paid. Nothing is charged here: a customer pays at the provider, who tells of it.
#[async_trait]
pub trait Payments: Send + Sync {
    /// The methods on offer, the usual one first; never none.
    fn methods(&self) -> &[PaymentMethod];

    /// Begins the payment of an order. Begun twice it is one payment: its order and reference name it.
    /// `InvalidRequest` for a method that is not on offer.
    async fn begin(&self, method: PaymentMethod, payment: &NewPayment<'_>) -> PortResult<Begun>;
}
