//! What every adapter of the cache port must do.
//!
//! Redis keeps its own time, so lifetimes are short and real: what must be there has a long one, and
//! what must go is waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use pravis::adapters::cache::{FallbackCache, Health, MemoryCache, MemoryInvalidations};
use pravis::ports::PortErrorKind;
use pravis::ports::cache::{Cache, Heard, Invalidations, Lease, LookUp};
use tokio::time::{sleep, timeout};
use ulid::Ulid;

use crate::azure::redis::{cluster, no_redis, one_redis};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

macro_rules! cases {
    ($adapter:ident, $port:ty, $open:expr, $($case:ident),+ $(,)?) => {
        mod $adapter {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    let adapter: Arc<$port> = $open.await;
                    super::$case(adapter).await;
                }
            )+
        }
    };
}

macro_rules! cache_suite {
    ($adapter:ident, $open:expr) => {
        cases!(
            $adapter,
            dyn Cache,
            $open,
            a_value_is_kept_and_replaced,
            values_are_any_bytes,
            a_value_ends_with_its_lifetime,
            a_new_value_has_a_new_lifetime,
            a_deleted_value_is_gone,
            only_the_first_of_many_claims_wins,
            an_expired_claim_is_free,
            a_claim_leaves_what_is_there,
            counters_are_exact_among_tasks,
            later_increments_do_not_prolong_a_counter,
            a_deleted_counter_begins_anew,
            a_counter_stays_at_its_end,
            what_is_not_a_counter_cannot_be_incremented,
            long_keys_and_empty_lifetimes_are_refused,
            values_that_are_too_large_are_refused,
            keys_of_any_text_are_each_their_own,
            who_finds_nothing_may_fill_it,
            one_of_many_gets_the_lease,
            a_lease_ends_when_its_key_is_deleted,
            a_lease_ends_with_its_time,
            what_was_filled_ends_with_its_lifetime,
            filling_refuses_what_setting_does,
        );
    };
}

macro_rules! invalidations_suite {
    ($adapter:ident, $open:expr) => {
        cases!(
            $adapter,
            dyn Invalidations,
            $open,
            every_subscriber_hears_every_message,
            a_subscriber_hears_nothing_from_before,
            publishing_to_nobody_is_no_error,
            a_lagging_subscriber_hears_a_gap_and_goes_on,
            messages_that_are_too_large_are_refused,
        );
    };
}

cache_suite!(memory_cache, async { Arc::new(MemoryCache::new(16 << 20)) as Arc<dyn Cache> });
cache_suite!(redis_cache, async { Arc::new(one_redis().await.cache()) as Arc<dyn Cache> });
cache_suite!(redis_cluster_cache, async { Arc::new(cluster().await.cache()) as Arc<dyn Cache> });
cache_suite!(fallback_cache, async { fallback(Arc::new(one_redis().await.cache())) });
cache_suite!(fallback_cache_alone, async { fallback(Arc::new(no_redis().cache())) });
invalidations_suite!(memory_invalidations, async { Arc::new(MemoryInvalidations::new()) as Arc<dyn Invalidations> });
// A server of their own each: a channel has no name that a test could make its own.
invalidations_suite!(redis_invalidations, async { crate::azure::redis::own_invalidations().await });

fn fallback(shared: Arc<dyn Cache>) -> Arc<dyn Cache> {
    Arc::new(FallbackCache::new(shared, Arc::new(MemoryCache::new(16 << 20)), Arc::new(Health::new("redis"))))
}

