//! What is kept of sweeps: the runs, how far their slices are, and what was found.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::containers::LIFECYCLE_JOBS;
use crate::lifecycle::{AgeBand, Reason, Slice};
use crate::ports::Continuation;
use crate::ports::blobs::{AccessTier, BlobName};

/// What fires the work on a slice: the content of a small blob. It only points; run and slice are read from
/// the documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SweepTicket {
    pub run: String,
    pub slice: Slice,
    /// Only looks, whatever the run says.
    pub dry_run: bool,
    /// The rules that the run began with.
    pub rules: String,
}

impl SweepTicket {
    /// The blob of the ticket: `{run}/{slice}.json`, where the run of a day is its date.
    pub fn blob(&self) -> BlobName {
        BlobName::new(LIFECYCLE_JOBS, format!("{}/{}.json", self.run, self.slice))
    }
}

/// What was done with a blob; in a dry run, what would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    Kept,
    MovedToCool,
    MovedToCold,
    MovedToArchive,
    /// Nothing referred to it.
    DeletedOrphaned,
    /// Its days were over.
    DeletedExpired,
    DeletedConsentWithdrawn,
    DeletedAccountErased,
    /// It was written after "now".
    LeftOfTheFuture,
    /// It was written again, or its document changed, while it was looked at.
    LeftChanged,
    /// A store failed; the next sweep looks again.
    LeftFailed,
}

impl Deed {
    /// What deleting for a reason is.
    pub fn deleted(reason: Reason) -> Self {
        match reason {
            Reason::Orphaned => Self::DeletedOrphaned,
            Reason::Expired => Self::DeletedExpired,
            Reason::ConsentWithdrawn => Self::DeletedConsentWithdrawn,
            Reason::AccountErased => Self::DeletedAccountErased,
        }
    }

    /// What moving to a tier is; `None` for the tier that nothing is moved to.
    pub fn moved(tier: AccessTier) -> Option<Self> {
        match tier {
            AccessTier::Hot => None,
            AccessTier::Cool => Some(Self::MovedToCool),
            AccessTier::Cold => Some(Self::MovedToCold),
            AccessTier::Archive => Some(Self::MovedToArchive),
        }
    }

    /// Whether the blob is gone after it.
    pub fn is_deletion(self) -> bool {
        matches!(
            self,
            Self::DeletedOrphaned | Self::DeletedExpired | Self::DeletedConsentWithdrawn | Self::DeletedAccountErased
        )
    }
}

/// A number of blobs and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Count {
    pub blobs: u64,
    pub bytes: u64,
}

impl Count {
    /// One blob of so many bytes.
    pub fn one(bytes: u64) -> Self {
        Self { blobs: 1, bytes }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}

/// How many blobs were treated in which way.
pub type Tally = BTreeMap<Deed, Count>;

/// The blobs of one container, tier and age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InventoryLine {
    pub container: String,
    pub tier: AccessTier,
    pub age: AgeBand,
    #[serde(flatten)]
    pub count: Count,
}

/// Adds to the line of a container, tier and age.
pub fn add(inventory: &mut Vec<InventoryLine>, container: &str, tier: AccessTier, age: AgeBand, count: Count) {
    let line = inventory.iter_mut().find(|line| line.container == container && line.tier == tier && line.age == age);
    match line {
        Some(line) => line.count += count,
        None => inventory.push(InventoryLine { container: container.to_owned(), tier, age, count }),
    }
}

/// One sweep: document of the partition `RUNS`, its id that of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: String,
    pub started_at: DateTime<Utc>,
    /// Only looks.
    pub dry_run: bool,
    /// Why it only looks although it was to act.
    pub held: Option<String>,
    pub rules: String,
    pub slices: Vec<Slice>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Once it is finished.
    #[serde(default)]
    pub tally: Tally,
    /// Slices that did not come to their end, with the reason.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// The partition of the runs.
pub const RUNS: &str = "runs";
/// The partition of what outlives the runs.
pub const LASTING: &str = "lasting";

/// How far a slice is: document of the partition of its run, its id the slice's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceState {
    pub slice: Slice,
    /// Where the listing goes on; `None` at the beginning and the end.
    pub position: Option<Continuation>,
    pub done: bool,
    pub rules: String,
    /// Invocations that worked on it.
    pub turns: u32,
    /// How often it began anew.
    pub restarts: u32,
    /// Pages in a row that a store failed.
    pub stumbles: u32,
    pub problem: Option<String>,
    pub tally: Tally,
    pub inventory: Vec<InventoryLine>,
}

impl SliceState {
    /// A slice at its beginning.
    pub fn new(slice: Slice, rules: String) -> Self {
        Self {
            slice,
            position: None,
            done: false,
            rules,
            turns: 0,
            restarts: 0,
            stumbles: 0,
            problem: None,
            tally: Tally::new(),
            inventory: Vec::new(),
        }
    }

    /// The same slice at its beginning again.
    pub fn anew(&self, rules: String) -> Self {
        Self { turns: self.turns, restarts: self.restarts + 1, ..Self::new(self.slice.clone(), rules) }
    }
}

/// When a sweep last began that was to act: document of `LASTING`.
#[derive(Debug, Serialize, Deserialize)]
pub struct LastSweep {
    pub at: DateTime<Utc>,
}

/// What the last whole listing found: document of `LASTING`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The id of the run that found it.
    pub sweep: String,
    pub as_of: DateTime<Utc>,
    pub lines: Vec<InventoryLine>,
}
