//! What is to happen to one blob.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::rules::{ContainerRule, Days, KeptBy};
use crate::ports::blobs::{AccessTier, BlobProperties};

/// A blob that no document refers to is left alone so long: its document may be about to be written.
pub const ORPHAN_AGE: TimeDelta = TimeDelta::days(1);

/// How far the clocks of this process and of a store may be apart. A blob that was written later than this
/// after "now" tells that "now" is wrong.
pub const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// What a listing tells of a blob.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub modified_at: DateTime<Utc>,
    pub tier: AccessTier,
}

impl Seen {
    /// A blob as its properties show it.
    pub fn of(properties: &BlobProperties) -> Self {
        Self { modified_at: properties.modified_at, tier: properties.tier }
    }
}

/// What the documents say of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// No document refers to it.
    Nobody,
    /// Something that has not come to its end refers to it.
    InUse,
    /// It is to be kept for so many days, by the tier of its owner; out of the archive until a time, if it
    /// was fetched from there.
    Kept { days: Days, readable_until: Option<DateTime<Utc>> },
    /// A document refers to it and must let go of it first.
    Unwanted(Reason),
}

/// Why a blob goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Nothing refers to it.
    Orphaned,
    /// Its days are over.
    Expired,
    /// Its owner no longer agrees to its being kept.
    ConsentWithdrawn,
    /// Its owner's account is no more.
    AccountErased,
}

/// What is to happen to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    Move(AccessTier),
    Delete(Reason),
    /// It was written after "now": one of the clocks is wrong, so nothing is done to it.
    LeaveAlone,
}

/// Whether what the documents say can matter: otherwise they need not be asked.
pub fn could_change(rule: &ContainerRule, seen: &Seen, now: DateTime<Utc>) -> bool {
    let age = now - seen.modified_at;
    match rule.kept_by {
        KeptBy::Age => false,
        KeptBy::Sample | KeptBy::Job | KeptBy::Product | KeptBy::Picture => age >= ORPHAN_AGE,
    }
}

/// Judges a blob by the rule of its container, at the time `now`.
pub fn judge(rule: &ContainerRule, seen: &Seen, claim: Claim, now: DateTime<Utc>) -> Verdict {
    let age = now - seen.modified_at;
    if age < -MAX_CLOCK_SKEW {
        return Verdict::LeaveAlone;
    }
    let over = |days: Option<Days>| days.is_some_and(|days| age > TimeDelta::days(i64::from(days)));
    match claim {
        Claim::InUse => Verdict::Keep,
        Claim::Nobody if age < ORPHAN_AGE => Verdict::Keep,
        Claim::Nobody => Verdict::Delete(Reason::Orphaned),
        Claim::Unwanted(reason) => Verdict::Delete(reason),
        Claim::Kept { days, .. } if over(Some(days)) || over(rule.delete_after) => Verdict::Delete(Reason::Expired),
        Claim::Kept { readable_until, .. } => {
            let fetched = readable_until.is_some_and(|until| now < until);
            let due = if over(rule.archive_after) && !fetched {
                AccessTier::Archive
            } else if fetched {
                // As it was fetched, until it goes back.
                seen.tier
            } else if over(rule.cold_after) {
                AccessTier::Cold
            } else if over(rule.cool_after) {
                AccessTier::Cool
            } else {
                AccessTier::Hot
            };
            // Never to a warmer tier, which only a person asks for.
            if warmth(due) < warmth(seen.tier) { Verdict::Move(due) } else { Verdict::Keep }
        }
    }
}

