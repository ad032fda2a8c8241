//! Rate limits by the generic cell rate algorithm (GCRA): a bucket that refills evenly, kept as one
//! instant.
//!
//! The algorithm is the "virtual scheduling algorithm" of ITU-T I.371, annex A: the theoretical arrival
//! time (TAT) of the next cell moves on by the emission interval with every conforming cell, and a cell
//! conforms as long as its TAT is not further ahead than the tolerance.

use std::time::Duration;

use async_trait::async_trait;

use super::{PortError, PortResult};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;

/// The longest time in which a bucket refills.
const MAX_PER: Duration = Duration::from_secs(366 * 24 * 3600);

/// A bucket of `burst` that, once empty, is full again after `per`, so that on average `burst` are
/// allowed in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub burst: u32,
    pub per: Duration,
}

/// Whether something may happen now, and what remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// What could be taken at once right now.
    pub remaining: u32,
    /// When the bucket is full again if nothing more is taken.
    pub reset_after: Duration,
    /// When what was refused would be allowed; `None` when it is allowed, or never will be.
    pub retry_after: Option<Duration>,
}

/// Buckets by key. A bucket is full at first and is forgotten when it is full again. Keys are at most
/// 512 bytes.
#[async_trait]
pub trait RateLimits: Send + Sync {
    /// Takes `cost` from the bucket if so much is in it; what is refused takes nothing, and a cost of 0
    /// only looks. Atomic among all callers. A quota may change while a bucket is in use.
    ///
    /// # Errors
    /// `InvalidRequest` for a key that is too long or a quota that is none, see [`Rate::of`].
    async fn take(&self, key: &str, quota: Quota, cost: u32) -> PortResult<Decision>;
}

/// A quota in whole microseconds, as it is calculated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u64,
    /// The time in which 1 flows in (I.371: *T*), rounded up.
    interval: u64,
}

impl Rate {
    /// # Errors
    /// `InvalidRequest` for a burst of 0, for more than one per microsecond, and for more than a year.
    pub fn of(quota: Quota) -> PortResult<Self> {
        let burst = u64::from(quota.burst);
        let per = u64::try_from(quota.per.as_micros()).unwrap_or(u64::MAX);
        if burst == 0 || per < burst || quota.per > MAX_PER {
            return Err(PortError::invalid("a quota is 1 or more in at most a year and at most 1 per microsecond"));
        }
        Ok(Self { burst, interval: per.div_ceil(burst) })
    }

    /// How far the TAT moves on for `cost`, in microseconds; just too far for a cost beyond the burst.
    pub fn increment(self, cost: u32) -> u64 {
        self.interval.saturating_mul(u64::from(cost)).min(self.tolerance() + 1)
    }

    /// How far ahead the TAT may be, in microseconds (I.371: *τ* + *T*).
    pub fn tolerance(self) -> u64 {
        self.interval * self.burst
    }

    /// Takes `cost` at `now` from a bucket with this `tat`, both in microseconds of one clock; gives the
    /// TAT to keep when it changes.
    pub fn take(self, tat: Option<u64>, now: u64, cost: u32) -> (Option<u64>, Decision) {
        // A bucket that was filled under a larger quota is no emptier than empty.
        let ahead = tat.unwrap_or(now).saturating_sub(now).min(self.tolerance());
        let after = ahead + self.increment(cost);
        let allowed = after <= self.tolerance();
        let kept = (allowed && cost > 0).then_some(now + after);
        (kept, self.decision(allowed, if allowed { after } else { ahead }, cost))
    }

    /// What to tell when the TAT is `ahead` microseconds ahead after `cost` was taken or refused.
    pub fn decision(self, allowed: bool, ahead: u64, cost: u32) -> Decision {
        let free = self.tolerance().saturating_sub(ahead);
        let possible = u64::from(cost) <= self.burst;
        let wait = (ahead + self.increment(cost)).saturating_sub(self.tolerance());
        Decision {
            allowed,
            remaining: u32::try_from(free / self.interval).unwrap_or(u32::MAX),
            reset_after: Duration::from_micros(ahead),
            retry_after: (!allowed && possible).then(|| Duration::from_micros(wait)),
        }
    }
}

