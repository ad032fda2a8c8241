//! Tiers: what each plan allows, as a table of the tenant, and what a process knows of those tables.

mod known;
mod table;

pub use known::{Tiers, partition};
pub use table::{Tier, TierPlacement, TierTable};
