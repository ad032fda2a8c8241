use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount of Indian rupees in paise (1/100 rupee), the only form in which
/// money is computed and stored. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Paise(pub u64);

impl Paise {
    /// Whole rupees as paise; saturates at the largest amount.
    pub const fn from_rupees(rupees: u64) -> Self {
        Self(rupees.saturating_mul(100))
    }

    /// The amount in rupees, as the storefront's own fields show it.
    pub fn rupees(self) -> f64 {
        self.0 as f64 / 100.0
    }
}
