//! Payments: on delivery, and where a page is set, at a provider's.

use async_trait::async_trait;
use url::Url;

use crate::ports::payments::{Begun, NewPayment, Payments};
use crate::ports::{PortError, PortResult};
use crate::types::PaymentMethod;

/// Payment on delivery, and on a provider's page that is given the order in its query.
pub struct PaymentPage {
    page: Option<Url>,
    methods: Vec<PaymentMethod>,
}

impl PaymentPage {
    /// With the address of the page; without one, payment is on delivery only.
    pub fn new(page: Option<Url>) -> Self {
        let online = page.is_some().then_some(PaymentMethod::Online);
        Self { page, methods: [PaymentMethod::OnDelivery].into_iter().chain(online).collect() }
    }
}

#[async_trait]
impl Payments for PaymentPage {
    fn methods(&self) -> &[PaymentMethod] {
        &self.methods
    }

    async fn begin(&self, method: PaymentMethod, payment: &NewPayment<'_>) -> PortResult<Begun> {
        match (method, &self.page) {
            (PaymentMethod::OnDelivery, _) => Ok(Begun::OnDelivery),
            (PaymentMethod::Online, None) => Err(PortError::invalid("no payment page is set")),
            (PaymentMethod::Online, Some(page)) => {
                let mut page = page.clone();
                page.query_pairs_mut()
                    .append_pair("order", payment.order.as_str())
                    .append_pair("reference", payment.reference)
                    .append_pair("amountPaise", &payment.amount.0.to_string())
                    .append_pair("currency", "INR");
                Ok(Begun::Awaited { page: page.into() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{OrderId, Paise};

    #[tokio::test]
    async fn what_is_not_set_is_not_on_offer() {
        let order = OrderId::generate();
        let payment = NewPayment { order: &order, reference: "a/b", amount: Paise(12_345) };
        let plain = PaymentPage::new(None);
        assert_eq!(plain.methods(), [PaymentMethod::OnDelivery]);
        assert_eq!(plain.begin(PaymentMethod::OnDelivery, &payment).await.unwrap(), Begun::OnDelivery);
        assert!(plain.begin(PaymentMethod::Online, &payment).await.is_err());
        let with_page = PaymentPage::new(Some("https://pay.example/pravis".parse().unwrap()));
        let page = format!("https://pay.example/pravis?order={order}&reference=a%2Fb&amountPaise=12345&currency=INR");
        assert_eq!(with_page.begin(PaymentMethod::Online, &payment).await.unwrap(), Begun::Awaited { page });
    }
}
