use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Error, FieldError, Result};
use crate::types::TierId;

const MIB: u64 = 1024 * 1024;

const REQUESTS_PER_MINUTE: RangeInclusive<u64> = 1..=600_000;
/// Up to a year of talk in a month.
const VOICE_SECONDS_PER_MONTH: RangeInclusive<u64> = 0..=31_536_000;
const UPLOAD_BYTES: RangeInclusive<u64> = 64 * 1024..=100 * MIB;
const RETENTION_DAYS: RangeInclusive<u64> = 1..=3650;
/// Tiers of one table.
const MAX_TIERS: usize = 32;

/// Where the documents of a tenant on this tier may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TierPlacement {
    /// In the shared database.
    #[default]
    Shared,
    /// In a database of its own as well.
    Dedicated,
}

/// What one tier allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// Requests of one caller a minute.
    #[schema(minimum = 1, maximum = 600_000)]
    pub requests_per_minute: u32,
    /// Seconds of recordings that are worked for one customer in a calendar month (UTC); `null` is without limit.
    // Left out it would be without limit by mistake.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, minimum = 0, maximum = 31_536_000)]
    pub voice_seconds_per_month: Option<u64>,
    /// Bytes of one recording.
    #[schema(minimum = 65_536, maximum = 104_857_600)]
    pub upload_bytes: u64,
    /// Days that recordings and what was said in them are kept, with consent.
    #[schema(minimum = 1, maximum = 3650)]
    pub retention_days: u32,
    /// Whether many recordings may be worked in one go.
    pub batches: bool,
    pub placement: TierPlacement,
}

/// What every tier of a tenant allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TierTable {
    /// By name; `free` is always among them.
    #[schema(value_type = BTreeMap<String, Tier>)]
    pub tiers: BTreeMap<TierId, Tier>,
}

static BUILT_IN: LazyLock<TierTable> = LazyLock::new(|| {
    let tier = |requests_per_minute, voice_minutes: Option<u64>, upload_mib, retention_days| Tier {
        requests_per_minute,
        voice_seconds_per_month: voice_minutes.map(|minutes| minutes * 60),
        upload_bytes: upload_mib * MIB,
        retention_days,
        batches: false,
        placement: TierPlacement::Shared,
    };
    let enterprise = Tier { batches: true, placement: TierPlacement::Dedicated, ..tier(6000, None, 100, 730) };
    TierTable {
        tiers: BTreeMap::from([
            (TierId::FREE, tier(60, Some(30), 10, 90)),
            (TierId::PREMIUM, tier(600, Some(600), 25, 365)),
            (TierId::ENTERPRISE, enterprise),
        ]),
    }
});

impl TierTable {
    /// The table of a tenant that has none of its own.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// What a tier allows; one that is not in the table allows what `free` does.
    pub fn tier(&self, id: &TierId) -> &Tier {
        let of = |table: &'static Self| &table.tiers[&TierId::FREE];
        self.tiers.get(id).or_else(|| self.tiers.get(&TierId::FREE)).unwrap_or_else(|| of(Self::built_in()))
    }

    /// # Errors
    /// A field error for each figure outside its range, for too many tiers, and where `free` is missing.
    pub fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut refuse = |field: String, message: String| wrong.push(FieldError { field, message });
        if !self.tiers.contains_key(&TierId::FREE) {
            refuse("tiers.free".into(), "expected the tier of everybody who has no other".into());
        }
        if self.tiers.len() > MAX_TIERS {
            refuse("tiers".into(), format!("expected at most {MAX_TIERS} tiers"));
        }
        for (id, tier) in self.tiers.iter().take(MAX_TIERS) {
            for (name, figure, range) in [
                ("requestsPerMinute", u64::from(tier.requests_per_minute), REQUESTS_PER_MINUTE),
                ("voiceSecondsPerMonth", tier.voice_seconds_per_month.unwrap_or_default(), VOICE_SECONDS_PER_MONTH),
                ("uploadBytes", tier.upload_bytes, UPLOAD_BYTES),
                ("retentionDays", u64::from(tier.retention_days), RETENTION_DAYS),
            ] {
                if !range.contains(&figure) {
                    refuse(format!("tiers.{id}.{name}"), format!("expected {} to {}", range.start(), range.end()));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::fields(wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_obeys_its_own_rules() {
        let table = TierTable::built_in();
        table.check().unwrap();
        let figures = [TierId::FREE, TierId::PREMIUM, TierId::ENTERPRISE].map(|id| {
            let tier = table.tier(&id);
            (tier.requests_per_minute, tier.voice_seconds_per_month, tier.upload_bytes / MIB)
        });
        assert_eq!(figures, [(60, Some(1800), 10), (600, Some(36_000), 25), (6000, None, 100)]);
    }

    #[test]
    fn a_tier_that_is_not_in_the_table_counts_as_free() {
        let mut table = TierTable::built_in().clone();
        let unknown = "platinum".parse().unwrap();
        assert_eq!(table.tier(&unknown), table.tier(&TierId::FREE));
        table.tiers.clear();
        assert_eq!(table.tier(&unknown), TierTable::built_in().tier(&TierId::FREE));
    }

    #[test]
    fn a_quota_that_is_left_out_is_no_quota_without_limit() {
        let mut free = serde_json::to_value(TierTable::built_in().tier(&TierId::FREE)).unwrap();
        free.as_object_mut().unwrap().remove("voiceSecondsPerMonth");
        assert!(serde_json::from_value::<Tier>(free).unwrap_err().to_string().contains("voiceSecondsPerMonth"));
    }
}
