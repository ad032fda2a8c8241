//! The table.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::containers::{
    ACCOUNT_JOBS, EXPORTS, LIFECYCLE_JOBS, MEDIA, MEDIA_JOBS, MEDIA_UPLOADS, SPEECH, VOICE_JOBS, VOICE_RESULTS,
    VOICE_UPLOADS,
};
use crate::types::TierId;

/// Days since the content of a blob was last written.
pub type Days = u32;

/// Who may read a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Readers {
    /// Its owner, by an address that is signed for a few minutes; and the jobs.
    Owner,
    /// Everybody who knows its address, which nobody can guess.
    Everybody,
    /// The program alone.
    Jobs,
}

/// What keeps a blob from being deleted, besides its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeptBy {
    /// The voice sample that its path names: as long as it is worked, then with consent and for the days of
    /// the owner's tier.
    Sample,
    /// The voice sample that its content names, as long as that is worked.
    Job,
    /// The products of the boutique that its path names, archived ones too, as long as one of them shows it.
    Product,
    /// The picture that its path names, as long as that is worked.
    Picture,
    /// Nothing: its age alone decides.
    Age,
}

/// What happens to the blobs of a container in the course of time.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRule {
    pub container: &'static str,
    pub readers: Readers,
    pub kept_by: KeptBy,
    pub cool_after: Option<Days>,
    pub cold_after: Option<Days>,
    pub archive_after: Option<Days>,
    /// When a blob goes, whatever keeps it; `None` is never.
    pub delete_after: Option<Days>,
}

const FOREVER: ContainerRule = ContainerRule {
    container: "",
    readers: Readers::Jobs,
    kept_by: KeptBy::Age,
    cool_after: None,
    cold_after: None,
    archive_after: None,
    delete_after: None,
};

/// The rule of every blob container. Shoppers are promised that recordings go after two years at the latest.
/// A tier is paid for 30 days (cool), 90 (cold) or 180 (archive) even if a blob leaves it sooner
/// (<https://learn.microsoft.com/azure/storage/blobs/access-tiers-overview>); by these days few do.
pub const RULES: [ContainerRule; 10] = [
    // The original is rarely asked for once its rendition can be listened to.
    ContainerRule {
        container: VOICE_UPLOADS,
        readers: Readers::Owner,
        kept_by: KeptBy::Sample,
        cool_after: Some(30),
        cold_after: Some(90),
        archive_after: Some(180),
        delete_after: Some(730),
    },
    // Never in the archive: a rendition is listened to at once.
    ContainerRule {
        container: VOICE_RESULTS,
        readers: Readers::Owner,
        kept_by: KeptBy::Sample,
        cool_after: Some(30),
        cold_after: Some(90),
        delete_after: Some(730),
        ..FOREVER
    },
    // A ticket that still matters is written anew within minutes.
    ContainerRule { container: VOICE_JOBS, kept_by: KeptBy::Job, delete_after: Some(7), ..FOREVER },
    // Made again when it is asked for again.
    ContainerRule {
        container: SPEECH,
        readers: Readers::Everybody,
        cool_after: Some(30),
        delete_after: Some(365),
        ..FOREVER
    },
    // Several products may show one file, so it goes when the last has let go of it.
    ContainerRule { container: MEDIA, readers: Readers::Everybody, kept_by: KeptBy::Product, ..FOREVER },
    // Worked within minutes, and then removed.
    ContainerRule { container: MEDIA_UPLOADS, kept_by: KeptBy::Picture, delete_after: Some(30), ..FOREVER },
    ContainerRule { container: MEDIA_JOBS, delete_after: Some(7), ..FOREVER },
    // A ticket that still matters is written anew within minutes, and after a long standstill it still matters.
    ContainerRule { container: ACCOUNT_JOBS, delete_after: Some(90), ..FOREVER },
    // The link is good for seven days.
    ContainerRule { container: EXPORTS, readers: Readers::Owner, delete_after: Some(8), ..FOREVER },
    ContainerRule { container: LIFECYCLE_JOBS, delete_after: Some(3), ..FOREVER },
];

/// The rule of a container.
pub fn rule(container: &str) -> Option<&'static ContainerRule> {
    RULES.iter().find(|rule| rule.container == container)
}

/// How long recordings are kept, by the tier of their owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    pub by_tier: BTreeMap<TierId, Days>,
    /// Of a tier that is not listed.
    pub otherwise: Days,
}

impl Retention {
    /// The days of a tier.
    pub fn days(&self, tier: &TierId) -> Days {
        self.by_tier.get(tier).copied().unwrap_or(self.otherwise)
    }
}

impl Default for Retention {
    /// 90 days, a year and two years. An unknown tier has the longest, since what is deleted stays so.
    fn default() -> Self {
        let by_tier = BTreeMap::from([(TierId::FREE, 90), (TierId::PREMIUM, 365), (TierId::ENTERPRISE, 730)]);
        Self { by_tier, otherwise: 730 }
    }
}

/// Names the table: other rules, another name.
pub fn fingerprint() -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let text = json!(RULES).to_string();
    digest(&SHA256, text.as_bytes()).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How old a blob is, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AgeBand {
    UpToAWeek,
    UpToAMonth,
    UpToAQuarter,
    UpToHalfAYear,
    UpToAYear,
    UpToTwoYears,
    Older,
}

impl AgeBand {
    /// The band of an age; what was written in the future counts as new.
    pub fn of(age: TimeDelta) -> Self {
        match age.num_days() {
            ..7 => Self::UpToAWeek,
            7..30 => Self::UpToAMonth,
            30..90 => Self::UpToAQuarter,
            90..180 => Self::UpToHalfAYear,
            180..365 => Self::UpToAYear,
            365..730 => Self::UpToTwoYears,
            _ => Self::Older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::BLOB_CONTAINERS;

    #[test]
    fn every_container_has_one_rule_whose_days_go_up() {
        for container in BLOB_CONTAINERS {
            assert_eq!(RULES.iter().filter(|rule| rule.container == container).count(), 1, "{container}");
        }
        assert_eq!(RULES.len(), BLOB_CONTAINERS.len());
        for rule in RULES {
            let days: Vec<Days> = [rule.cool_after, rule.cold_after, rule.archive_after, rule.delete_after]
                .into_iter()
                .flatten()
                .collect();
            assert!(days.windows(2).all(|pair| pair[0] < pair[1]), "{rule:?}");
        }
    }

    #[test]
    fn recordings_go_when_shoppers_were_promised_and_never_later() {
        for container in [VOICE_UPLOADS, VOICE_RESULTS] {
            assert!(rule(container).unwrap().delete_after.unwrap() <= 730);
        }
        let retention = Retention::default();
        assert_eq!(retention.days(&TierId::FREE), 90);
        assert_eq!(retention.days(&"silver".parse().unwrap()), 730, "an unknown tier loses nothing");
    }

    #[test]
    fn the_table_has_one_name_of_sixteen_digits() {
        assert_eq!(fingerprint(), fingerprint());
        assert!(fingerprint().len() == 16 && fingerprint().bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
