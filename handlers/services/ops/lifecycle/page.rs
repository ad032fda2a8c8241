//! One page of a slice: what is listed, judged and done.

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};

use super::model::{Count, Deed, SliceState, add};
use super::sweep::{Sweeps, give_up_after_many};
use crate::error::{Error, Result};
use crate::lifecycle::{AgeBand, Claim, ContainerRule, Days, KeptBy, Reason, Seen, Verdict, could_change, judge, rule};
use crate::ports::blobs::{AccessTier, BlobItem, BlobName};
use crate::ports::{Condition, PortErrorKind};
use crate::services::shop::media::{self, Shown};
use crate::services::voice::retention::{self, Owners};
use crate::types::TenantId;

/// Owners whose blobs are looked at at the same time.
const AT_ONCE: usize = 16;
/// Failing pages in a row after which a blob that cannot be judged is passed over.
const MAX_STUMBLES: u32 = 3;
/// A ticket of a voice job has some hundred bytes.
const MAX_TICKET: u64 = 4096;

/// What came of a blob.
struct Done {
    bytes: u64,
    age: AgeBand,
    /// Where it is now, unless it is gone.
    tier: AccessTier,
    deed: Result<Deed>,
}

/// What was read while the blobs of one owner are looked at, all of it after they were listed.
#[derive(Default)]
struct Known {
    owners: Owners,
    shown: Shown,
}

