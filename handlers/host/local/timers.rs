use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use tokio::sync::watch;

use super::ledger::Ledger;
use super::{LocalHost, pause};
use crate::error::{Error, Result};
use crate::function::{Function, TimerTick, Trigger};
use crate::host::invoke::observed;

/// A tick this late was missed while the process was down.
const PAST_DUE: chrono::Duration = chrono::Duration::seconds(60);
/// The clock is looked at this often at least, since it may jump.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Runs one timer function. Ticks that were missed are made up for by one.
pub async fn run(host: Arc<LocalHost>, index: usize, mut stop: watch::Receiver<bool>) {
    let function = &host.registry.functions()[index];
    let Trigger::Timer { schedule, .. } = &function.trigger else { return };
    let schedule = match parse(schedule) {
        Ok(schedule) => schedule,
        Err(error) => {
            tracing::error!(function = function.name, error = %error.chain(), "timer not started");
            return;
        }
    };
    loop {
        let delay = match step(&host, function, &schedule).await {
            Ok(delay) => delay.min(LONGEST_PAUSE),
            Err(error) => {
                tracing::warn!(function = function.name, error = %error.chain(), "timer not fired; tried again");
                Duration::from_secs(1)
            }
        };
        if pause(&mut stop, delay).await {
            return;
        }
    }
}

/// An NCRONTAB expression of six fields.
///
/// # Errors
/// An internal error when it is none.
pub fn parse(schedule: &str) -> Result<Cron> {
    CronParser::builder().seconds(Seconds::Required).build().parse(schedule).map_err(Error::internal)
}

/// Fires the timer when it is due; gives the time to the next tick. A failed tick is over: the next
/// one comes.
async fn step(host: &LocalHost, function: &Function, schedule: &Cron) -> Result<Duration> {
    let Trigger::Timer { handler, .. } = &function.trigger else { return Ok(LONGEST_PAUSE) };
    let ledger = Ledger::of(host.stores.documents.as_ref(), function.name);
    let now = host.state.clock.now();
    let last = match ledger.last_tick().await? {
        Some(last) => last,
        None => {
            ledger.keep_tick(now).await?;
            now
        }
    };
    let due = next(schedule, last)?;
    if due > now {
        return Ok((due - now).to_std().unwrap_or(LONGEST_PAUSE));
    }
    ledger.keep_tick(now).await?;
    let tick = TimerTick { past_due: now - due > PAST_DUE };
    // Its failure stands in the log; there is nobody to tell.
    let _ = observed(function, handler(host.state.clone(), tick)).await;
    Ok((next(schedule, now)? - now).to_std().unwrap_or_default())
}

fn next(schedule: &Cron, after: DateTime<Utc>) -> Result<DateTime<Utc>> {
    schedule.find_next_occurrence(&after, false).map_err(Error::internal)
}
