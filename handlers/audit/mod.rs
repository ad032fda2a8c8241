//! The audit log: who did what to whose account, when and from where. It is only ever added to, kept for a
//! year, and read by staff.
//!
//! A record holds identifiers, never an email address or a phone number, and of a network address only the
//! prefix; what erases an account has nothing to erase here. What changes the state of something is told by
//! its event in the outbox (the table in [`actions`]); what changes nothing, as a failed sign-in, is noted
//! directly and folded, so that a flood of it is a few records.

pub mod actions;
mod folding;
mod origin;
mod reading;
mod record;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use opentelemetry::global;
use opentelemetry::metrics::Counter;
use serde::Deserialize;
use tokio::sync::Notify;

use self::folding::{Folded, Folds};
use crate::containers::{AUDIT, DIRECTORY};
use crate::ports::clock::Clock;
use crate::ports::documents::{DocumentStore, NewDocument, PartitionKey};
use crate::ports::events::DomainEvent;
use crate::ports::{PortErrorKind, PortResult};
use crate::types::{TenantId, UserId};

pub use folding::{Note, Subject};
pub use origin::Origin;
pub use reading::{MAX_RANGE, Place, Search};
pub use record::{Outcome, Record};

/// How often counts that have grown are written.
const PERIOD: Duration = Duration::from_secs(5);
/// Records that are written at once.
const WRITES: usize = 8;

static DROPPED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("pravis")
        .u64_counter("pravis.audit.dropped")
        .with_description("Observations for the audit log that could not be kept.")
        .build()
});

/// The audit log of one process.
pub struct AuditLog {
    documents: Arc<dyn DocumentStore>,
    clock: Arc<dyn Clock>,
    folds: Mutex<Folds>,
    noted: Notify,
}

impl AuditLog {
    pub fn new(documents: Arc<dyn DocumentStore>, clock: Arc<dyn Clock>) -> Self {
        Self { documents, clock, folds: Mutex::default(), noted: Notify::new() }
    }

    /// Notes what changed nothing. It takes no time and cannot fail: the record is written by
    /// [`AuditLog::run`], the first of its kind in a minute at once, those like it as one count.
    pub fn note(&self, note: Note) {
        let now = self.clock.now();
        if self.folds().add(note, now) {
            self.noted.notify_one();
        }
    }

    /// Writes what is noted, for as long as it is polled.
    pub async fn run(&self) {
        loop {
            tokio::select! {
                () = self.noted.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "audit records not written yet");
                tokio::time::sleep(PERIOD).await;
            }
        }
    }

    /// Writes what is noted and due: what is new, and the counts of minutes that are over.
    ///
    /// # Errors
    /// That of the first record that could not be written; it is kept for the next time.
    pub async fn flush(&self) -> PortResult<()> {
        let due = self.folds().due(self.clock.now());
        let writes = stream::iter(due).map(|folded| async move {
            self.write(&folded).await?;
            self.folds().written(&folded);
            Ok(())
        });
        let outcomes: Vec<PortResult<()>> = writes.buffer_unordered(WRITES).collect().await;
        let lost = self.folds().forget(self.clock.now());
        if lost > 0 {
            tracing::error!(lost, "observations for the audit log could not be written and are lost");
            DROPPED.add(lost, &[]);
        }
        outcomes.into_iter().collect()
    }

    /// Records what an event tells of; once, however often it is told. Gives whether it is in the table.
    ///
    /// # Errors
    /// Those of the write.
    pub async fn record(&self, event: &DomainEvent, origin: Option<&Origin>) -> PortResult<bool> {
        let Some(record) = Record::of_event(event, origin) else { return Ok(false) };
        let document = NewDocument::new(record.id.clone(), &record)?;
        match self.documents.create(&AUDIT, &record.partition(&event.tenant_id), document).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PortErrorKind::Conflict => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, folded: &Folded) -> PortResult<()> {
        let subject = match &folded.note.subject {
            Some(Subject::Id(id)) => Some(id.clone()),
            Some(Subject::Claim(claim)) => self.owner(claim, &folded.note.tenant).await?,
            None => None,
        };
        let record = folded.record(subject);
        let document = NewDocument::new(record.id.clone(), &record)?;
        self.documents.upsert(&AUDIT, &record.partition(&folded.note.tenant), document).await?;
        Ok(())
    }

    /// The account that a sign-in name stands for, if there is one.
    async fn owner(&self, claim: &str, tenant: &TenantId) -> PortResult<Option<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Owner {
            tenant_id: TenantId,
            user_id: UserId,
        }
        let found = self.documents.read(&DIRECTORY, &PartitionKey::of([claim]), claim).await?;
        let owner = found.map(|document| document.read::<Owner>()).transpose()?;
        Ok(owner.filter(|owner| owner.tenant_id == *tenant).map(|owner| owner.user_id.to_string()))
    }

    fn folds(&self) -> std::sync::MutexGuard<'_, Folds> {
        self.folds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