/// # Errors
/// `InvalidRequest` for a key that is too long.
pub fn check_key(key: &str) -> PortResult<()> {
    if key.len() <= MAX_KEY_BYTES {
        Ok(())
    } else {
        Err(PortError::invalid(format!("the key of a limit is at most {MAX_KEY_BYTES} bytes")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn rate(burst: u32, seconds: u64) -> Rate {
        Rate::of(Quota { burst, per: Duration::from_secs(seconds) }).unwrap()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_for_each_interval() {
        let rate = rate(5, 10);
        let (mut tat, start) = (None, 1_000 * SECOND);
        for left in (0..5).rev() {
            let (kept, decision) = rate.take(tat, start, 1);
            assert_eq!((decision.allowed, decision.remaining, decision.retry_after), (true, left, None));
            tat = kept;
        }
        let (kept, refused) = rate.take(tat, start, 1);
        assert_eq!(kept, None, "what is refused takes nothing");
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(refused.reset_after, Duration::from_secs(10));
        assert!(!rate.take(tat, start + 2 * SECOND - 1, 1).1.allowed);
        assert!(rate.take(tat, start + 2 * SECOND, 1).1.allowed);
    }

    #[test]
    fn a_cost_beyond_the_burst_is_never_allowed() {
        let (kept, decision) = rate(5, 10).take(None, 0, 6);
        assert_eq!((kept, decision.allowed, decision.remaining, decision.retry_after), (None, false, 5, None));
        let year = Rate::of(Quota { burst: 1, per: MAX_PER }).unwrap();
        assert!(!year.take(None, 0, u32::MAX).1.allowed);
    }

    #[test]
    fn a_cost_of_nothing_only_looks() {
        let rate = rate(2, 2);
        let (tat, _) = rate.take(None, 0, 2);
        let (kept, decision) = rate.take(tat, 0, 0);
        assert_eq!((kept, decision.allowed, decision.remaining), (None, true, 0));
    }

    #[test]
    fn a_smaller_quota_forgives_what_it_could_not_have_taken() {
        let (tat, _) = rate(1, 86_400).take(None, 0, 1);
        let (_, decision) = rate(1, 10).take(tat, 0, 1);
        assert_eq!(decision.retry_after, Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_no_quota_is_refused() {
        let quotas = [(0, SECOND), (1, 0), (11, 10), (1, 367 * 86_400 * SECOND)];
        for (burst, micros) in quotas {
            assert!(Rate::of(Quota { burst, per: Duration::from_micros(micros) }).is_err(), "{burst} in {micros} µs");
        }
        assert!(Rate::of(Quota { burst: u32::MAX, per: MAX_PER }).is_ok());
    }

    proptest! {
        /// In no span of time is more allowed than the burst and what flows in meanwhile.
        #[test]
        fn no_span_exceeds_the_quota(
            burst in 1u32..50,
            millis in 1u64..10_000,
            steps in prop::collection::vec((0u64..2_000_000, 0u32..60), 1..100),
        ) {
            let rate = Rate::of(Quota { burst, per: Duration::from_millis(millis) }).unwrap();
            let (mut now, mut tat, mut taken) = (0, None, Vec::new());
            for (pause, cost) in steps {
                now += pause;
                let (kept, decision) = rate.take(tat, now, cost);
                prop_assert!(decision.remaining <= burst);
                if decision.allowed {
                    taken.push((now, u64::from(cost)));
                    tat = kept.or(tat);
                } else if let Some(wait) = decision.retry_after {
                    let then = now + wait.as_micros() as u64;
                    prop_assert!(rate.take(tat, then, cost).1.allowed);
                    prop_assert!(!rate.take(tat, then - 1, cost).1.allowed);
                }
            }
            for (first, (since, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (until, cost) in &taken[first..] {
                    sum += cost;
                    prop_assert!(sum <= u64::from(burst) + (until - since) / rate.interval);
                }
            }
        }
    }
}
