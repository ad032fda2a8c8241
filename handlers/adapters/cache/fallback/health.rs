use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::service_failed;
use crate::ports::PortResult;

/// How long a service must answer without a failure to be well again.
const WELL_AFTER: Duration = Duration::from_secs(1);

/// Whether a service that this process can do without is there.
pub struct Health {
    service: &'static str,
    failing: Mutex<Option<Failing>>,
}

struct Failing {
    since: Instant,
    last: Instant,
    failures: u64,
    problem: String,
}

/// What the health of a service is told as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Well,
    /// Calls are answered by this process alone.
    Degraded {
        /// How long since the first failure.
        for_time: Duration,
        failures: u64,
        /// The last failure, for operators.
        problem: String,
    },
}

impl Status {
    pub fn is_degraded(&self) -> bool {
        matches!(self, Self::Degraded { .. })
    }
}

impl Health {
    /// Of `service`, as in logs; well at first.
    pub fn new(service: &'static str) -> Self {
        Self { service, failing: Mutex::default() }
    }

    pub fn status(&self) -> Status {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(Status::Well, |failing| {
            Status::Degraded {
                for_time: failing.since.elapsed(),
                failures: failing.failures,
                problem: failing.problem.clone(),
            }
        })
    }

    /// Notes what came of a call; gives `None` for a failure of the service.
    ///
    /// # Errors
    /// Those that are the caller's.
    pub(super) fn judge<T>(&self, outcome: PortResult<T>) -> PortResult<Option<T>> {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(value) => {
                if failing.take_if(|failing| failing.last.elapsed() >= WELL_AFTER).is_some() {
                    tracing::info!("{} is back", self.service);
                }
                Ok(Some(value))
            }
            Err(error) if !service_failed(&error) => Err(error),
            Err(error) => {
                let now = Instant::now();
                let failing = failing.get_or_insert_with(|| {
                    tracing::warn!(%error, "{} fails: this process goes on alone", self.service);
                    Failing { since: now, last: now, failures: 0, problem: String::new() }
                });
                failing.last = now;
                failing.failures += 1;
                failing.problem = error.to_string();
                Ok(None)
            }
        }
    }
}
