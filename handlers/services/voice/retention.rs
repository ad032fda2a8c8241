//! What sweeps and storage events have to know of a sample's blobs, and how a sample lets go of them: first
//! the document, then the blob, so that no document ever refers to a blob that a sweep deleted.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::model::{Recording, RecordingStatus, Ticket};
use super::store;
use crate::error::{Code, Error, Result};
use crate::lifecycle::{Claim, Days, Reason, Retention};
use crate::ports::blobs::{AccessTier, BlobName};
use crate::ports::documents::DocumentStore;
use crate::ports::{Condition, PortErrorKind};
use crate::services::accounts::{self, Purpose};
use crate::types::{TenantId, TierId, UserId};

/// How long a recording that was fetched from the archive stays out of it at least.
pub(super) const OUT_OF_THE_ARCHIVE: TimeDelta = TimeDelta::days(7);
/// How often a change is put upon what others wrote meanwhile.
const TURNS: usize = 5;

/// What is known of owners while a few blobs are looked at, so that each is read once.
#[derive(Default)]
pub struct Owners(HashMap<(TenantId, UserId), Owner>);

/// An owner as far as it decides over recordings.
#[derive(Clone)]
enum Owner {
    Gone,
    Known { tier: TierId, stores_voice: bool },
}

impl Owners {
    async fn of(&mut self, documents: &dyn DocumentStore, ticket: &Ticket) -> Result<Owner> {
        let key = (ticket.tenant_id.clone(), ticket.user_id.clone());
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let found = accounts::find_user(documents, &ticket.tenant_id, &ticket.user_id).await?;
        let owner = found.map_or(Owner::Gone, |user| {
            let stores_voice = user.consents_to(Purpose::VoiceStorage);
            Owner::Known { tier: user.tier, stores_voice }
        });
        self.0.insert(key, owner.clone());
        Ok(owner)
    }
}

/// A recording or rendition as its sample sees it.
pub struct SampleClaim {
    pub claim: Claim,
    /// The tier in which the sample believes its recording to be, when it has one.
    pub recorded_tier: Option<AccessTier>,
}

/// The sample that a recording or rendition is of, by its name.
fn owner_of(blob: &BlobName) -> Option<Ticket> {
    // A recording under the name of a rendition is nobody's, and the other way round.
    Ticket::of_path(&blob.path).filter(|ticket| *blob == ticket.upload() || *blob == ticket.rendition())
}

/// What the sample of a recording or rendition says of it. Two point reads at most.
pub async fn claim(
    documents: &dyn DocumentStore,
    retention: &Retention,
    owners: &mut Owners,
    blob: &BlobName,
) -> Result<SampleClaim> {
    let nobody = SampleClaim { claim: Claim::Nobody, recorded_tier: None };
    let Some(ticket) = owner_of(blob) else { return Ok(nobody) };
    let Some((sample, _)) = store::sample(documents, &ticket).await? else { return Ok(nobody) };
    if !sample.status.is_final() {
        return Ok(SampleClaim { claim: Claim::InUse, recorded_tier: None });
    }
    let Some(recording) = sample.kept_recording() else { return Ok(nobody) };
    if recording.status == RecordingStatus::Deleted {
        return Ok(nobody);
    }
    let claim = match owners.of(documents, &ticket).await? {
        Owner::Gone => Claim::Unwanted(Reason::AccountErased),
        Owner::Known { stores_voice: false, .. } => Claim::Unwanted(Reason::ConsentWithdrawn),
        // What is on its way out of the archive is not sent back.
        Owner::Known { tier, .. } => Claim::Kept {
            days: retention.days(&tier),
            readable_until: match recording.status {
                RecordingStatus::Restoring => Some(DateTime::<Utc>::MAX_UTC),
                _ => recording.readable_until,
            },
        },
    };
    Ok(SampleClaim { claim, recorded_tier: Some(recording.tier) })
}

/// What the sample of a job ticket says of the ticket, by the ticket's content. One point read.
pub async fn claim_of_ticket(documents: &dyn DocumentStore, content: &[u8]) -> Result<Claim> {
    let Ok(ticket) = serde_json::from_slice::<Ticket>(content) else { return Ok(Claim::Nobody) };
    let sample = store::sample(documents, &ticket).await?;
    Ok(if sample.is_some_and(|(sample, _)| !sample.status.is_final()) { Claim::InUse } else { Claim::Nobody })
}

