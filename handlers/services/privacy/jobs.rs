//! Jobs for an account: their tickets, the function that works them, and the timer that fires tickets again.

use bytes::BytesMut;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::{clean_up, erasure_job, export_job};
use crate::containers::ACCOUNT_JOBS;
use crate::error::{Error, Result};
use crate::function::{BlobWritten, Function, Outcome, TimerTick};
use crate::ports::blobs::{BlobName, PutOptions, whole};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::accounts::Purpose;
use crate::state::AppState;
use crate::types::{ErasureId, ExportId, Service, TenantId, UserId};

/// After so long nothing that was under way when a job began is still under way: requests run for a minute,
/// uploads for a quarter of an hour.
pub(super) const SETTLED: TimeDelta = TimeDelta::minutes(20);
/// A ticket that has lain for so long is fired again.
const FIRED_AGAIN: TimeDelta = TimeDelta::minutes(5);
const PAGE: usize = 200;

/// This module's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::blob("AccountsJobsRun", Service::Accounts, ACCOUNT_JOBS, run),
        Function::timer("AccountsJobsReconcile", Service::Accounts, "20 */5 * * * *", reconcile),
    ]
}

/// What fires a job: the content of a small blob. It only points; everything that decides is read from the
/// documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ticket {
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub job: Job,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub(super) enum Job {
    /// A consent was withdrawn at this moment: what it covered goes.
    CleanUp { purpose: Purpose, withdrawn_at: DateTime<Utc> },
    /// A copy of everything was asked for at this moment.
    Export { export_id: ExportId, asked_at: DateTime<Utc> },
    /// The account is to be erased.
    Erasure { erasure_id: ErasureId },
}

/// Whether a job has more to do later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is left to do; the ticket goes.
    Done,
    /// The ticket stays, to be fired again.
    Later,
}

impl Ticket {
    /// The blob of the ticket: one for each thing to be done for a customer.
    pub fn blob(&self) -> BlobName {
        let thing = match &self.job {
            Job::CleanUp { purpose, .. } => format!("clean-up-{}", purpose.name()),
            Job::Export { export_id, .. } => format!("export-{export_id}"),
            Job::Erasure { erasure_id } => format!("erasure-{erasure_id}"),
        };
        BlobName::new(ACCOUNT_JOBS, format!("{}{thing}.json", prefix(&self.tenant_id, &self.user_id)))
    }

    /// Writes the ticket, which fires the job; `false` when the condition does not hold.
    pub async fn put(&self, state: &AppState, condition: Condition) -> Result<bool> {
        let content = serde_json::to_vec(self).map_err(Error::internal)?;
        let options = PutOptions { content_type: Some("application/json".into()), condition, ..PutOptions::default() };
        match state.blobs.put(&self.blob(), whole(content), options).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), PortErrorKind::Conflict | PortErrorKind::PreconditionFailed) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What the paths of all tickets of a customer begin with.
pub(super) fn prefix(tenant: &TenantId, user: &UserId) -> String {
    format!("{tenant}/{user}/")
}

/// Does what a ticket says.
async fn run(state: AppState, blob: BlobWritten) -> Result<Outcome> {
    let told: Ticket = match serde_json::from_slice(&blob.content) {
        Ok(ticket) => ticket,
        // Nothing can be done for it, now or later.
        Err(error) => return Ok(Outcome::of(format!("not a ticket: {error}"))),
    };
    // It may have been written anew since, or its work done.
    let Some((ticket, etag)) = read(&state, &told.blob()).await? else {
        return Ok(Outcome::of("the ticket is gone"));
    };
    let (progress, summary) = match &ticket.job {
        Job::CleanUp { purpose, withdrawn_at } => clean_up::run(&state, &ticket, *purpose, *withdrawn_at).await?,
        Job::Export { export_id, asked_at } => export_job::run(&state, &ticket, export_id, *asked_at).await?,
        Job::Erasure { erasure_id } => erasure_job::run(&state, &ticket, erasure_id).await?,
    };
    if progress == Progress::Done {
        match state.blobs.delete(&ticket.blob(), Condition::IfMatch(etag)).await {
            Ok(_) => {}
            // It was written anew meanwhile, and fires again.
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Outcome::of(summary))
}

async fn read(state: &AppState, name: &BlobName) -> Result<Option<(Ticket, ETag)>> {
    let Some(found) = state.blobs.get(name, None).await? else { return Ok(None) };
    let etag = found.properties.etag;
    let mut stream = found.stream;
    let mut content = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        content.extend_from_slice(&chunk?);
    }
    Ok(Some((serde_json::from_slice(&content).map_err(Error::internal)?, etag)))
}

/// Fires the tickets again that have lain for a while: those of jobs that failed or died, and of jobs that
/// look twice.
async fn reconcile(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let before = state.clock.now() - FIRED_AGAIN;
    let mut fired = 0;
    let mut continuation = None;
    loop {
        let page = state.blobs.list(ACCOUNT_JOBS, "", PAGE, continuation).await?;
        for item in page.items.into_iter().filter(|item| item.properties.modified_at <= before) {
            let name = BlobName::new(ACCOUNT_JOBS, item.path);
            let (ticket, etag) = match read(&state, &name).await {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(ticket = %name.path, error = %error.chain(), "ticket cannot be read; passed over");
                    continue;
                }
            };
            // Unless it is done meanwhile, or written anew.
            fired += usize::from(ticket.put(&state, Condition::IfMatch(etag)).await?);
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(Outcome::of(format!("{fired} tickets fired again")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_reads_as_it_was_written() {
        let job = Job::CleanUp { purpose: Purpose::VoiceStorage, withdrawn_at: Utc::now() };
        let ticket = Ticket { tenant_id: TenantId::pravis(), user_id: UserId::generate(), job };
        let text = serde_json::to_string(&ticket).unwrap();
        assert_eq!(serde_json::from_str::<Ticket>(&text).unwrap(), ticket, "{text}");
        assert!(ticket.blob().path.ends_with("/clean-up-voiceStorage.json"));
    }
}