/// A key that no other run uses: the store may be shared.
fn key(name: &str) -> String {
    format!("conformance:{name}:{}", Ulid::generate())
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn wait_until_gone(cache: &dyn Cache, key: &str) {
    let since = Instant::now();
    while cache.get(key).await.unwrap().is_some() {
        assert!(since.elapsed() < PATIENCE, "{key} outlives its lifetime");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn a_value_is_kept_and_replaced(cache: Arc<dyn Cache>) {
    let key = key("value");
    assert_eq!(cache.get(&key).await.unwrap(), None);
    cache.set(&key, bytes("old"), LONG).await.unwrap();
    assert_eq!(cache.get(&key).await.unwrap(), Some(bytes("old")));
    cache.set(&key, bytes("new"), LONG).await.unwrap();
    assert_eq!(cache.get(&key).await.unwrap(), Some(bytes("new")));
}

async fn values_are_any_bytes(cache: Arc<dyn Cache>) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [Bytes::new(), Bytes::from(every_byte), Bytes::from(vec![0; 1 << 20])] {
        let key = key("लाल साड़ी\n");
        cache.set(&key, value.clone(), LONG).await.unwrap();
        assert_eq!(cache.get(&key).await.unwrap(), Some(value));
    }
}

async fn a_value_ends_with_its_lifetime(cache: Arc<dyn Cache>) {
    let key = key("short");
    let began = Instant::now();
    cache.set(&key, bytes("here"), SHORT).await.unwrap();
    wait_until_gone(&*cache, &key).await;
    assert!(began.elapsed() >= SHORT, "gone before its time with nothing else in the cache");
}

async fn a_new_value_has_a_new_lifetime(cache: Arc<dyn Cache>) {
    let (prolonged, shortened) = (key("prolonged"), key("shortened"));
    cache.set(&prolonged, bytes("old"), SHORT).await.unwrap();
    cache.set(&prolonged, bytes("new"), LONG).await.unwrap();
    cache.set(&shortened, bytes("old"), LONG).await.unwrap();
    cache.set(&shortened, bytes("new"), SHORT).await.unwrap();
    wait_until_gone(&*cache, &shortened).await;
    sleep(SHORT).await;
    assert_eq!(cache.get(&prolonged).await.unwrap(), Some(bytes("new")));
}

async fn a_deleted_value_is_gone(cache: Arc<dyn Cache>) {
    let key = key("deleted");
    cache.delete(&key).await.unwrap();
    cache.set(&key, bytes("here"), LONG).await.unwrap();
    cache.delete(&key).await.unwrap();
    assert_eq!(cache.get(&key).await.unwrap(), None);
}

async fn only_the_first_of_many_claims_wins(cache: Arc<dyn Cache>) {
    let key = key("claim");
    let claims = (0..32).map(|claimant: u8| {
        let (cache, key) = (Arc::clone(&cache), key.clone());
        tokio::spawn(async move { cache.set_if_absent(&key, Bytes::from(vec![claimant]), LONG).await.unwrap() })
    });
    let won: Vec<bool> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = won.iter().position(|won| *won).unwrap() as u8;
    assert_eq!(cache.get(&key).await.unwrap(), Some(Bytes::from(vec![winner])));
}

async fn an_expired_claim_is_free(cache: Arc<dyn Cache>) {
    let key = key("expired claim");
    assert!(cache.set_if_absent(&key, bytes("first"), SHORT).await.unwrap());
    // Nothing but the claim itself is called, so nothing else can have swept the expired one out.
    sleep(SHORT * 2).await;
    assert!(cache.set_if_absent(&key, bytes("second"), LONG).await.unwrap());
    assert_eq!(cache.get(&key).await.unwrap(), Some(bytes("second")));
}

async fn a_claim_leaves_what_is_there(cache: Arc<dyn Cache>) {
    let lasting = key("lasting");
    cache.set(&lasting, bytes("first"), LONG).await.unwrap();
    assert!(!cache.set_if_absent(&lasting, bytes("second"), SHORT).await.unwrap());
    sleep(SHORT * 2).await;
    assert_eq!(cache.get(&lasting).await.unwrap(), Some(bytes("first")), "a refused claim cut the lifetime");
}

async fn counters_are_exact_among_tasks(cache: Arc<dyn Cache>) {
    let key = key("counter");
    let increments = (0..100).map(|_| {
        let (cache, key) = (Arc::clone(&cache), key.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..20 {
                seen.push(cache.increment(&key, 3, LONG).await.unwrap());
            }
            seen
        })
    });
    let mut seen: Vec<u64> = join_all(increments).await.into_iter().flat_map(Result::unwrap).collect();
    seen.sort_unstable();
    let expected: Vec<u64> = (1..=2000).map(|step| step * 3).collect();
    assert_eq!(seen, expected);
}

async fn later_increments_do_not_prolong_a_counter(cache: Arc<dyn Cache>) {
    let key = key("window");
    assert_eq!(cache.increment(&key, 1, SHORT * 4).await.unwrap(), 1);
    let since = Instant::now();
    sleep(SHORT).await;
    while cache.increment(&key, 1, LONG).await.unwrap() != 1 {
        assert!(since.elapsed() < PATIENCE, "the counter never ended");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(since.elapsed() >= SHORT * 3, "the counter ended early");
}

async fn a_deleted_counter_begins_anew(cache: Arc<dyn Cache>) {
    let key = key("counter");
    assert_eq!(cache.increment(&key, 41, LONG).await.unwrap(), 41);
    cache.delete(&key).await.unwrap();
    assert_eq!(cache.increment(&key, 1, LONG).await.unwrap(), 1);
}

async fn a_counter_stays_at_its_end(cache: Arc<dyn Cache>) {
    let key = key("large counter");
    let end = i64::MAX as u64;
    assert_eq!(cache.increment(&key, end - 2, LONG).await.unwrap(), end - 2);
    assert_eq!(cache.increment(&key, 1, LONG).await.unwrap(), end - 1, "counts are exact to the end");
    for by in [1, 1, u64::MAX] {
        assert_eq!(cache.increment(&key, by, LONG).await.unwrap(), end);
    }
    assert_eq!(cache.increment(&format!("{key} at once"), u64::MAX, LONG).await.unwrap(), end);
}

async fn what_is_not_a_counter_cannot_be_incremented(cache: Arc<dyn Cache>) {
    let key = key("name");
    cache.set(&key, bytes("Pravi"), LONG).await.unwrap();
    let error = cache.increment(&key, 1, LONG).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::InvalidRequest);
    assert_eq!(cache.get(&key).await.unwrap(), Some(bytes("Pravi")));
}

async fn values_that_are_too_large_are_refused(cache: Arc<dyn Cache>) {
    let key = key("large");
    let largest = Bytes::from(vec![1; 4 << 20]);
    cache.set(&key, largest.clone(), LONG).await.unwrap();
    assert_eq!(cache.get(&key).await.unwrap(), Some(largest));
    let too_large = Bytes::from(vec![1; (4 << 20) + 1]);
    let refusals =
        [cache.set(&key, too_large.clone(), LONG).await, cache.set_if_absent(&key, too_large, LONG).await.map(drop)];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::TooLarge);
    }
    cache.delete(&key).await.unwrap();
}

