use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an order is paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PaymentMethod {
    /// To whoever brings it.
    #[default]
    OnDelivery,
    /// On the page of a payment provider, before anything is sent.
    Online,
}
