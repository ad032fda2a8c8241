//! What sweeps have to know of pictures: which files products show, and which uploads are still to be worked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::model::PictureTicket;
use super::store;
use crate::containers::CATALOGUE;
use crate::error::Result;
use crate::lifecycle::{Claim, Days};
use crate::ports::documents::{DocumentStore, PartitionKey, Query, Scope};
use crate::services::shop::store::PRODUCT;
use crate::types::TenantId;

const PAGE: usize = 500;

/// A product as far as it shows pictures; archived ones are read like the others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Showing {
    pictures: Vec<ShownPicture>,
    /// Addresses, which may be of files of ours.
    images: Vec<String>,
}

#[derive(Deserialize)]
struct ShownPicture {
    sources: Vec<ShownSource>,
}

#[derive(Deserialize)]
struct ShownSource {
    path: String,
}

/// The files that the products of boutiques show, each boutique read once. Good for what was listed before.
#[derive(Default)]
pub struct Shown(BTreeMap<TenantId, BTreeSet<String>>);

impl Shown {
    /// What the products of its boutique say of a file.
    ///
    /// # Errors
    /// Those of the documents, also when one of them cannot be read: it may show anything.
    pub async fn claim(&mut self, documents: &dyn DocumentStore, path: &str) -> Result<Claim> {
        let Some(tenant) = path.split('/').next().and_then(|tenant| tenant.parse::<TenantId>().ok()) else {
            return Ok(Claim::Nobody);
        };
        if !self.0.contains_key(&tenant) {
            let shown = shown_by(documents, &tenant).await?;
            self.0.insert(tenant.clone(), shown);
        }
        let is_shown = self.0.get(&tenant).is_some_and(|shown| shown.contains(path));
        Ok(if is_shown { Claim::Kept { days: Days::MAX, readable_until: None } } else { Claim::Nobody })
    }
}

async fn shown_by(documents: &dyn DocumentStore, tenant: &TenantId) -> Result<BTreeSet<String>> {
    let partition = PartitionKey::of([tenant.as_str(), PRODUCT]);
    let mut shown = BTreeSet::new();
    let mut continuation = None;
    loop {
        let query = Query { limit: PAGE, continuation, ..Query::default() };
        let page = documents.query(&CATALOGUE, Scope::Partition(&partition), query).await?;
        for document in &page.items {
            let product: Showing = document.read()?;
            shown.extend(product.pictures.into_iter().flat_map(|picture| picture.sources).map(|source| source.path));
            shown.extend(product.images.iter().filter_map(|address| file_of(address)));
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(shown);
        }
    }
}

/// The last two steps of an address: boutique and name, if it is of a file of ours.
fn file_of(address: &str) -> Option<String> {
    let address = address.split(['?', '#']).next().unwrap_or(address);
    let mut steps = address.rsplit('/');
    let (name, tenant) = (steps.next()?, steps.next()?);
    Some(format!("{tenant}/{name}"))
}

/// What the picture that an upload is of says of it. One point read.
///
/// # Errors
/// Those of the documents.
pub async fn claim_of_upload(documents: &dyn DocumentStore, path: &str) -> Result<Claim> {
    let Some(ticket) = PictureTicket::of_path(path) else { return Ok(Claim::Nobody) };
    let picture = store::picture(documents, &ticket).await?;
    Ok(if picture.is_some_and(|(picture, _)| !picture.status.is_final()) { Claim::InUse } else { Claim::Nobody })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_file() {
        for address in ["https://cdn.example/media/pravis/a-320.webp", "/api/v1/media/pravis/a-320.webp?x#y"] {
            assert_eq!(file_of(address).as_deref(), Some("pravis/a-320.webp"), "{address}");
        }
        assert_eq!(file_of("a.webp"), None);
    }
}
