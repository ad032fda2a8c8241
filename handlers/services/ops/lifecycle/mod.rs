//! Sweeps through the blobs, by the rules of [`crate::lifecycle`], and what they tell the staff.

mod admin;
mod model;
mod page;
mod sweep;

pub use model::{Count, Deed, Inventory, InventoryLine, Run, SliceState, SweepTicket, Tally};
pub use sweep::{Pace, Progress, Sweeps, Tiers};

use crate::containers::LIFECYCLE_JOBS;
use crate::error::Result;
use crate::function::{BlobWritten, Function, Outcome, TimerTick};
use crate::state::AppState;
use crate::types::Service;

/// This resource's rows of the registry. The day's sweep begins at two in the morning in India.
pub fn functions() -> Vec<Function> {
    let mut rows = vec![
        Function::timer("OpsSweepBegin", Service::Ops, "0 30 20 * * *", begin),
        Function::timer("OpsSweepRepair", Service::Ops, "0 */15 * * * *", repair),
        Function::blob("OpsSweepWork", Service::Ops, LIFECYCLE_JOBS, work),
    ];
    rows.extend(admin::functions());
    rows
}

async fn begin(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let run = Sweeps::of(&state).begin_daily().await?;
    if let Some(held) = &run.held {
        tracing::warn!(run = run.id, held, "the sweep only looks");
    }
    Ok(Outcome::of(format!("sweep {} with {} slices", run.id, run.slices.len())))
}

async fn repair(state: AppState, _tick: TimerTick) -> Result<Outcome> {
    let given = Sweeps::of(&state).repair().await?;
    Ok(Outcome::of(format!("{given} slices given a ticket again")))
}

async fn work(state: AppState, blob: BlobWritten) -> Result<Outcome> {
    let ticket: SweepTicket = match serde_json::from_slice(&blob.content) {
        Ok(ticket) => ticket,
        // Nothing can be done for it, now or later.
        Err(error) => return Ok(Outcome::of(format!("not a ticket: {error}"))),
    };
    let progress = Sweeps::of(&state).work(&ticket).await?;
    Ok(Outcome::of(format!("{} of {}: {progress:?}", ticket.slice, ticket.run)))
}