async fn keys_of_any_text_are_each_their_own(cache: Arc<dyn Cache>) {
    let run = key("text");
    let names = ["", " ", "a\r\nDEL b", "{a}b", "{a}c", "{}", "*", "\0", "ä", "a\u{308}", "\u{1F6CD}", "$1", "KEYS[1]"];
    for name in names {
        cache.set(&format!("{run}{name}"), bytes(name), LONG).await.unwrap();
        assert_eq!(cache.increment(&format!("{run}{name}:count"), 1, LONG).await.unwrap(), 1);
    }
    for name in names {
        assert_eq!(cache.get(&format!("{run}{name}")).await.unwrap(), Some(bytes(name)), "{name:?}");
    }
}

async fn long_keys_and_empty_lifetimes_are_refused(cache: Arc<dyn Cache>) {
    let (longest, too_long) = ("k".repeat(512), "k".repeat(513));
    cache.set(&longest, bytes("here"), SHORT).await.unwrap();
    let refusals = [
        cache.get(&too_long).await.map(drop),
        cache.set(&too_long, bytes("here"), LONG).await,
        cache.set_if_absent(&too_long, bytes("here"), LONG).await.map(drop),
        cache.increment(&too_long, 1, LONG).await.map(drop),
        cache.delete(&too_long).await,
        cache.set(&longest, bytes("here"), Duration::ZERO).await,
        cache.increment(&longest, 1, Duration::ZERO).await.map(drop),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }
}

async fn leased(cache: &dyn Cache, key: &str) -> Lease {
    match cache.look_up(key, LONG).await.unwrap() {
        LookUp::Leased(lease) => lease,
        other => panic!("{key}: {other:?}"),
    }
}

async fn who_finds_nothing_may_fill_it(cache: Arc<dyn Cache>) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [Bytes::new(), Bytes::from(every_byte), Bytes::from(vec![0; 1 << 20])] {
        let key = key("filled");
        let lease = leased(&*cache, &key).await;
        assert_eq!(cache.look_up(&key, LONG).await.unwrap(), LookUp::Awaited);
        assert!(cache.fill(&key, &lease, value.clone(), LONG).await.unwrap());
        assert_eq!(cache.look_up(&key, LONG).await.unwrap(), LookUp::Found(value));
        assert!(!cache.fill(&key, &lease, bytes("again"), LONG).await.unwrap(), "a lease serves once");
        assert!(!cache.fill(&key, &Lease::new(), bytes("other"), LONG).await.unwrap());
    }
}

