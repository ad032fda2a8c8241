//! What every adapter of the rate limits must do. Redis keeps its own time, so buckets refill in real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pravis::adapters::cache::{FallbackLimits, Health, MemoryLimits};
use pravis::ports::PortErrorKind;
use pravis::ports::limits::{Quota, RateLimits};
use tokio::time::sleep;
use ulid::Ulid;

use crate::azure::redis::{cluster, no_redis, one_redis};

const HOUR: Duration = Duration::from_secs(3600);

macro_rules! limits_suite {
    ($adapter:ident, $open:expr) => {
        limits_suite!(
            $adapter,
            $open,
            a_burst_is_allowed_and_no_more,
            of_a_thousand_at_once_just_the_quota_is_allowed,
            what_flows_in_is_allowed_again,
            a_refusal_takes_nothing,
            costs_are_taken_whole_or_not_at_all,
            a_cost_of_nothing_only_looks,
            keys_do_not_share_a_bucket,
            a_changed_quota_holds_at_once,
            what_is_no_key_or_quota_is_refused,
        );
    };
    ($adapter:ident, $open:expr, $($case:ident),+ $(,)?) => {
        mod $adapter {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    let limits: Arc<dyn RateLimits> = $open.await;
                    super::$case(limits).await;
                }
            )+
        }
    };
}

limits_suite!(memory, async { Arc::new(MemoryLimits::new(16 << 20)) });
limits_suite!(redis, async { Arc::new(one_redis().await.limits()) });
limits_suite!(redis_cluster, async { Arc::new(cluster().await.limits()) });
limits_suite!(fallback, async { fallback(Arc::new(one_redis().await.limits())) });
limits_suite!(fallback_alone, async { fallback(Arc::new(no_redis().limits())) });

fn fallback(shared: Arc<dyn RateLimits>) -> Arc<dyn RateLimits> {
    Arc::new(FallbackLimits::new(shared, Arc::new(MemoryLimits::new(16 << 20)), Arc::new(Health::new("redis"))))
}

fn key(name: &str) -> String {
    format!("conformance:{name}:{}", Ulid::generate())
}

fn hourly(burst: u32) -> Quota {
    Quota { burst, per: HOUR }
}

async fn a_burst_is_allowed_and_no_more(limits: Arc<dyn RateLimits>) {
    let key = key("burst");
    for left in (0..5).rev() {
        let decision = limits.take(&key, hourly(5), 1).await.unwrap();
        assert_eq!((decision.allowed, decision.remaining, decision.retry_after), (true, left, None));
    }
    let refused = limits.take(&key, hourly(5), 1).await.unwrap();
    assert_eq!((refused.allowed, refused.remaining), (false, 0));
    let (wait, reset) = (refused.retry_after.unwrap(), refused.reset_after);
    assert!(wait <= HOUR / 5 && wait > HOUR / 5 - Duration::from_secs(60), "{wait:?}");
    assert!(reset <= HOUR && reset > HOUR - Duration::from_secs(60), "{reset:?}");
}

async fn of_a_thousand_at_once_just_the_quota_is_allowed(limits: Arc<dyn RateLimits>) {
    let key = key("stampede");
    let takes = (0..1000).map(|_| {
        let (limits, key) = (limits.clone(), key.clone());
        tokio::spawn(async move { limits.take(&key, hourly(100), 1).await.unwrap() })
    });
    let decisions = join_all(takes).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    let mut remaining: Vec<u32> = decisions.iter().filter(|d| d.allowed).map(|d| d.remaining).collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..100).collect::<Vec<_>>());
}

async fn what_flows_in_is_allowed_again(limits: Arc<dyn RateLimits>) {
    let (key, quota) = (key("refill"), Quota { burst: 2, per: Duration::from_millis(600) });
    let began = Instant::now();
    let mut allowed = 0;
    while began.elapsed() < Duration::from_millis(1500) {
        let decision = limits.take(&key, quota, 1).await.unwrap();
        allowed += u32::from(decision.allowed);
        sleep(decision.retry_after.unwrap_or_default()).await;
    }
    // The burst, and one for each 300 ms, however long the last of them took.
    let most = 2 + u32::try_from(began.elapsed().as_millis() / 300).unwrap();
    assert!((5..=most).contains(&allowed), "{allowed} of {most}");
}