impl Sweeps {
    /// Works the next page of a slice and enters it into `state`. Gives the failure after which the same page
    /// must be worked again; in that case nothing of it is counted.
    pub(super) async fn work_page(&self, state: &mut SliceState, dry_run: bool) -> Result<Option<Error>> {
        let Some(rule) = rule(state.slice.container) else {
            state.done = true;
            return Ok(None);
        };
        let listed = self.blobs.list(rule.container, "", self.pace.page, state.position.clone()).await;
        let page = match listed {
            Ok(page) => page,
            // The store no longer knows the place, so all is listed again.
            Err(error) if error.kind() == PortErrorKind::InvalidRequest && state.position.is_some() => {
                *state = state.anew(state.rules.clone());
                give_up_after_many(state, "the store kept forgetting the place of the listing");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let now = self.clock.now();
        let own: Vec<BlobItem> = page.items.into_iter().filter(|item| state.slice.has(&item.path)).collect();
        let work = by_owner(rule, own).into_iter().map(|items| self.work_owner(rule, items, now, dry_run));
        let done: Vec<Vec<Done>> = stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
        let mut done: Vec<Done> = done.into_iter().flatten().collect();
        if let Some(failed) = done.iter_mut().find(|done| done.deed.is_err()) {
            state.stumbles += 1;
            if state.stumbles <= MAX_STUMBLES {
                return Ok(std::mem::replace(&mut failed.deed, Ok(Deed::LeftFailed)).err());
            }
        } else {
            state.stumbles = 0;
        }
        for Done { bytes, age, tier, deed } in done {
            let deed = deed.unwrap_or_else(|error| {
                tracing::error!(slice = %state.slice, error = %error.chain(), "a blob could not be judged");
                Deed::LeftFailed
            });
            let count = Count::one(bytes);
            *state.tally.entry(deed).or_default() += count;
            if dry_run || !deed.is_deletion() {
                add(&mut state.inventory, rule.container, tier, age, count);
            }
        }
        state.done = page.next.is_none();
        state.position = page.next;
        Ok(None)
    }

    async fn work_owner(
        &self,
        rule: &ContainerRule,
        items: Vec<BlobItem>,
        now: DateTime<Utc>,
        dry_run: bool,
    ) -> Vec<Done> {
        let mut known = Known::default();
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let mut tier = item.properties.tier;
            let deed = self.work_blob(rule, &item, &mut known, now, dry_run).await;
            if let (Ok(deed), false) = (&deed, dry_run) {
                tier = moved_to(*deed).unwrap_or(tier);
            }
            let age = AgeBand::of(now - item.properties.modified_at);
            all.push(Done { bytes: item.properties.size, age, tier, deed });
        }
        all
    }

    async fn work_blob(
        &self,
        rule: &ContainerRule,
        item: &BlobItem,
        known: &mut Known,
        now: DateTime<Utc>,
        dry_run: bool,
    ) -> Result<Deed> {
        let seen = Seen::of(&item.properties);
        let name = BlobName::new(rule.container, item.path.clone());
        let (claim, recorded_tier) = self.claim_on(rule, item, &seen, known, now).await?;
        match judge(rule, &seen, claim, now) {
            Verdict::LeaveAlone => Ok(Deed::LeftOfTheFuture),
            Verdict::Keep => {
                // The document may have missed that somebody else moved it.
                if recorded_tier.is_some_and(|tier| tier != seen.tier) && !dry_run && is_recording(rule) {
                    retention::note_place(self.documents.as_ref(), &name, Some(seen.tier), now).await?;
                }
                Ok(Deed::Kept)
            }
            Verdict::Move(tier) => {
                let deed = Deed::moved(tier).unwrap_or(Deed::Kept);
                if !dry_run {
                    match self.blobs.set_tier(&name, tier).await {
                        Ok(()) => {}
                        Err(error) if matches!(error.kind(), PortErrorKind::NotFound | PortErrorKind::Conflict) => {
                            return Ok(Deed::LeftChanged);
                        }
                        Err(error) => return Err(error.into()),
                    }
                    if is_recording(rule) {
                        retention::note_place(self.documents.as_ref(), &name, Some(tier), now).await?;
                    }
                }
                Ok(deed)
            }
            Verdict::Delete(reason) if dry_run => Ok(Deed::deleted(reason)),
            Verdict::Delete(reason) => {
                if rule.kept_by == KeptBy::Sample && reason != Reason::Orphaned {
                    let retention = self.retention_of(&item.path).await?;
                    let documents = self.documents.as_ref();
                    if !retention::release(documents, &retention, &name, reason, seen.modified_at, now).await? {
                        return Ok(Deed::LeftChanged);
                    }
                }
                match self.blobs.delete(&name, Condition::IfMatch(item.properties.etag.clone())).await {
                    Ok(true) => Ok(Deed::deleted(reason)),
                    Ok(false) => Ok(Deed::LeftChanged),
                    Err(error) if error.kind() == PortErrorKind::PreconditionFailed => Ok(Deed::LeftChanged),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// What the documents say of a blob that was listed, and the tier that its sample has written down.
    async fn claim_on(
        &self,
        rule: &ContainerRule,
        item: &BlobItem,
        seen: &Seen,
        known: &mut Known,
        now: DateTime<Utc>,
    ) -> Result<(Claim, Option<AccessTier>)> {
        match rule.kept_by {
            KeptBy::Age => Ok((Claim::Kept { days: Days::MAX, readable_until: None }, None)),
            // Too young for anything to be done with it.
            _ if !could_change(rule, seen, now) => Ok((Claim::InUse, None)),
            KeptBy::Sample => {
                let retention = self.retention_of(&item.path).await?;
                let name = BlobName::new(rule.container, item.path.clone());
                let told = retention::claim(self.documents.as_ref(), &retention, &mut known.owners, &name).await?;
                Ok((told.claim, told.recorded_tier))
            }
            KeptBy::Job => Ok((self.claim_on_ticket(rule, item).await?, None)),
            KeptBy::Product => Ok((known.shown.claim(self.documents.as_ref(), &item.path).await?, None)),
            KeptBy::Picture => Ok((media::claim_of_upload(self.documents.as_ref(), &item.path).await?, None)),
        }
    }

    async fn claim_on_ticket(&self, rule: &ContainerRule, item: &BlobItem) -> Result<Claim> {
        if item.properties.size > MAX_TICKET {
            return Ok(Claim::Nobody);
        }
        let name = BlobName::new(rule.container, item.path.clone());
        // One that went meanwhile needs nothing.
        let Some(found) = self.blobs.get(&name, None).await? else { return Ok(Claim::InUse) };
        let mut content = BytesMut::new();
        let mut stream = found.stream;
        while let Some(piece) = stream.next().await {
            content.extend_from_slice(&piece?);
        }
        retention::claim_of_ticket(self.documents.as_ref(), &content).await
    }

    /// The days of the tenant that a path begins with.
    async fn retention_of(&self, path: &str) -> Result<crate::lifecycle::Retention> {
        match path.split('/').next().and_then(|tenant| tenant.parse::<TenantId>().ok()) {
            Some(tenant) => self.tiers.retention(&tenant).await,
            None => Ok(crate::lifecycle::Retention::default()),
        }
    }
}

/// Whether the documents tell where the blobs of a container lie.
fn is_recording(rule: &ContainerRule) -> bool {
    rule.container == crate::containers::VOICE_UPLOADS
}

fn moved_to(deed: Deed) -> Option<AccessTier> {
    match deed {
        Deed::MovedToCool => Some(AccessTier::Cool),
        Deed::MovedToCold => Some(AccessTier::Cold),
        Deed::MovedToArchive => Some(AccessTier::Archive),
        _ => None,
    }
}

/// The blobs of each owner together, so that the owner is read once; every other blob alone.
fn by_owner(rule: &ContainerRule, items: Vec<BlobItem>) -> Vec<Vec<BlobItem>> {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let mut groups: Vec<Vec<BlobItem>> = Vec::new();
    for item in items {
        let same = matches!(rule.kept_by, KeptBy::Sample | KeptBy::Product)
            && groups.last().is_some_and(|group| folder(&group[0].path) == folder(&item.path));
        match groups.last_mut().filter(|_| same) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups
}