/// Makes the sample of a recording let go of it, if it is still to: reads sample and owner again. `false` when
/// they now say otherwise, and the blob stays.
pub async fn release(
    documents: &dyn DocumentStore,
    retention: &Retention,
    blob: &BlobName,
    why: Reason,
    written_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let Some(ticket) = owner_of(blob) else { return Ok(true) };
    for _ in 0..TURNS {
        let Some((mut sample, etag)) = store::sample(documents, &ticket).await? else { return Ok(true) };
        let mut owners = Owners::default();
        let told = claim(documents, retention, &mut owners, blob).await?.claim;
        let released = match (told, why) {
            (Claim::Nobody, _) => return Ok(true),
            (Claim::Unwanted(Reason::AccountErased), Reason::AccountErased) => {
                store::sample_delete(documents, &ticket, Condition::IfMatch(etag)).await
            }
            (Claim::Unwanted(Reason::ConsentWithdrawn), Reason::ConsentWithdrawn) => {
                sample.forget_words();
                store::sample_rewrite(documents, &ticket, &sample, etag, now).await.map(drop)
            }
            (Claim::Kept { days, .. }, Reason::Expired) if is_over(days, written_at, now) => {
                let recording = sample.kept_recording().unwrap_or_default();
                let deleted = RecordingStatus::Deleted;
                sample.recording = Some(Recording { status: deleted, deleted_at: Some(now), ..recording });
                store::sample_rewrite(documents, &ticket, &sample, etag, now).await.map(drop)
            }
            _ => return Ok(false),
        };
        match released {
            Ok(()) => return Ok(true),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn is_over(days: Days, written_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    // The container's own days are the same for everybody and were looked at by who asks.
    let most = crate::lifecycle::rule(crate::containers::VOICE_UPLOADS).and_then(|rule| rule.delete_after);
    now - written_at > TimeDelta::days(i64::from(days.min(most.unwrap_or(Days::MAX))))
}

/// Writes into the sample of a recording (not of a rendition) where the recording is now: its tier, or `None`
/// when it is gone. Gives whether something had to be written.
pub async fn note_place(
    documents: &dyn DocumentStore,
    recording: &BlobName,
    tier: Option<AccessTier>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let Some(ticket) = owner_of(recording).filter(|ticket| *recording == ticket.upload()) else { return Ok(false) };
    for _ in 0..TURNS {
        let Some((mut sample, etag)) = store::sample(documents, &ticket).await? else { return Ok(false) };
        let Some(recording) = sample.kept_recording() else { return Ok(false) };
        let placed = placed(&recording, tier, now);
        if placed == recording {
            return Ok(false);
        }
        sample.recording = Some(placed);
        match store::sample_rewrite(documents, &ticket, &sample, etag, now).await {
            Ok(_) => return Ok(true),
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::new(Code::Unavailable, "the sample changes too often at this moment"))
}

/// The recording as it is once it lies in `tier`, or nowhere.
fn placed(recording: &Recording, tier: Option<AccessTier>, now: DateTime<Utc>) -> Recording {
    let mut placed = recording.clone();
    match (recording.status, tier) {
        // Deleted for good: what lies there is about to go.
        (RecordingStatus::Deleted, _) => {}
        (_, None) => {
            placed.status = RecordingStatus::Deleted;
            placed.deleted_at = Some(now);
        }
        (RecordingStatus::Restoring, Some(AccessTier::Archive)) => placed.tier = AccessTier::Archive,
        (RecordingStatus::Restoring, Some(tier)) => {
            placed.status = RecordingStatus::Available;
            placed.tier = tier;
            placed.readable_until = Some(now + OUT_OF_THE_ARCHIVE);
        }
        (_, Some(tier)) => {
            placed.status = match tier {
                AccessTier::Archive => RecordingStatus::Archived,
                _ => RecordingStatus::Available,
            };
            placed.tier = tier;
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_what_its_place_makes_it() {
        let now: DateTime<Utc> = "2026-01-15T06:30:00Z".parse().unwrap();
        let fresh = Recording::default();
        let archived = placed(&fresh, Some(AccessTier::Archive), now);
        assert_eq!((archived.status, archived.tier), (RecordingStatus::Archived, AccessTier::Archive));
        let restoring = Recording { status: RecordingStatus::Restoring, ..archived };
        assert_eq!(placed(&restoring, Some(AccessTier::Archive), now), restoring, "it takes hours");
        let restored = placed(&restoring, Some(AccessTier::Hot), now);
        assert_eq!(
            (restored.status, restored.readable_until),
            (RecordingStatus::Available, Some(now + OUT_OF_THE_ARCHIVE))
        );
        let gone = placed(&restored, None, now);
        assert_eq!((gone.status, gone.deleted_at), (RecordingStatus::Deleted, Some(now)));
        assert_eq!(placed(&gone, Some(AccessTier::Hot), now), gone, "what came late does not come back");
    }
}
