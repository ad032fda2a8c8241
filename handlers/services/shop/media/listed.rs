//! The pictures that the document of a product lists. Others write the document too, so the list alone is
//! changed, in the version that was read, and put upon what others wrote meanwhile.

use std::time::Duration;

use serde_json::{Map, Value};

use super::model::MOST_PICTURES;
use crate::caching::Change;
use crate::catalogue::{PictureSource, ProductPicture};
use crate::containers::CATALOGUE;
use crate::error::{Code, Error, Result};
use crate::ports::documents::{NewDocument, PartitionKey};
use crate::ports::{Condition, PortErrorKind};
use crate::services::shop::store::PRODUCT;
use crate::state::AppState;
use crate::types::{LocalisedText, MediaId, ProductId, TenantId};

/// How often a change is put upon what others wrote meanwhile, with pauses that grow by this.
const TURNS: u32 = 20;
const TURN_PAUSE: Duration = Duration::from_millis(5);

/// What became of a picture that a product was to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It is listed, now or since before.
    Listed,
    /// There is no such product.
    NoProduct,
    /// The product lists as many as it may.
    Full,
}

/// A product whose list is written.
#[derive(Clone, Copy)]
pub struct Shelf<'a> {
    pub state: &'a AppState,
    pub tenant: &'a TenantId,
    pub product: &'a ProductId,
}

impl Shelf<'_> {
    /// The pictures in their order; `None` when there is no such product. One point read.
    pub async fn pictures(&self) -> Result<Option<Vec<ProductPicture>>> {
        let found = self.state.documents.read(&CATALOGUE, &self.partition(), self.product.as_str()).await?;
        found.map(|document| pictures_of(&document.read()?)).transpose()
    }

    /// Lists a picture at a position, or behind the others. Done again, it changes nothing.
    pub async fn add(
        &self,
        id: &MediaId,
        position: Option<u32>,
        alt: &LocalisedText,
        sources: &[PictureSource],
    ) -> Result<Listing> {
        let mut outcome = Listing::Listed;
        let known = self
            .change(|pictures| {
                outcome = Listing::Listed;
                if pictures.iter().any(|picture| picture.id == *id) {
                    return false;
                }
                if pictures.len() >= MOST_PICTURES {
                    outcome = Listing::Full;
                    return false;
                }
                let behind = pictures.iter().map(|picture| picture.position.saturating_add(1)).max().unwrap_or(0);
                let position = position.unwrap_or(behind);
                pictures.push(ProductPicture { id: id.clone(), position, alt: alt.clone(), sources: sources.to_vec() });
                true
            })
            .await?;
        Ok(if known.is_some() { outcome } else { Listing::NoProduct })
    }

    /// Lists a picture no more; gives it, if it was listed.
    pub async fn remove(&self, id: &MediaId) -> Result<Option<ProductPicture>> {
        let mut removed = None;
        self.change(|pictures| {
            let place = pictures.iter().position(|picture| picture.id == *id);
            removed = place.map(|place| pictures.remove(place));
            removed.is_some()
        })
        .await?;
        Ok(removed)
    }

    /// Puts the pictures into an order, which names each once; `None` when there is no such product.
    ///
    /// # Errors
    /// A field error when the order names others, or not all.
    pub async fn reorder(&self, order: &[MediaId]) -> Result<Option<Vec<ProductPicture>>> {
        let mut fits = true;
        let pictures = self
            .change(|pictures| {
                let place = |id: &MediaId| order.iter().position(|other| other == id);
                fits = pictures.len() == order.len() && pictures.iter().all(|picture| place(&picture.id).is_some());
                let mut moved = false;
                for picture in pictures.iter_mut().filter(|_| fits) {
                    let position = place(&picture.id).and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX);
                    moved |= picture.position != position;
                    picture.position = position;
                }
                moved
            })
            .await?;
        if fits {
            Ok(pictures)
        } else {
            Err(Error::field("order", "expected each picture that the product shows, once"))
        }
    }

    fn partition(&self) -> PartitionKey {
        PartitionKey::of([self.tenant.as_str(), PRODUCT])
    }

    /// Changes the list, when `change` says that there is something to write; gives it as it then is, or `None`
    /// when there is no such product.
    async fn change(
        &self,
        mut change: impl FnMut(&mut Vec<ProductPicture>) -> bool,
    ) -> Result<Option<Vec<ProductPicture>>> {
        let documents = &self.state.documents;
        for turn in 0..TURNS {
            let found = documents.read(&CATALOGUE, &self.partition(), self.product.as_str()).await?;
            let Some(found) = found else { return Ok(None) };
            let mut body: Map<String, Value> = found.read()?;
            let mut pictures = pictures_of(&body)?;
            if !change(&mut pictures) {
                return Ok(Some(pictures));
            }
            pictures.sort_by(|one, other| one.rank().cmp(&other.rank()));
            body.insert("pictures".into(), serde_json::to_value(&pictures).map_err(Error::internal)?);
            let document = NewDocument::new(self.product.as_str(), &body)?;
            match documents.replace(&CATALOGUE, &self.partition(), document, Condition::IfMatch(found.etag)).await {
                Ok(_) => {
                    self.tell().await;
                    return Ok(Some(pictures));
                }
                Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {
                    tokio::time::sleep(TURN_PAUSE * turn).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(Code::Unavailable, "The product changes too often at this moment; please try again."))
    }

    /// Has every instance forget the catalogue of before. The change feed tells it again.
    async fn tell(&self) {
        if let Err(error) = self.state.caches.changed(&[Change::catalogue(self.tenant)]).await {
            tracing::warn!(error = %error.chain(), "a change of the catalogue is told by the change feed alone");
        }
    }
}

fn pictures_of(body: &Map<String, Value>) -> Result<Vec<ProductPicture>> {
    match body.get("pictures") {
        None => Ok(Vec::new()),
        Some(pictures) => serde_json::from_value(pictures.clone()).map_err(Error::internal),
    }
}
