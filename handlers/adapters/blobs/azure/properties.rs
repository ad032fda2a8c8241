//! What the service tells of a blob, as the port has it.

use std::collections::BTreeMap;

use azure_core::http::Etag;
use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::{
    AccessTier as TierName, BlobClientGetPropertiesResultHeaders, BlobDownloadProperties, BlobItem as ListedBlob,
    BlobTags,
};
use chrono::{DateTime, Utc};

use super::Service;
use crate::adapters::blobs::rules::DEFAULT_CONTENT_TYPE;
use crate::ports::blobs::{AccessTier, BlobItem, BlobName, BlobProperties};
use crate::ports::{ETag, PortError, PortResult};

/// What is known of a blob, with its tags.
pub(super) async fn read(service: &Service, name: &BlobName) -> PortResult<Option<BlobProperties>> {
    let client = service.blob(name);
    let Some(answer) = service.find("properties", client.get_properties(None)).await? else { return Ok(None) };
    let told = || -> azure_core::Result<(BlobProperties, bool)> {
        let tier = answer.access_tier()?;
        let properties = BlobProperties {
            etag: etag(answer.etag()?).unwrap_or(ETag(String::new())),
            size: answer.content_length()?.unwrap_or_default(),
            content_type: answer.content_type()?.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
            modified_at: time(answer.last_modified()?),
            tier: tier.as_deref().map_or_else(AccessTier::default, tier_of),
            metadata: lower_case(answer.metadata()?),
            tags: BTreeMap::new(),
        };
        Ok((properties, answer.tag_count()?.is_some_and(|count| count > 0)))
    };
    let (mut properties, tagged) = told().map_err(|_| unreadable("properties"))?;
    if tagged {
        // Without tags when they went with the blob in between.
        let answer = service.find("tags", client.get_tags(None)).await?;
        if let Some(answer) = answer {
            properties.tags = tags(answer.into_model().map_err(|_| unreadable("tags"))?);
        }
    }
    Ok(Some(properties))
}

/// What comes with a content of `size` bytes.
pub(super) fn of_content(told: BlobDownloadProperties, size: u64) -> PortResult<BlobProperties> {
    Ok(BlobProperties {
        etag: etag(told.etag).ok_or_else(|| unreadable("content"))?,
        size,
        content_type: told.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
        modified_at: time(told.last_modified),
        tier: AccessTier::default(),
        metadata: lower_case(told.metadata),
        tags: BTreeMap::new(),
    })
}

/// A blob of a listing.
pub(super) fn of_item(item: ListedBlob) -> PortResult<BlobItem> {
    let (Some(path), Some(told)) = (item.name, item.properties) else { return Err(unreadable("list")) };
    let properties = BlobProperties {
        etag: etag(told.etag).ok_or_else(|| unreadable("list"))?,
        size: told.content_length.unwrap_or_default(),
        content_type: told.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
        modified_at: time(told.last_modified),
        tier: told.access_tier.map_or_else(AccessTier::default, |tier| tier_of(tier.as_ref())),
        metadata: lower_case(item.metadata.and_then(|metadata| metadata.values).unwrap_or_default()),
        tags: item.blob_tags.map(tags).unwrap_or_default(),
    };
    Ok(BlobItem { path, properties })
}

pub(super) fn unreadable(operation: &str) -> PortError {
    PortError::corrupt(format!("blobs {operation}: the answer lacks what it must have"))
}

/// An ETag without its quotes.
pub(super) fn etag(told: Option<Etag>) -> Option<ETag> {
    told.map(|etag| ETag(etag.to_string().trim_matches('"').to_owned()))
}

pub(super) fn time(told: Option<OffsetDateTime>) -> DateTime<Utc> {
    told.and_then(|time| DateTime::from_timestamp(time.unix_timestamp(), time.nanosecond())).unwrap_or_default()
}

pub(super) fn tier_name(tier: AccessTier) -> TierName {
    match tier {
        AccessTier::Hot => TierName::Hot,
        AccessTier::Cool => TierName::Cool,
        AccessTier::Cold => TierName::Cold,
        AccessTier::Archive => TierName::Archive,
    }
}

/// The tiers of premium accounts, which have no others, are as fast as `Hot`.
fn tier_of(name: &str) -> AccessTier {
    match name {
        "Cool" => AccessTier::Cool,
        "Cold" => AccessTier::Cold,
        "Archive" => AccessTier::Archive,
        _ => AccessTier::Hot,
    }
}

fn tags(told: BlobTags) -> BTreeMap<String, String> {
    std::collections::HashMap::from(told).into_iter().collect()
}

fn lower_case(metadata: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    metadata.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}