async fn one_of_many_gets_the_lease(cache: Arc<dyn Cache>) {
    let key = key("leased");
    let asking = (0..32).map(|_| {
        let (cache, key) = (Arc::clone(&cache), key.clone());
        tokio::spawn(async move { cache.look_up(&key, LONG).await.unwrap() })
    });
    let answers: Vec<LookUp> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
    let leases = answers.iter().filter(|answer| matches!(answer, LookUp::Leased(_))).count();
    assert_eq!((leases, answers.iter().filter(|answer| **answer == LookUp::Awaited).count()), (1, 31));
}

async fn a_lease_ends_when_its_key_is_deleted(cache: Arc<dyn Cache>) {
    let key = key("changed");
    let late = leased(&*cache, &key).await;
    cache.delete(&key).await.unwrap();
    assert!(!cache.fill(&key, &late, bytes("old"), LONG).await.unwrap(), "read before the change, kept after it");
    let lease = leased(&*cache, &key).await;
    assert!(!cache.fill(&key, &late, bytes("old"), LONG).await.unwrap());
    assert!(cache.fill(&key, &lease, bytes("new"), LONG).await.unwrap());
    assert!(!cache.fill(&key, &late, bytes("old"), LONG).await.unwrap());
    assert_eq!(cache.look_up(&key, LONG).await.unwrap(), LookUp::Found(bytes("new")));
    cache.delete(&key).await.unwrap();
    leased(&*cache, &key).await;
}

async fn a_lease_ends_with_its_time(cache: Arc<dyn Cache>) {
    let key = key("expired lease");
    let LookUp::Leased(slow) = cache.look_up(&key, SHORT).await.unwrap() else { panic!("taken") };
    let since = Instant::now();
    let next = loop {
        match cache.look_up(&key, LONG).await.unwrap() {
            LookUp::Leased(lease) => break lease,
            other => assert_eq!(other, LookUp::Awaited),
        }
        assert!(since.elapsed() < PATIENCE, "the lease never ended");
        sleep(Duration::from_millis(5)).await;
    };
    assert!(!cache.fill(&key, &slow, bytes("slow"), LONG).await.unwrap());
    assert!(cache.fill(&key, &next, bytes("next"), LONG).await.unwrap());
}

