//! The life of stored blobs: who may read them, when they move to a cheaper tier, when they go. One table
//! ([`RULES`]) says it for every container; from it come Azure's own lifecycle policy ([`policy`]) and what
//! the daily sweep does with each blob ([`judge`]). No I/O here.

mod judge;
mod policy;
mod rules;
mod slices;

pub use judge::{Claim, MAX_CLOCK_SKEW, ORPHAN_AGE, Reason, Seen, Verdict, could_change, judge};
pub use policy::{POLICY_FILE, policy, policy_text};
pub use rules::{AgeBand, ContainerRule, Days, KeptBy, RULES, Readers, Retention, fingerprint, rule};
pub use slices::{Slice, slices};
