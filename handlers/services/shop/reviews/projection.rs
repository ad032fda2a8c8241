//! What shoppers read: the approved reviews of a product and the count of their stars, in one partition.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::figures::Figures;
use super::model::{Rating, Review};
use super::store::{Author, GONE_SECONDS, Place, TURNS, too_often};
use super::{figures, model, store};
use crate::containers::REVIEWS;
use crate::error::{Code, Error, Result};
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::{accounts, outbox};
use crate::state::AppState;
use crate::types::{ProductId, ReviewId, TenantId, UserId};

/// The id of the summary among the reviews of a product.
const SUMMARY: &str = "summary";
/// Later than every version: of what an erased account wrote. The greatest whole number that all readers of JSON
/// agree on (RFC 8259 §6).
const ERASED: u64 = (1 << 53) - 1;

/// The field by which the documents of a product's partition are told apart, and its value for reviews that
/// are shown.
pub(super) const PART: &str = "part";
pub(super) const SHOWN: &str = "shown";

/// What is kept under a review's id in the partition of its product. It does not say whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Entry {
    /// For everybody to read.
    Shown {
        version: u64,
        author: String,
        rating: Rating,
        title: String,
        content: String,
        verified_purchase: bool,
        /// When it was first written, in milliseconds since 1970.
        at: i64,
        /// Sorts by stars, and of equal ones by time.
        rank: i64,
    },
    /// Nothing is to be read, for a while also by what is told late.
    Hidden { version: u64 },
}

impl Entry {
    fn shown(review: &Review) -> Self {
        let at = review.created_at.timestamp_millis();
        Self::Shown {
            version: review.version,
            author: review.author.clone(),
            rating: review.rating,
            title: review.title.clone(),
            content: review.content.clone(),
            verified_purchase: review.verified_purchase,
            at,
            // Times take 13 digits until the year 2286.
            rank: i64::from(review.rating.stars()) * 10_000_000_000_000 + at,
        }
    }

    /// What everybody is to see of a review as it stands.
    fn of(review: &Review) -> Self {
        match review.status {
            model::ReviewStatus::Approved => Self::shown(review),
            model::ReviewStatus::Pending | model::ReviewStatus::Rejected => Self::Hidden { version: review.version },
        }
    }

    fn version(&self) -> u64 {
        match self {
            Self::Shown { version, .. } | Self::Hidden { version } => *version,
        }
    }

    fn rating(&self) -> Option<Rating> {
        match self {
            Self::Shown { rating, .. } => Some(*rating),
            Self::Hidden { .. } => None,
        }
    }

    fn document(&self, id: &ReviewId) -> Result<NewDocument> {
        let document = NewDocument::new(id.as_str(), self)?;
        Ok(match self {
            Self::Shown { .. } => document,
            Self::Hidden { .. } => document.with_ttl(Ttl::Seconds(GONE_SECONDS)),
        })
    }
}

/// How many reviews of each number of stars are shown. Written in the same batch as every entry that it counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub part: String,
    /// Rises with every change of what is shown.
    pub version: u64,
    /// By stars, one star first.
    pub counts: [u32; 5],
    /// What the product's figures were before its first review was shown.
    pub base: Figures,
}

impl Summary {
    pub fn count(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// All stars together.
    pub fn stars(&self) -> u64 {
        (1..).zip(self.counts).map(|(stars, count): (u64, u32)| stars * u64::from(count)).sum()
    }

    fn change(&mut self, before: Option<Rating>, after: Option<Rating>) {
        let place = |rating: Rating| usize::from(rating.stars()) - 1;
        if let Some(rating) = before {
            let count = &mut self.counts[place(rating)];
            *count = count.saturating_sub(1);
        }
        if let Some(rating) = after {
            self.counts[place(rating)] += 1;
        }
        self.version += 1;
    }
}

/// The partition of a product's reviews.
pub(super) fn partition(tenant: &TenantId, product: &ProductId) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), product.as_str()])
}

/// The summary of a product's reviews; `None` when none was ever shown. One point read.
pub(super) async fn summary(
    state: &AppState,
    tenant: &TenantId,
    product: &ProductId,
) -> Result<Option<(Summary, ETag)>> {
    let found = state.documents.read(&REVIEWS, &partition(tenant, product), SUMMARY).await?;
    found.map(|document| Ok((document.read()?, document.etag))).transpose()
}

/// Has everybody see of a review what its author's copy says, whatever of it was told before; `false` when
/// nothing had to be done. `told` is the version of the event that says to look.
///
/// # Errors
/// [`Code::Unavailable`] when the copy is not there to read yet, or others change the same again and again: the
/// event has to come again.
pub(super) async fn follow(
    state: &AppState,
    author: Author<'_>,
    product: &ProductId,
    id: &ReviewId,
    told: u64,
) -> Result<bool> {
    let place = store::read(state, author, id).await?;
    let entry = match &place {
        Place::Held { review, .. } => Entry::of(review),
        Place::Left { version, .. } => Entry::Hidden { version: *version },
        Place::Empty => Entry::Hidden { version: if is_erased(state, author).await? { ERASED } else { 0 } },
    };
    // A replica may lag behind the event.
    if entry.version() < told {
        return Err(Error::new(Code::Unavailable, "The review is not there yet."));
    }
    show(state, author.tenant, product, id, &entry).await
}

