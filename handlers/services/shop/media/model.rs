use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::catalogue::PictureSource;
use crate::containers::{MEDIA_JOBS, MEDIA_UPLOADS};
use crate::ports::blobs::BlobName;
use crate::types::{LocalisedText, MediaId, ProductId, TenantId};

/// Pictures that a product shows at most.
pub const MOST_PICTURES: usize = 12;
/// Bytes of an uploaded picture at most.
pub const MAX_BYTES: u64 = 15 * 1024 * 1024;

/// The kind of the documents, which is a part of their partition key.
pub const KIND: &str = "picture";

/// Whether a document of the catalogue tells how far a picture is.
pub fn is_picture(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some(KIND)
}

/// Where a picture is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PictureStatus {
    AwaitingUpload,
    Queued,
    Processing,
    /// The product shows it.
    Ready,
    /// The picture cannot be used; see `reason`.
    Rejected,
    /// We could not work it; see `reason`.
    Failed,
}

impl PictureStatus {
    /// Whether no job has to do with it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Ready | Self::Rejected | Self::Failed)
    }
}

/// Why a picture was rejected or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PictureReason {
    /// One of a closed set, such as `truncated`.
    pub code: String,
    /// What is wrong and what is allowed, to be shown to who uploaded it.
    pub detail: String,
}

/// How far a picture is: partition `(tenant, "picture")` of the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    pub media_id: MediaId,
    pub product_id: ProductId,
    pub status: PictureStatus,
    pub alt: LocalisedText,
    /// Where it was asked to stand; behind the others where nothing was said.
    pub position: Option<u32>,
    pub content_type: String,
    /// What was announced.
    pub byte_size: u64,
    pub created_at: DateTime<Utc>,
    /// Until when it may be uploaded.
    pub upload_until: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    /// How often work on it began.
    #[serde(default)]
    pub attempts: u32,
    pub reason: Option<PictureReason>,
    /// What was made of it.
    #[serde(default)]
    pub sources: Vec<PictureSource>,
}

/// What fires the job of a picture: the content of a small blob. It only points; everything that decides is read
/// from the documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PictureTicket {
    pub tenant_id: TenantId,
    pub product_id: ProductId,
    pub media_id: MediaId,
}

impl PictureTicket {
    /// The blob of the ticket.
    pub fn blob(&self) -> BlobName {
        BlobName::new(MEDIA_JOBS, format!("{}/{}.json", self.tenant_id, self.media_id))
    }

    /// The picture as it was uploaded.
    pub fn upload(&self) -> BlobName {
        BlobName::new(MEDIA_UPLOADS, format!("{}/{}/{}", self.tenant_id, self.product_id, self.media_id))
    }

    /// The id of the picture's document. Those of one product begin alike.
    pub fn document(&self) -> String {
        format!("{}{}", documents_of(&self.product_id), self.media_id)
    }

    /// The ticket of the picture that a blob of `MEDIA_UPLOADS` belongs to, by its path.
    pub fn of_path(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let (tenant, product, media) = (parts.next()?, parts.next()?, parts.next()?);
        let ticket =
            Self { tenant_id: tenant.parse().ok()?, product_id: product.parse().ok()?, media_id: media.parse().ok()? };
        parts.next().is_none().then_some(ticket)
    }
}

/// What the ids of the documents of a product's pictures begin with.
pub fn documents_of(product: &ProductId) -> String {
    format!("{product}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_upload_leads_back_to_its_picture() {
        let ticket = PictureTicket {
            tenant_id: TenantId::pravis(),
            product_id: "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S".parse().unwrap(),
            media_id: MediaId::generate(),
        };
        assert_eq!(PictureTicket::of_path(&ticket.upload().path), Some(ticket.clone()));
        assert_eq!(PictureTicket::of_path(&format!("{}/x", ticket.upload().path)), None);
        assert!(ticket.document().starts_with(&documents_of(&ticket.product_id)));
    }
}
