//! Exports in documents: a record of each, and one of how many there may be.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::containers::{CUSTOMERS, EXPORTS, customer};
use crate::error::Result;
use crate::ports::blobs::BlobName;
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortResult};
use crate::state::AppState;
use crate::types::{ExportId, TenantId, UserId};

/// How long an export can be fetched.
pub const KEPT: TimeDelta = TimeDelta::days(7);
/// The document that says which export is being made.
const SLOT: &str = "export-slot";

/// Where an export is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportStatus {
    Queued,
    Processing,
    /// It can be fetched.
    Completed,
    /// We could not make it; ask for another.
    Failed,
}

impl ExportStatus {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// A copy of a customer's data: kind `export` in their partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    pub kind: String,
    pub id: ExportId,
    pub status: ExportStatus,
    pub created_at: DateTime<Utc>,
    /// How often work on it began; the file of the last time counts.
    pub attempts: u32,
    /// Until when whoever works it has it to themselves.
    pub working_until: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Until when it can be fetched.
    pub expires_at: Option<DateTime<Utc>>,
    pub size_bytes: Option<u64>,
}

impl Export {
    pub const KIND: &'static str = "export";

    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            kind: Self::KIND.into(),
            id: ExportId::generate(),
            status: ExportStatus::Queued,
            created_at: now,
            attempts: 0,
            working_until: None,
            finished_at: None,
            expires_at: None,
            size_bytes: None,
        }
    }

    pub fn document(&self) -> PortResult<NewDocument> {
        Ok(NewDocument::new(self.id.as_str(), self)?.with_ttl(lifetime()))
    }

    /// The zip file that the present attempt writes.
    pub fn blob(&self, tenant: &TenantId, user: &UserId) -> BlobName {
        BlobName::new(EXPORTS, format!("{}{}.zip", folder(tenant, user, &self.id), self.attempts))
    }
}

fn lifetime() -> Ttl {
    Ttl::Seconds(u32::try_from(KEPT.num_seconds()).unwrap_or(u32::MAX))
}

/// What the paths of all files of an export begin with.
pub fn folder(tenant: &TenantId, user: &UserId, id: &ExportId) -> String {
    format!("{tenant}/{user}/{id}/")
}

/// The owner and the export that a file of `EXPORTS` belongs to, by its path.
pub fn of_path(path: &str) -> Option<(TenantId, UserId, ExportId)> {
    let mut parts = path.split('/');
    let (tenant, user, id) = (parts.next()?, parts.next()?, parts.next()?);
    Some((tenant.parse().ok()?, user.parse().ok()?, id.parse().ok()?))
}

/// The export of an owner with its version, or `None`. One point read.
pub async fn read(state: &AppState, tenant: &TenantId, user: &UserId, id: &ExportId) -> Result<Option<(Export, ETag)>> {
    let found = state.documents.read(&CUSTOMERS, &customer(tenant, user.as_str()), id.as_str()).await?;
    found.map(|found: Document| Ok((found.read()?, found.etag))).transpose()
}

/// Which export is being made, and how many were asked for on a day.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    kind: String,
    pub current: Option<ExportId>,
    /// UTC.
    pub day: NaiveDate,
    /// Exports of this day.
    pub count: u32,
}

impl Slot {
    const KIND: &'static str = "exportSlot";

    /// The slot of a partition as of `today`, and its version when there is one.
    pub async fn read(state: &AppState, partition: &PartitionKey, today: NaiveDate) -> Result<(Self, Option<ETag>)> {
        let empty = Self { kind: Self::KIND.into(), current: None, day: today, count: 0 };
        let Some(found) = state.documents.read(&CUSTOMERS, partition, SLOT).await? else { return Ok((empty, None)) };
        let slot: Self = found.read()?;
        let slot = if slot.day == today { slot } else { Self { current: slot.current, ..empty } };
        Ok((slot, Some(found.etag)))
    }

    /// The operation that writes the slot over the version that was read.
    pub fn put(&self, version: Option<ETag>) -> PortResult<Operation> {
        let document = NewDocument::new(SLOT, self)?.with_ttl(lifetime());
        Ok(match version {
            Some(version) => Operation::Replace(document, Condition::IfMatch(version)),
            None => Operation::Create(document),
        })
    }
}
