use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::words::ReviewFlag;
use crate::error::{Error, Result};
use crate::types::{ProductId, ReviewId, UserId};

/// Where a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReviewStatus {
    /// It waits for staff and is shown to nobody but its author.
    Pending,
    Approved,
    Rejected,
}

impl ReviewStatus {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Rejected];

    /// As it is stored and asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// Stars, 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(super) struct Rating(u8);

impl Rating {
    /// # Errors
    /// In words for the caller, unless it is 1 to 5.
    pub fn new(stars: u64) -> Result<Self, String> {
        match u8::try_from(stars) {
            Ok(stars @ 1..=5) => Ok(Self(stars)),
            _ => Err("expected a whole number from 1 to 5".to_owned()),
        }
    }

    pub fn stars(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Rating {
    type Error = String;

    fn try_from(stars: u64) -> Result<Self, String> {
        Self::new(stars)
    }
}

impl From<Rating> for u64 {
    fn from(rating: Rating) -> u64 {
        rating.0.into()
    }
}

/// A review as stored: partition `(tenant, author)`, one for each product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Review {
    pub kind: String,
    pub id: ReviewId,
    pub product_id: ProductId,
    pub status: ReviewStatus,
    /// Rises with every write, deletion included, by which projections tell earlier from later.
    pub version: u64,
    /// The version in which the author last wrote: what staff decides is about one.
    pub revision: u64,
    /// The name that is shown.
    pub author: String,
    pub rating: Rating,
    /// May be empty.
    pub title: String,
    pub content: String,
    /// Whether an order of the author with this product was delivered.
    pub verified_purchase: bool,
    /// Why somebody has to look at it.
    pub flags: Vec<ReviewFlag>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Review {
    pub const KIND: &'static str = "review";
}

/// What is left of a deleted review for a while, so that its versions go on rising.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Gone {
    pub kind: String,
    pub version: u64,
}

impl Gone {
    pub const KIND: &'static str = "reviewGone";
}

/// The id of a customer's review of a product: the same wherever it is computed, so that there is one; it
/// sorts with the product and does not tell whose it is.
pub(super) fn review_id(user: &UserId, product: &ProductId) -> Result<ReviewId> {
    let mut hash = Context::new(&SHA256);
    hash.update(user.as_str().as_bytes());
    hash.update(b"\n");
    hash.update(product.as_str().as_bytes());
    let random = hash.finish().as_ref().iter().take(10).fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
    let text = product.as_str().trim_start_matches(ProductId::PREFIX);
    let millis = Ulid::from_string(text).map_err(Error::internal)?.timestamp_ms();
    format!("{}{}", ReviewId::PREFIX, Ulid::from_parts(millis, random)).parse().map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_has_one_review_of_a_product() {
        let (lakshmi, asha) = (UserId::generate(), UserId::generate());
        let (saree, stole) = (ProductId::generate(), ProductId::generate());
        let id = review_id(&lakshmi, &saree).unwrap();
        assert_eq!(id, review_id(&lakshmi, &saree).unwrap());
        assert_eq!(id.as_str()[4..14], saree.as_str()[4..14], "it sorts with the product");
        for other in [review_id(&asha, &saree), review_id(&lakshmi, &stole)] {
            assert_ne!(id, other.unwrap());
        }
    }

    #[test]
    fn stars_are_one_to_five() {
        let read = |text: &str| serde_json::from_str::<Rating>(text);
        assert_eq!([1, 5].map(|stars| read(&stars.to_string()).unwrap().stars()), [1, 5]);
        for bad in ["0", "6", "-1", "4.5", "\"5\"", "null", "18446744073709551615", "256"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_is_stored_under_its_name() {
        for status in ReviewStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
