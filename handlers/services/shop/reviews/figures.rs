//! The figures on a product: its average stars and the number of its reviews. They are what the product came
//! with, such as the samples' figures, and the reviews that are shown, taken together.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::projection::{self, Summary};
use super::store::{TURNS, too_often};
use crate::containers::CATALOGUE;
use crate::error::Result;
use crate::ports::documents::{Document, NewDocument, PartitionKey};
use crate::ports::{Condition, PortErrorKind};
use crate::services::shop::store::PRODUCT;
use crate::state::AppState;
use crate::types::{ProductId, TenantId};

/// Average and number, as a product's document holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// 0 to 5; 0 without reviews.
    #[serde(default)]
    rating: f32,
    #[serde(default)]
    review_count: u32,
}

impl Figures {
    /// What a product came with, and the reviews of a summary: their mean, each weighed by its number, to two
    /// decimals.
    pub fn with(self, summary: &Summary) -> Self {
        let review_count = self.review_count.saturating_add(summary.count());
        if review_count == 0 {
            return Self::default();
        }
        let stars = f64::from(self.rating) * f64::from(self.review_count) + summary.stars() as f64;
        let mean = stars / f64::from(review_count);
        Self { rating: ((mean * 100.0).round() / 100.0) as f32, review_count }
    }
}

async fn product(state: &AppState, tenant: &TenantId, id: &ProductId) -> Result<Option<Document>> {
    let partition = PartitionKey::of([tenant.as_str(), PRODUCT]);
    Ok(state.documents.read(&CATALOGUE, &partition, id.as_str()).await?)
}

/// The figures that a product has now; none for one that is not there.
pub(super) async fn of_product(state: &AppState, tenant: &TenantId, id: &ProductId) -> Result<Figures> {
    let found = product(state, tenant, id).await?;
    Ok(found.map(|document| document.read()).transpose()?.unwrap_or_default())
}

/// Has a product show what the summary of its reviews says; `false` when it does. Nothing else of the product is
/// touched, whoever changes it meanwhile.
///
/// # Errors
/// [`crate::error::Code::Unavailable`] when others change it again and again: it has to be done again.
pub(super) async fn refresh(state: &AppState, tenant: &TenantId, id: &ProductId) -> Result<bool> {
    let mut written = false;
    for _ in 0..TURNS {
        // Read anew in each turn, also after a write: who was slower must not leave older figures.
        let Some((summary, _)) = projection::summary(state, tenant, id).await? else { return Ok(written) };
        let Some(document) = product(state, tenant, id).await? else { return Ok(written) };
        let wanted = summary.base.with(&summary);
        if document.read::<Figures>()? == wanted {
            return Ok(written);
        }
        let mut body: Map<String, Value> = document.read()?;
        body.insert("rating".into(), json!(wanted.rating));
        body.insert("reviewCount".into(), json!(wanted.review_count));
        let partition = PartitionKey::of([tenant.as_str(), PRODUCT]);
        let replaced = NewDocument::new(id.as_str(), &body)?;
        match state.documents.replace(&CATALOGUE, &partition, replaced, Condition::IfMatch(document.etag)).await {
            Ok(_) => written = true,
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(too_often())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rating: f32, review_count: u32) -> Figures {
        Figures { rating, review_count }
    }

    #[test]
    fn what_a_product_came_with_weighs_by_its_number() {
        let summary = |counts| Summary { counts, ..Summary::default() };
        for (base, counts, expected) in [
            (figures(0.0, 0), [0; 5], figures(0.0, 0)),
            (figures(4.8, 124), [0; 5], figures(4.8, 124)),
            (figures(0.0, 0), [1, 0, 0, 0, 1], figures(3.0, 2)),
            (figures(0.0, 0), [0, 1, 0, 0, 2], figures(4.0, 3)),
            (figures(0.0, 0), [1, 1, 0, 0, 1], figures(2.67, 3)),
            // (4.8 · 124 + 1) / 125 = 4.7696
            (figures(4.8, 124), [1, 0, 0, 0, 0], figures(4.77, 125)),
            (figures(5.0, u32::MAX), [1, 0, 0, 0, 0], figures(5.0, u32::MAX)),
        ] {
            assert_eq!(base.with(&summary(counts)), expected, "{base:?} and {counts:?}");
        }
    }
}