async fn is_erased(state: &AppState, author: Author<'_>) -> Result<bool> {
    let user = accounts::user(state, author.tenant, author.user).await?;
    Ok(user.is_none_or(|user| user.erasure.is_some_and(|notice| notice.begun)))
}

/// Writes an entry and what it changes in the summary, all or nothing, unless a later one is there.
async fn show(state: &AppState, tenant: &TenantId, product: &ProductId, id: &ReviewId, entry: &Entry) -> Result<bool> {
    let partition = partition(tenant, product);
    for _ in 0..TURNS {
        let found = state.documents.read(&REVIEWS, &partition, id.as_str()).await?;
        let before = found.as_ref().map(Document::read::<Entry>).transpose()?;
        if before.as_ref().is_some_and(|before| before.version() >= entry.version()) {
            return Ok(false);
        }
        let mut operations = vec![put(entry.document(id)?, found.map(|document| document.etag))];
        let (before, after) = (before.as_ref().and_then(Entry::rating), entry.rating());
        if before.is_some() || after.is_some() {
            let (mut summary, etag) = match summary(state, tenant, product).await? {
                Some((summary, etag)) => (summary, Some(etag)),
                None => (first_summary(state, tenant, product).await?, None),
            };
            summary.change(before, after);
            operations.push(put(NewDocument::new(SUMMARY, &summary)?, etag));
        }
        match state.documents.batch(&REVIEWS, &partition, operations).await {
            Ok(_) => return Ok(true),
            Err(error) if is_lost(error.error.kind()) => {}
            Err(error) => return Err(error.error.into()),
        }
    }
    Err(too_often())
}

async fn first_summary(state: &AppState, tenant: &TenantId, product: &ProductId) -> Result<Summary> {
    let base = figures::of_product(state, tenant, product).await?;
    Ok(Summary { part: SUMMARY.to_owned(), base, ..Summary::default() })
}

fn put(document: NewDocument, etag: Option<ETag>) -> Operation {
    match etag {
        Some(etag) => Operation::Replace(document, Condition::IfMatch(etag)),
        None => Operation::Create(document),
    }
}

fn is_lost(kind: PortErrorKind) -> bool {
    matches!(kind, PortErrorKind::PreconditionFailed | PortErrorKind::Conflict | PortErrorKind::NotFound)
}

/// Which review an event tells of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub user_id: UserId,
    pub review_id: ReviewId,
    pub product_id: ProductId,
    pub version: u64,
}

/// The public part of the erasure of an account: takes from what everybody sees the review that a document of
/// the account's partition is, or that an event in it tells of. Other documents are passed over.
///
/// # Errors
/// Those of the stores; it can be done again.
pub async fn forget(state: &AppState, tenant: &TenantId, document: &Value) -> Result<()> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let named = match text(document, "kind").as_deref() {
        Some(Review::KIND) => (text(document, "productId"), text(document, "id")),
        Some(outbox::KIND) => {
            let data = document.pointer("/event/data").unwrap_or(&Value::Null);
            (text(data, "productId"), text(data, "reviewId"))
        }
        _ => return Ok(()),
    };
    let (Some(product), Some(id)) = named else { return Ok(()) };
    let (Ok(product), Ok(id)) = (product.parse::<ProductId>(), id.parse::<ReviewId>()) else { return Ok(()) };
    show(state, tenant, &product, &id, &Entry::Hidden { version: ERASED }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_counts_what_comes_and_goes() {
        let stars = |stars| Some(Rating::new(stars).unwrap());
        let mut summary = Summary::default();
        for (before, after) in [(None, stars(5)), (None, stars(2)), (stars(2), stars(4)), (None, stars(5))] {
            summary.change(before, after);
        }
        assert_eq!((summary.counts, summary.count(), summary.stars()), ([0, 0, 0, 1, 2], 3, 14));
        summary.change(stars(4), None);
        assert_eq!((summary.counts, summary.version), ([0, 0, 0, 0, 2], 5));
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let shown = json!({
            "part": SHOWN, "version": 3, "author": "Lakshmi", "rating": 5, "title": "", "content": "Lovely",
            "verifiedPurchase": true, "at": 1_768_458_600_000_i64, "rank": 51_768_458_600_000_i64,
        });
        for written in [shown, json!({ "part": "hidden", "version": ERASED })] {
            let entry: Entry = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(serde_json::to_value(entry).unwrap(), written);
        }
    }
}
