//! Listing blobs by prefix.

use azure_storage_blob::models::{BlobContainerClientListBlobsOptions, ListBlobsIncludeItem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::{Service, properties};
use crate::adapters::storage_account::failure;
use crate::ports::blobs::BlobItem;
use crate::ports::{Continuation, Page, PortError, PortResult};

/// The most blobs of one page.
const MAX_PAGE: usize = 5000;

/// Where a listing goes on: the service's own mark, with the listing that it belongs to.
#[derive(Deserialize, Serialize)]
struct Place {
    container: String,
    prefix: String,
    marker: String,
}

/// One page; an empty one of a container that was never made.
pub(super) async fn page(
    service: &Service,
    container: &'static str,
    prefix: &str,
    limit: usize,
    continuation: Option<Continuation>,
) -> PortResult<Page<BlobItem>> {
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(PortError::invalid(format!("a page of a listing has 1 to {MAX_PAGE} blobs")));
    }
    let marker = continuation.map(|token| marker_of(&token, container, prefix)).transpose()?;
    let options = BlobContainerClientListBlobsOptions {
        prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
        marker,
        maxresults: i32::try_from(limit).ok(),
        include: Some(vec![ListBlobsIncludeItem::Metadata, ListBlobsIncludeItem::Tags]),
        ..Default::default()
    };
    let client = service.client.blob_container_client(container);
    let asking = async {
        let page = client.list_blobs(Some(options))?.into_pages().try_next().await?;
        page.map(|page| page.into_model()).transpose()
    };
    let found = service
        .call("list", async {
            match asking.await {
                Err(error) if failure::is_missing(&error) => Ok(None),
                other => other,
            }
        })
        .await?;
    let Some(found) = found else { return Ok(Page { items: Vec::new(), next: None }) };
    let next = found.next_marker.filter(|marker| !marker.is_empty());
    let next = next.map(|marker| {
        let place = Place { container: container.to_owned(), prefix: prefix.to_owned(), marker };
        serde_json::to_vec(&place).map(|place| Continuation(URL_SAFE_NO_PAD.encode(place)))
    });
    let next = next.transpose().map_err(|error| PortError::corrupt("a mark is not text").with_source(error))?;
    let mut items = found.blob_items.into_iter().map(properties::of_item).collect::<PortResult<Vec<_>>>()?;
    // Azurite orders by UTF-16, which differs beyond the Basic Multilingual Plane; the service says
    // "alphabetical".
    items.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(Page { items, next })
}

fn marker_of(token: &Continuation, container: &str, prefix: &str) -> PortResult<String> {
    let place = URL_SAFE_NO_PAD.decode(&token.0).ok().and_then(|text| serde_json::from_slice::<Place>(&text).ok());
    place
        .filter(|place| place.container == container && place.prefix == prefix && !place.marker.is_empty())
        .map(|place| place.marker)
        .ok_or_else(|| PortError::invalid("the continuation is not of this listing"))
}
