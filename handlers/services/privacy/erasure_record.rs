//! The proof of an erasure: that it was done and how much it took, and nothing that leads to the person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::containers::ERASURES;
use crate::error::{Error, Result};
use crate::ports::documents::{NewDocument, PartitionKey};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::accounts::Pseudonym;
use crate::state::AppState;
use crate::types::{ErasureId, TenantId};

/// How far an erasure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ErasureStatus {
    /// It is being done.
    Running,
    /// All is gone; what comes late is still watched for.
    Erased,
    /// A second look, when nothing could be under way any more, took the last of it.
    Completed,
}

/// How many things there were, by place: `documents.session`, `blobs.voice-uploads`, `claims`, `reports`.
pub type Counts = BTreeMap<String, u64>;

/// The record of an erasure: partition `(tenant)`, kept for good.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureRecord {
    pub id: ErasureId,
    pub status: ErasureStatus,
    /// The customer's name in reports: whoever has the secret can tell whether a given customer was erased,
    /// and nobody can tell who it was.
    pub subject: Pseudonym,
    pub requested_at: Option<DateTime<Utc>>,
    pub started_at: DateTime<Utc>,
    pub erased_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// What there was when it began.
    pub found: Counts,
    /// What had come since, at the second look.
    pub late: Counts,
}

fn partition(tenant: &TenantId) -> PartitionKey {
    PartitionKey::of([tenant.as_str()])
}

impl ErasureRecord {
    /// The record of an erasure with its version, or `None`.
    pub async fn read(state: &AppState, tenant: &TenantId, id: &ErasureId) -> Result<Option<(Self, ETag)>> {
        let found = state.documents.read(&ERASURES, &partition(tenant), id.as_str()).await?;
        found.map(|found| Ok((found.read()?, found.etag))).transpose()
    }

    /// Writes a new record; one that is there already stays and is given.
    pub async fn open(self, state: &AppState, tenant: &TenantId) -> Result<(Self, ETag)> {
        let document = NewDocument::new(self.id.as_str(), &self)?;
        match state.documents.create(&ERASURES, &partition(tenant), document).await {
            Ok(written) => Ok((self, written.etag)),
            Err(error) if error.kind() == PortErrorKind::Conflict => {
                let gone = || Error::internal("a record of an erasure is gone");
                Self::read(state, tenant, &self.id).await?.ok_or_else(gone)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the version that was read.
    pub async fn write(&self, state: &AppState, tenant: &TenantId, etag: ETag) -> Result<ETag> {
        let document = NewDocument::new(self.id.as_str(), self)?;
        Ok(state.documents.replace(&ERASURES, &partition(tenant), document, Condition::IfMatch(etag)).await?.etag)
    }
}