fn warmth(tier: AccessTier) -> u8 {
    match tier {
        AccessTier::Hot => 3,
        AccessTier::Cool => 2,
        AccessTier::Cold => 1,
        AccessTier::Archive => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::{EXPORTS, MEDIA, VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
    use crate::lifecycle::rule;

    const KEPT: Claim = Claim::Kept { days: 730, readable_until: None };

    fn now() -> DateTime<Utc> {
        "2026-01-15T06:30:00Z".parse().unwrap()
    }

    fn judged(container: &str, days: i64, tier: AccessTier, claim: Claim) -> Verdict {
        let seen = Seen { modified_at: now() - TimeDelta::days(days), tier };
        judge(rule(container).unwrap(), &seen, claim, now())
    }

    #[test]
    fn a_recording_cools_down_and_goes() {
        let at = |days, tier| judged(VOICE_UPLOADS, days, tier, KEPT);
        assert_eq!(at(30, AccessTier::Hot), Verdict::Keep);
        assert_eq!(at(31, AccessTier::Hot), Verdict::Move(AccessTier::Cool));
        assert_eq!(at(31, AccessTier::Cool), Verdict::Keep);
        assert_eq!(at(91, AccessTier::Cool), Verdict::Move(AccessTier::Cold));
        assert_eq!(at(181, AccessTier::Hot), Verdict::Move(AccessTier::Archive));
        assert_eq!(at(181, AccessTier::Archive), Verdict::Keep);
        assert_eq!(at(731, AccessTier::Archive), Verdict::Delete(Reason::Expired));
        assert_eq!(judged(VOICE_RESULTS, 500, AccessTier::Hot, KEPT), Verdict::Move(AccessTier::Cold));
    }

    #[test]
    fn nothing_is_made_warmer() {
        assert_eq!(judged(VOICE_UPLOADS, 1, AccessTier::Archive, KEPT), Verdict::Keep);
        assert_eq!(judged(VOICE_UPLOADS, 31, AccessTier::Cold, KEPT), Verdict::Keep);
    }

    #[test]
    fn what_was_fetched_from_the_archive_stays_out_for_its_time() {
        let fetched = |until| Claim::Kept { days: 730, readable_until: Some(until) };
        let at = |claim| judged(VOICE_UPLOADS, 400, AccessTier::Hot, claim);
        assert_eq!(at(fetched(now() + TimeDelta::days(1))), Verdict::Keep);
        assert_eq!(at(fetched(now() - TimeDelta::days(1))), Verdict::Move(AccessTier::Archive));
    }

    #[test]
    fn the_tier_of_the_owner_and_the_consent_decide() {
        let free = Claim::Kept { days: 90, readable_until: None };
        assert_eq!(judged(VOICE_UPLOADS, 91, AccessTier::Cool, free), Verdict::Delete(Reason::Expired));
        assert_eq!(judged(VOICE_UPLOADS, 90, AccessTier::Cool, free), Verdict::Keep);
        for reason in [Reason::ConsentWithdrawn, Reason::AccountErased] {
            assert_eq!(
                judged(VOICE_UPLOADS, 0, AccessTier::Hot, Claim::Unwanted(reason)),
                Verdict::Delete(reason),
                "at once"
            );
        }
    }

    #[test]
    fn an_orphan_has_a_day_and_what_is_in_use_has_all_the_time() {
        assert_eq!(judged(VOICE_UPLOADS, 0, AccessTier::Hot, Claim::Nobody), Verdict::Keep);
        assert_eq!(judged(VOICE_UPLOADS, 1, AccessTier::Hot, Claim::Nobody), Verdict::Delete(Reason::Orphaned));
        assert_eq!(judged(VOICE_JOBS, 5000, AccessTier::Hot, Claim::InUse), Verdict::Keep);
    }

    #[test]
    fn age_alone_decides_where_nothing_keeps() {
        let forever = Claim::Kept { days: Days::MAX, readable_until: None };
        assert_eq!(judged(EXPORTS, 8, AccessTier::Hot, forever), Verdict::Keep);
        assert_eq!(judged(EXPORTS, 9, AccessTier::Hot, forever), Verdict::Delete(Reason::Expired));
        assert_eq!(judged(MEDIA, 5000, AccessTier::Hot, forever), Verdict::Keep, "while a product shows it");
    }

    #[test]
    fn a_blob_of_the_future_is_left_alone_whatever_is_said_of_it() {
        let seen = Seen { modified_at: now() + TimeDelta::minutes(6), tier: AccessTier::Hot };
        for claim in [Claim::Nobody, Claim::Unwanted(Reason::ConsentWithdrawn), KEPT] {
            assert_eq!(judge(rule(VOICE_UPLOADS).unwrap(), &seen, claim, now()), Verdict::LeaveAlone);
        }
    }

    #[test]
    fn documents_are_asked_only_where_they_decide() {
        let asked = |container: &str, hours: i64| {
            let seen = Seen { modified_at: now() - TimeDelta::hours(hours), tier: AccessTier::Hot };
            could_change(rule(container).unwrap(), &seen, now())
        };
        assert!(!asked(VOICE_UPLOADS, 23) && asked(VOICE_UPLOADS, 24));
        assert!(!asked(EXPORTS, 10_000));
    }
}