async fn a_refusal_takes_nothing(limits: Arc<dyn RateLimits>) {
    let (key, quota) = (key("refusals"), Quota { burst: 1, per: Duration::from_millis(400) });
    assert!(limits.take(&key, quota, 1).await.unwrap().allowed);
    let taken = Instant::now();
    // Asked all the time, as by a client that does not wait.
    while !limits.take(&key, quota, 1).await.unwrap().allowed {
        assert!(taken.elapsed() < Duration::from_secs(10), "refusals keep the bucket empty");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(taken.elapsed() >= Duration::from_millis(390));
}

async fn costs_are_taken_whole_or_not_at_all(limits: Arc<dyn RateLimits>) {
    let key = key("costs");
    assert_eq!(limits.take(&key, hourly(10), 7).await.unwrap().remaining, 3);
    let refused = limits.take(&key, hourly(10), 4).await.unwrap();
    assert_eq!((refused.allowed, refused.remaining), (false, 3));
    assert!(refused.retry_after.is_some());
    let impossible = limits.take(&key, hourly(10), u32::MAX).await.unwrap();
    assert_eq!((impossible.allowed, impossible.remaining, impossible.retry_after), (false, 3, None));
    assert!(limits.take(&key, hourly(10), 3).await.unwrap().allowed);
}

async fn a_cost_of_nothing_only_looks(limits: Arc<dyn RateLimits>) {
    let key = key("look");
    for _ in 0..3 {
        let decision = limits.take(&key, hourly(1), 0).await.unwrap();
        assert_eq!((decision.allowed, decision.remaining, decision.reset_after), (true, 1, Duration::ZERO));
    }
}

async fn keys_do_not_share_a_bucket(limits: Arc<dyn RateLimits>) {
    let run = key("hostile");
    let names = ["", " ", "\r\nFLUSHALL\r\n", "{a}b", "{a}c", "*", "\0", "ä", "a\u{308}", "')", "KEYS[1]", "]]--"];
    for name in names {
        let key = format!("{run}{name}");
        assert!(limits.take(&key, hourly(1), 1).await.unwrap().allowed, "{name:?}");
        assert!(!limits.take(&key, hourly(1), 1).await.unwrap().allowed, "{name:?}");
    }
    let longest = format!("{run}{}", "k".repeat(512 - run.len()));
    assert!(limits.take(&longest, hourly(1), 1).await.unwrap().allowed);
}

async fn a_changed_quota_holds_at_once(limits: Arc<dyn RateLimits>) {
    let key = key("changed");
    assert!(limits.take(&key, hourly(1), 1).await.unwrap().allowed);
    let refused = limits.take(&key, Quota { burst: 1, per: Duration::from_secs(10) }, 1).await.unwrap();
    assert!(refused.retry_after.unwrap() <= Duration::from_secs(10), "{refused:?}");
}

async fn what_is_no_key_or_quota_is_refused(limits: Arc<dyn RateLimits>) {
    let (fine, too_long) = (key("fine"), "k".repeat(513));
    let calls = [
        (&too_long, hourly(1)),
        (&fine, hourly(0)),
        (&fine, Quota { burst: 1, per: Duration::ZERO }),
        (&fine, Quota { burst: 1, per: Duration::MAX }),
    ];
    for (key, quota) in calls {
        assert_eq!(limits.take(key, quota, 1).await.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn full_memory_limits_forget_the_bucket_that_was_not_used_for_longest() {
    let limits = MemoryLimits::new(1 << 16);
    assert!(limits.take("forgotten", hourly(1), 1).await.unwrap().allowed);
    // Nothing comes back while this runs.
    let slow = Quota { burst: 10_000, per: Duration::from_secs(30 * 86_400) };
    for number in 0..5000 {
        assert!(limits.take(&format!("attacker {number}"), hourly(1), 1).await.unwrap().allowed);
        let kept = limits.take("in use", slow, 1).await.unwrap();
        assert_eq!(kept.remaining, 9999 - number, "a bucket in use was evicted");
    }
    // What was evicted begins anew, and what is in use does not.
    assert!(limits.take("forgotten", hourly(1), 1).await.unwrap().allowed);
}
