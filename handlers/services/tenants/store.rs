//! Records of tenants in documents, each change with its event.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::caching::News;
use crate::containers::{TENANTS, tenant};
use crate::error::Result;
use crate::ports::cache::Invalidations;
use crate::ports::documents::{DocumentStore, NewDocument, Operation};
use crate::ports::{Condition, ETag, PortError, PortResult};
use crate::services::outbox;
use crate::tenants::Tenant;
use crate::types::{EventId, TenantId};

/// The records, in the shared database.
#[derive(Clone)]
pub struct Tenancy {
    documents: Arc<dyn DocumentStore>,
    invalidations: Arc<dyn Invalidations>,
}

impl Tenancy {
    pub fn new(documents: Arc<dyn DocumentStore>, invalidations: Arc<dyn Invalidations>) -> Self {
        Self { documents, invalidations }
    }

    /// The record of a tenant and its version, or `None`. One point read.
    ///
    /// # Errors
    /// Those of the read.
    pub async fn find(&self, id: &TenantId) -> PortResult<Option<(Tenant, ETag)>> {
        let found = self.documents.read(&TENANTS, &tenant(id), id.as_str()).await?;
        found.map(|document| Ok((document.read()?, document.etag))).transpose()
    }

    /// Writes a new record; gives its version.
    ///
    /// # Errors
    /// `Conflict` when the tenant has one.
    pub async fn create(&self, record: &Tenant, event: Event) -> PortResult<ETag> {
        let document = NewDocument::new(record.id.as_str(), record)?;
        self.write(record, Operation::Create(document), event).await
    }

    /// Writes a record in the place of the version `etag`; gives its new version.
    ///
    /// # Errors
    /// `PreconditionFailed` when it is no longer that version.
    pub async fn replace(&self, record: &Tenant, etag: ETag, event: Option<Event>) -> PortResult<ETag> {
        let document = NewDocument::new(record.id.as_str(), record)?;
        match event {
            Some(event) => self.write(record, Operation::Replace(document, Condition::IfMatch(etag)), event).await,
            None => {
                let condition = Condition::IfMatch(etag);
                let written = self.documents.replace(&TENANTS, &tenant(&record.id), document, condition).await?;
                self.tell(&record.id).await;
                Ok(written.etag)
            }
        }
    }

    async fn write(&self, record: &Tenant, operation: Operation, event: Event) -> PortResult<ETag> {
        let Event { kind, data } = event;
        let event = event_of(record, kind, record.changed_at, data)
            .map_err(|error| PortError::invalid("an event that does not serialise").with_source(error))?;
        let written = self.documents.batch(&TENANTS, &tenant(&record.id), vec![operation, event]).await;
        let written = written.map_err(|failed| failed.error)?;
        self.tell(&record.id).await;
        let first = written.into_iter().next().flatten();
        first.map(|document| document.etag).ok_or_else(|| PortError::corrupt("a write without a document"))
    }

    /// Tells every instance; who misses it notices when its records have lived their life.
    async fn tell(&self, id: &TenantId) {
        let news = serde_json::to_vec(&News::TenantChanged(id.clone())).unwrap_or_default();
        if let Err(error) = self.invalidations.publish(news.into()).await {
            tracing::warn!(%error, "the change of a tenant was not told to other instances");
        }
    }
}

/// What is told of a change.
#[derive(Clone)]
pub struct Event {
    pub kind: &'static str,
    pub data: Value,
}

fn event_of(record: &Tenant, kind: &str, at: DateTime<Utc>, data: Value) -> Result<Operation> {
    outbox::put(EventId::generate(), kind, &record.id, record.id.as_str(), at, data)
}