async fn what_was_filled_ends_with_its_lifetime(cache: Arc<dyn Cache>) {
    let key = key("short fill");
    let lease = leased(&*cache, &key).await;
    assert!(cache.fill(&key, &lease, bytes("here"), SHORT).await.unwrap());
    let since = Instant::now();
    while let LookUp::Found(_) = cache.look_up(&key, LONG).await.unwrap() {
        assert!(since.elapsed() < PATIENCE, "it outlives its lifetime");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn filling_refuses_what_setting_does(cache: Arc<dyn Cache>) {
    let (key, too_long) = (key("refused"), "k".repeat(513));
    let lease = leased(&*cache, &key).await;
    let refusals = [
        cache.look_up(&too_long, LONG).await.map(drop),
        cache.look_up(&key, Duration::ZERO).await.map(drop),
        cache.fill(&too_long, &lease, bytes("here"), LONG).await.map(drop),
        cache.fill(&key, &lease, bytes("here"), Duration::ZERO).await.map(drop),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }
    let too_large = cache.fill(&key, &lease, Bytes::from(vec![1; (4 << 20) + 1]), LONG).await;
    assert_eq!(too_large.unwrap_err().kind(), PortErrorKind::TooLarge);
    cache.set(&format!("{key} other"), bytes("x"), LONG).await.unwrap();
    let other = cache.look_up(&format!("{key} other"), LONG).await;
    assert_eq!(other.unwrap_err().kind(), PortErrorKind::InvalidRequest);
}

fn message_of(text: &'static str) -> Heard {
    Heard::Message(bytes(text))
}

async fn every_subscriber_hears_every_message(invalidations: Arc<dyn Invalidations>) {
    let mut first = invalidations.subscribe().await.unwrap();
    let mut second = invalidations.subscribe().await.unwrap();
    for message in ["one", "two", ""] {
        invalidations.publish(bytes(message)).await.unwrap();
    }
    for subscriber in [&mut first, &mut second] {
        for message in ["one", "two", ""] {
            assert_eq!(timeout(PATIENCE, subscriber.next()).await.unwrap(), Some(message_of(message)));
        }
    }
}

async fn a_subscriber_hears_nothing_from_before(invalidations: Arc<dyn Invalidations>) {
    invalidations.publish(bytes("before")).await.unwrap();
    let mut subscriber = invalidations.subscribe().await.unwrap();
    invalidations.publish(bytes("after")).await.unwrap();
    assert_eq!(timeout(PATIENCE, subscriber.next()).await.unwrap(), Some(message_of("after")));
}

async fn publishing_to_nobody_is_no_error(invalidations: Arc<dyn Invalidations>) {
    drop(invalidations.subscribe().await.unwrap());
    invalidations.publish(bytes("hello?")).await.unwrap();
}

async fn a_lagging_subscriber_hears_a_gap_and_goes_on(invalidations: Arc<dyn Invalidations>) {
    let mut lagging = invalidations.subscribe().await.unwrap();
    let mut quick = invalidations.subscribe().await.unwrap();
    // Many more than are kept for a subscriber.
    let published = async {
        for _ in 0..3000 {
            invalidations.publish(bytes("changed")).await.unwrap();
        }
        invalidations.publish(bytes("last")).await.unwrap();
    };
    let heard = async { while timeout(PATIENCE, quick.next()).await.unwrap() != Some(message_of("last")) {} };
    tokio::join!(published, heard);
    assert_eq!(timeout(PATIENCE, lagging.next()).await.unwrap(), Some(Heard::Gap));
    let mut kept = 1;
    while timeout(PATIENCE, lagging.next()).await.unwrap() != Some(message_of("last")) {
        kept += 1;
    }
    assert!(kept <= 1024, "{kept} messages were kept for a subscriber that does not listen");
}

async fn messages_that_are_too_large_are_refused(invalidations: Arc<dyn Invalidations>) {
    let mut subscriber = invalidations.subscribe().await.unwrap();
    let largest = Bytes::from(vec![1; 8 << 10]);
    let error = invalidations.publish(Bytes::from(vec![1; (8 << 10) + 1])).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::TooLarge);
    invalidations.publish(largest.clone()).await.unwrap();
    assert_eq!(timeout(PATIENCE, subscriber.next()).await.unwrap(), Some(Heard::Message(largest)));
}

#[tokio::test]
async fn a_full_memory_cache_forgets_the_oldest_and_takes_the_new() {
    let cache = MemoryCache::new(1 << 20);
    for number in 0..1000 {
        cache.set(&format!("value {number}"), Bytes::from(vec![1; 16 << 10]), LONG).await.unwrap();
        assert_eq!(cache.increment("limit", 1, LONG).await.unwrap(), number + 1, "a counter in use was evicted");
    }
    let mut kept = 0;
    for number in 0..1000 {
        kept += usize::from(cache.get(&format!("value {number}")).await.unwrap().is_some());
    }
    assert!((1..=64).contains(&kept), "{kept} values of 16 KiB in a cache of 1 MiB");
}

#[tokio::test]
async fn a_memory_cache_full_of_popular_values_takes_new_claims() {
    let cache = MemoryCache::new(1 << 20);
    // With the bookkeeping of each these leave room for few claims.
    let popular: Vec<String> = (0..62).map(|number| format!("popular {number}")).collect();
    for key in &popular {
        cache.set(key, Bytes::from(vec![1; 16 << 10]), LONG).await.unwrap();
    }
    for key in popular.iter().cycle().take(62 * 20) {
        assert!(cache.get(key).await.unwrap().is_some(), "{key} was evicted before the cache was full");
    }
    for number in 0..200 {
        assert!(cache.set_if_absent(&format!("claim {number}"), bytes("mine"), LONG).await.unwrap());
    }
    // Until the cache has looked at what it took in, which it does every 300 ms.
    sleep(Duration::from_millis(400)).await;
    cache.get("popular 0").await.unwrap();
    for number in 0..200 {
        let key = format!("claim {number}");
        assert!(!cache.set_if_absent(&key, bytes("yours"), LONG).await.unwrap(), "{key} was turned away");
    }
}
