//! The one way in which adapters call a service over the network: no call is longer than its time, one
//! that keeps failing is left alone for a while, and every call is booked to its request and measured.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use recloser::{AsyncRecloser, Recloser};

use crate::ports::{PortError, PortErrorKind, PortResult, spent};

/// Of the last [`CALLS_JUDGED`] calls, the part that must fail before no more are let through.
const FAILURE_RATE: f32 = 0.5;
const CALLS_JUDGED: usize = 20;
/// Calls that decide, after the pause, whether the service is back.
const CALLS_OF_TRIAL: usize = 3;
/// How long a failing service is left alone.
const PAUSE: Duration = Duration::from_secs(5);

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("pravis")
        .f64_histogram("pravis.dependency.duration")
        .with_unit("s")
        .with_description("Calls to services behind the ports, by service, operation and outcome.")
        .build()
});

/// A service that is reached over the network.
pub struct Dependency {
    name: &'static str,
    time_limit: Duration,
    breaker: AsyncRecloser,
}

impl Dependency {
    /// `name` as in metrics and `Server-Timing`, `time_limit` for each call with all its retries.
    pub fn new(name: &'static str, time_limit: Duration) -> Self {
        let breaker = Recloser::custom()
            .error_rate(FAILURE_RATE)
            .closed_len(CALLS_JUDGED)
            .half_open_len(CALLS_OF_TRIAL)
            .open_wait(PAUSE)
            .build();
        Self { name, time_limit, breaker: breaker.into() }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Calls the service.
    ///
    /// # Errors
    /// Those of `work`; `TimedOut` when it takes too long; `Unavailable` with the time to wait when the
    /// service has kept failing and is left alone. Only `Unavailable` and `TimedOut` count as failures of
    /// the service.
    pub async fn call<T>(&self, operation: &'static str, work: impl Future<Output = PortResult<T>>) -> PortResult<T> {
        let started = Instant::now();
        let timed = async {
            tokio::time::timeout(self.time_limit, work).await.unwrap_or_else(|_| {
                let message = format!("{} {operation}: no answer within {:?}", self.name, self.time_limit);
                Err(PortError::new(PortErrorKind::TimedOut, message).with_retry_after(PAUSE))
            })
        };
        let outcome = self.breaker.call_with(service_failed as fn(&PortError) -> bool, timed).await;
        let outcome = outcome.map_err(|error| match error {
            recloser::Error::Inner(error) => error,
            recloser::Error::Rejected => {
                PortError::unavailable(format!("{} keeps failing and is left alone for a while", self.name))
                    .with_retry_after(PAUSE)
            }
        });
        let elapsed = started.elapsed();
        spent::call(self.name, elapsed);
        let labels = [
            KeyValue::new("service", self.name),
            KeyValue::new("operation", operation),
            KeyValue::new("outcome", outcome.as_ref().map_or_else(|error| error.kind().name(), |_| "ok")),
        ];
        DURATION.record(elapsed.as_secs_f64(), &labels);
        outcome
    }
}

fn service_failed(error: &PortError) -> bool {
    matches!(error.kind(), PortErrorKind::Unavailable | PortErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing() -> PortResult<()> {
        Err(PortError::unavailable("refused"))
    }

    #[tokio::test]
    async fn a_call_ends_in_its_time() {
        let service = Dependency::new("slow", Duration::from_millis(50));
        let error = service.call("read", std::future::pending::<PortResult<()>>()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (PortErrorKind::TimedOut, Some(PAUSE)));
    }

    #[tokio::test]
    async fn a_service_that_keeps_failing_is_not_called() {
        let service = Dependency::new("broken", Duration::from_secs(2));
        for _ in 0..=CALLS_JUDGED {
            let _ = service.call("read", async { failing() }).await;
        }
        let mut called = false;
        let error = service
            .call("read", async {
                called = true;
                failing()
            })
            .await
            .unwrap_err();
        assert!(!called);
        assert_eq!((error.kind(), error.retry_after()), (PortErrorKind::Unavailable, Some(PAUSE)));
    }

    #[tokio::test]
    async fn refusals_of_the_request_are_no_failures_of_the_service() {
        let service = Dependency::new("strict", Duration::from_secs(2));
        for _ in 0..100 {
            let refused = service.call("read", async { Err::<(), _>(PortError::conflict("taken")) }).await;
            assert_eq!(refused.unwrap_err().kind(), PortErrorKind::Conflict);
        }
    }
}
