use std::sync::Mutex;

use chrono::{DateTime, Duration, TimeZone, Utc};
use pravis::ports::clock::Clock;

/// A clock that stands still until it is told to go on.
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    pub fn new() -> Self {
        Self(Mutex::new(Utc.with_ymd_and_hms(2026, 1, 15, 6, 30, 0).unwrap()))
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}
