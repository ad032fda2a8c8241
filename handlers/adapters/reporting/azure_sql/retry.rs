//! Another attempt, where one may help: few, and not all callers at once.

use std::time::Duration;

use super::failure::Failure;
use crate::ports::PortResult;

/// Attempts at one call, the first among them.
const ATTEMPTS: u32 = 4;

/// The attempts at one call.
pub(super) struct Retry {
    operation: &'static str,
    failed: u32,
    pause: Duration,
}

impl Retry {
    /// `pause` is about how long the first wait is; each further one is four times as long.
    pub(super) fn new(operation: &'static str, pause: Duration) -> Self {
        Self { operation, failed: 0, pause }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// That of the failed attempt, when no other may follow it.
    pub(super) async fn after(&mut self, failure: Failure) -> PortResult<()> {
        self.failed += 1;
        if !failure.transient || self.failed == ATTEMPTS {
            return Err(failure.error);
        }
        tracing::warn!(operation = self.operation, attempt = self.failed, error = %failure.error, "to be repeated");
        tokio::time::sleep(self.pause.mul_f64(0.5 + random())).await;
        self.pause *= 4;
        Ok(())
    }
}

/// Between 0 and 1.
fn random() -> f64 {
    let mut byte = [0];
    // Without randomness the wait is an ordinary one.
    aws_lc_rs::rand::fill(&mut byte).map_or(0.5, |()| f64::from(byte[0]) / 255.0)
}
