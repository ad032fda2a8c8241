//! What the caches give, from where, and how often they read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use pravis::adapters::cache::{MemoryCache, MemoryInvalidations};
use pravis::caching::{
    CachePolicy, CacheStatus, Cached, Caches, Change, Levels, Message, News, Owner, PerCaller, Public, ScopeKind,
};
use pravis::error::{Code, Error, Result};
use pravis::ports::cache::{Cache, Heard, Invalidations};
use pravis::types::{TenantId, UserId};
use tokio::sync::Semaphore;

use super::{FRESH, NUMBER, NUMBERS, STALE, caches, of};
use crate::support::clock::ManualClock;

/// A private row of one level, which remembers what is not there and outlives failures.
static LETTERS: CachePolicy = CachePolicy {
    name: "letters",
    scope: ScopeKind::Caller,
    levels: Levels::Process,
    fresh: Duration::from_secs(10),
    jitter: 0,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::from_secs(60),
    negative: Duration::from_secs(2),
    invalidated_by: &[],
    share: 50,
};
static LETTER: Cached<PerCaller, String> = Cached::in_process(&LETTERS, String::len);

static PICTURES: CachePolicy = CachePolicy { name: "pictures", scope: ScopeKind::Public, share: 100, ..template() };
static PICTURE: Cached<Public, Vec<u8>> = Cached::in_process(&PICTURES, Vec::len);

pub(super) const fn template() -> CachePolicy {
    CachePolicy {
        name: "",
        scope: ScopeKind::Public,
        levels: Levels::Process,
        fresh: Duration::from_secs(60),
        jitter: 0,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        negative: Duration::ZERO,
        invalidated_by: &[],
        share: 100,
    }
}

pub(super) fn changed() -> [Change; 1] {
    [Change::catalogue(&TenantId::pravis())]
}

/// Where values come from.
#[derive(Default)]
pub(super) struct Source {
    pub reads: AtomicUsize,
    pub value: AtomicUsize,
    pub fails: AtomicBool,
}

impl Source {
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    pub fn set(&self, value: usize) {
        self.value.store(value, Ordering::SeqCst);
    }

    pub async fn number(self: Arc<Self>) -> Result<u64> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new(Code::Unavailable, "not now").with_retry_after(Duration::from_secs(7)));
        }
        Ok(self.value.load(Ordering::SeqCst) as u64)
    }
}

async fn number(caches: &Caches, source: &Arc<Source>) -> (u64, CacheStatus) {
    let source = source.clone();
    let (number, status) = caches.get_or_load(&NUMBER, &TenantId::pravis(), "", move || source.number()).await.unwrap();
    (*number, status)
}

pub(super) fn shared() -> Option<Arc<dyn Cache>> {
    Some(Arc::new(MemoryCache::new(1 << 20)))
}

pub(super) fn advance(clock: &ManualClock, by: Duration) {
    clock.advance(chrono::Duration::from_std(by).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_who_want_the_same_cause_one_read() {
    for shared in [None, shared()] {
        let (clock, source, open) =
            (Arc::new(ManualClock::new()), Arc::new(Source::default()), Arc::new(Semaphore::new(0)));
        let caches = caches(&[&NUMBERS], shared, &clock);
        source.set(7);
        let asking: Vec<_> = (0..1000)
            .map(|_| {
                let (caches, source, open) = (caches.clone(), source.clone(), open.clone());
                tokio::spawn(async move {
                    let load = move || async move {
                        let _ = open.acquire().await;
                        source.number().await
                    };
                    *caches.get_or_load(&NUMBER, &TenantId::pravis(), "", load).await.unwrap().0
                })
            })
            .collect();
        tokio::task::yield_now().await;
        open.add_permits(1);
        assert!(join_all(asking).await.into_iter().all(|number| number.unwrap() == 7));
        assert_eq!(source.reads(), 1);
    }
}

#[tokio::test]
async fn a_hit_is_the_value_itself() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], None, &clock);
    let get = || async {
        let source = source.clone();
        caches.get_or_load(&NUMBER, &TenantId::pravis(), "", move || source.number()).await.unwrap()
    };
    let (first, missed) = get().await;
    let (second, hit) = get().await;
    assert_eq!((missed, hit), (CacheStatus::Miss, CacheStatus::Hit));
    assert!(Arc::ptr_eq(&first, &second), "a hit copies nothing");
}

#[tokio::test]
async fn a_value_ages_from_hit_to_stale_to_miss() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], None, &clock);
    assert_eq!(number(&caches, &source).await, (0, CacheStatus::Miss));
    source.set(1);
    // Jitter takes at most a fifth of the time.
    advance(&clock, FRESH * 4 / 5 - Duration::from_millis(1));
    assert_eq!(number(&caches, &source).await, (0, CacheStatus::Hit));
    advance(&clock, FRESH / 5 + Duration::from_millis(1));
    assert_eq!(number(&caches, &source).await, (0, CacheStatus::Stale));
    let refreshed = async {
        while number(&caches, &source).await != (1, CacheStatus::Hit) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refreshed).await.expect("it is read anew beside the request");
    assert_eq!(source.reads(), 2);
    source.set(2);
    advance(&clock, FRESH + STALE);
    assert_eq!(number(&caches, &source).await, (2, CacheStatus::Miss));
}

#[tokio::test]
async fn a_clock_that_is_put_back_keeps_nothing_longer() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], shared(), &clock);
    number(&caches, &source).await;
    clock.advance(chrono::Duration::hours(-1));
    assert_eq!(number(&caches, &source).await.1, CacheStatus::Miss);
}

#[tokio::test]
async fn a_change_ends_a_value_and_what_is_read_right_after_it_is_soon_read_again() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], shared(), &clock);
    number(&caches, &source).await;
    source.set(1);
    assert_eq!(number(&caches, &source).await, (0, CacheStatus::Hit));
    caches.changed(&changed()).await.unwrap();
    assert_eq!(number(&caches, &source).await, (1, CacheStatus::Miss));
    assert_eq!(number(&caches, &source).await, (1, CacheStatus::Hit));
    // It may have come from a replica that lagged behind.
    advance(&clock, Duration::from_secs(1));
    assert_eq!(number(&caches, &source).await, (1, CacheStatus::Miss));
    advance(&clock, Duration::from_secs(5));
    assert_eq!(number(&caches, &source).await, (1, CacheStatus::Hit));
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    for shared in [None, shared()] {
        let caches = caches(&[&NUMBERS], shared, &clock);
        let (reading, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let slow = {
            let (caches, reading, go_on) = (caches.clone(), reading.clone(), go_on.clone());
            let load = move || async move {
                reading.add_permits(1);
                let _ = go_on.acquire().await;
                Ok(0)
            };
            tokio::spawn(async move { *caches.get_or_load(&NUMBER, &TenantId::pravis(), "", load).await.unwrap().0 })
        };
        reading.acquire().await.unwrap().forget();
        source.set(1);
        caches.changed(&changed()).await.unwrap();
        let after = number(&caches, &source).await;
        assert_eq!(after, (1, CacheStatus::Miss), "who asks after the change does not wait for the read before it");
        go_on.add_permits(1);
        assert_eq!(slow.await.unwrap(), 0);
        assert_eq!(number(&caches, &source).await, (1, CacheStatus::Hit));
    }
}

#[tokio::test]
async fn processes_share_what_one_has_read() {
    let (clock, source, shared) = (Arc::new(ManualClock::new()), Arc::new(Source::default()), shared());
    let [one, other] = [(); 2].map(|()| caches(&[&NUMBERS], shared.clone(), &clock));
    source.set(5);
    assert_eq!(number(&one, &source).await, (5, CacheStatus::Miss));
    assert_eq!(number(&other, &source).await, (5, CacheStatus::Hit));
    assert_eq!(source.reads(), 1);
    // The second copy is not younger than the first.
    source.set(6);
    advance(&clock, FRESH);
    assert_eq!(number(&other, &source).await.0, 6);
    // A change that one tells ends the other's copy when it hears of it.
    source.set(7);
    one.changed(&changed()).await.unwrap();
    for news in News::of_changes(&changed()) {
        other.heard(&news);
    }
    assert_eq!(number(&other, &source).await.0, 7);
    assert_eq!(number(&one, &source).await.0, 7);
}

#[tokio::test]
async fn what_cannot_be_trusted_any_more_is_read_again() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], None, &clock);
    number(&caches, &source).await;
    source.set(1);
    caches.doubt();
    assert_eq!(number(&caches, &source).await, (1, CacheStatus::Miss));
}

#[tokio::test]
async fn clearing_forgets_both_levels_in_all_processes() {
    let (clock, source, shared) = (Arc::new(ManualClock::new()), Arc::new(Source::default()), shared());
    let news = Arc::new(MemoryInvalidations::new());
    let mut heard = news.subscribe().await.unwrap();
    let one = of(&[&NUMBERS], shared.clone(), news.clone(), &clock);
    let other = of(&[&NUMBERS], shared, news, &clock);
    number(&one, &source).await;
    number(&other, &source).await;
    source.set(1);
    assert!(one.clear("numbers").await.unwrap());
    assert!(!one.clear("weather").await.unwrap());
    let Some(Heard::Message(message)) = futures_util::StreamExt::next(&mut heard).await else { panic!("no news") };
    let Message::News(cleared) = News::read(&message) else { panic!("{message:?}") };
    other.heard(&cleared);
    assert_eq!(number(&one, &source).await, (1, CacheStatus::Miss));
    assert_eq!(number(&other, &source).await, (1, CacheStatus::Hit), "from the shared cache, filled anew");
}

#[tokio::test]
async fn while_no_news_are_heard_values_live_shortly() {
    struct Deaf;
    #[async_trait::async_trait]
    impl Invalidations for Deaf {
        async fn publish(&self, _: bytes::Bytes) -> pravis::ports::PortResult<()> {
            Err(pravis::ports::PortError::unavailable("nobody hears"))
        }
        async fn subscribe(&self) -> pravis::ports::PortResult<futures_util::stream::BoxStream<'static, Heard>> {
            Err(pravis::ports::PortError::unavailable("nobody speaks"))
        }
        fn is_hearing(&self) -> bool {
            false
        }
    }
    static LONG: CachePolicy = CachePolicy { name: "long", fresh: Duration::from_secs(3600), jitter: 0, ..numbers() };
    static CACHED: Cached<pravis::caching::PerTenant, u64> = Cached::shared_as_json(&LONG, |_| 8);
    const fn numbers() -> CachePolicy {
        CachePolicy {
            scope: ScopeKind::Tenant,
            levels: Levels::ProcessAndShared,
            invalidated_by: &[pravis::caching::ChangeKind::Catalogue],
            ..template()
        }
    }
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = of(&[&LONG], None, Arc::new(Deaf), &clock);
    let status = || async {
        let source = source.clone();
        caches.get_or_load(&CACHED, &TenantId::pravis(), "", move || source.number()).await.unwrap().1
    };
    assert_eq!(status().await, CacheStatus::Miss);
    advance(&clock, Duration::from_secs(9));
    assert_eq!(status().await, CacheStatus::Hit);
    advance(&clock, Duration::from_secs(1));
    assert_eq!(status().await, CacheStatus::Miss);
    caches.changed(&changed()).await.unwrap_err();
    assert_eq!(status().await, CacheStatus::Miss, "this process knows all the same");
}

#[tokio::test]
async fn a_failed_read_is_told_to_all_and_kept_by_nobody() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], shared(), &clock);
    source.fails.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let source = source.clone();
        let failed = caches.get_or_load(&NUMBER, &TenantId::pravis(), "", move || source.number()).await.unwrap_err();
        assert_eq!((failed.code(), failed.detail()), (Code::Unavailable, "not now"));
        assert_eq!(failed.retry_after(), Some(Duration::from_secs(7)));
    }
    assert_eq!(source.reads(), 2);
    source.fails.store(false, Ordering::SeqCst);
    assert_eq!(number(&caches, &source).await.1, CacheStatus::Miss);
    assert_eq!(number(&caches, &source).await.1, CacheStatus::Hit);
}

#[tokio::test]
async fn a_read_that_panics_is_an_error_and_the_next_one_is_not() {
    let clock = Arc::new(ManualClock::new());
    let caches = caches(&[&NUMBERS], shared(), &clock);
    let load = || async { if std::hint::black_box(true) { panic!("in a load") } else { Ok(1) } };
    let failed = caches.get_or_load(&NUMBER, &TenantId::pravis(), "", load).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal);
    let source = Arc::new(Source::default());
    assert_eq!(number(&caches, &source).await.0, 0);
}

#[tokio::test]
async fn a_read_goes_on_when_who_began_it_has_left() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&NUMBERS], None, &clock);
    let (reading, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let impatient = {
        let (caches, reading, go_on) = (caches.clone(), reading.clone(), go_on.clone());
        let load = move || async move {
            reading.add_permits(1);
            let _ = go_on.acquire().await;
            Ok(9)
        };
        tokio::spawn(async move { caches.get_or_load(&NUMBER, &TenantId::pravis(), "", load).await.map(drop) })
    };
    reading.acquire().await.unwrap().forget();
    impatient.abort();
    impatient.await.unwrap_err();
    let patient = {
        let (caches, source) = (caches.clone(), source.clone());
        tokio::spawn(async move { number(&caches, &source).await })
    };
    go_on.add_permits(1);
    assert_eq!(patient.await.unwrap().0, 9);
    assert_eq!(source.reads(), 0);
}

/// A letter of `user`, or nothing.
async fn letter(caches: &Caches, user: &UserId, text: Option<&'static str>) -> Result<(Option<String>, CacheStatus)> {
    let tenant = TenantId::pravis();
    let owner = Owner { tenant: &tenant, user };
    let load = move || async move { Ok(text.map(str::to_owned)) };
    let (found, status) = caches.find_or_load(&LETTER, owner, "first", load).await?;
    Ok((found.map(|text| text.to_string()), status))
}

#[tokio::test]
async fn what_is_private_is_each_owners_own() {
    let caches = caches(&[&LETTERS], None, &Arc::new(ManualClock::new()));
    let [lakshmi, sita] = [UserId::generate(), UserId::generate()];
    letter(&caches, &lakshmi, Some("to Lakshmi")).await.unwrap();
    assert_eq!(letter(&caches, &sita, Some("to Sita")).await.unwrap(), (Some("to Sita".into()), CacheStatus::Miss));
    let again = letter(&caches, &lakshmi, None).await.unwrap();
    assert_eq!(again, (Some("to Lakshmi".into()), CacheStatus::Hit));
    // The same user in another boutique is somebody else.
    let elsewhere: TenantId = "elsewhere".parse().unwrap();
    let owner = Owner { tenant: &elsewhere, user: &lakshmi };
    let (found, status) = caches.find_or_load(&LETTER, owner, "first", || async { Ok(None) }).await.unwrap();
    assert_eq!((found, status), (None, CacheStatus::Miss));
}

#[tokio::test]
async fn what_is_not_there_is_remembered_for_its_own_time_and_not_by_who_can_make_it() {
    let clock = Arc::new(ManualClock::new());
    let caches = caches(&[&LETTERS], None, &clock);
    let [user, other] = [UserId::generate(), UserId::generate()];
    assert_eq!(letter(&caches, &user, None).await.unwrap(), (None, CacheStatus::Miss));
    assert_eq!(letter(&caches, &user, Some("new")).await.unwrap(), (None, CacheStatus::Hit));
    advance(&clock, Duration::from_secs(2));
    assert_eq!(letter(&caches, &user, Some("new")).await.unwrap(), (Some("new".into()), CacheStatus::Miss));
    assert_eq!(letter(&caches, &other, None).await.unwrap(), (None, CacheStatus::Miss));
    let tenant = TenantId::pravis();
    let owner = Owner { tenant: &tenant, user: &other };
    let (made, status) = caches.get_or_load(&LETTER, owner, "first", || async { Ok("made".to_owned()) }).await.unwrap();
    assert_eq!((made.as_str(), status), ("made", CacheStatus::Miss));
    assert_eq!(letter(&caches, &other, None).await.unwrap(), (Some("made".into()), CacheStatus::Hit));
}

#[tokio::test]
async fn what_cannot_be_read_is_shown_as_it_was_for_the_declared_time() {
    let clock = Arc::new(ManualClock::new());
    let caches = caches(&[&LETTERS], None, &clock);
    let (tenant, user) = (TenantId::pravis(), UserId::generate());
    let owner = Owner { tenant: &tenant, user: &user };
    letter(&caches, &user, Some("old")).await.unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let failing = || async {
        let reads = reads.clone();
        let load = move || async move {
            reads.fetch_add(1, Ordering::SeqCst);
            Err::<Option<String>, _>(Error::new(Code::Unavailable, "away"))
        };
        caches
            .find_or_load(&LETTER, owner, "first", load)
            .await
            .map(|(found, status)| (found.unwrap().to_string(), status))
    };
    advance(&clock, Duration::from_secs(11));
    for _ in 0..3 {
        assert_eq!(failing().await.unwrap(), ("old".into(), CacheStatus::Stale));
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1, "who fails is not asked by every request");
    advance(&clock, Duration::from_secs(5));
    failing().await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 2);
    advance(&clock, Duration::from_secs(60));
    assert_eq!(failing().await.unwrap_err().code(), Code::Unavailable);
    // A refusal is an answer, not a failure.
    letter(&caches, &user, Some("new")).await.unwrap();
    advance(&clock, Duration::from_secs(11));
    let refused = || async { Err::<Option<String>, _>(Error::not_found("gone")) };
    let refused = caches.find_or_load(&LETTER, owner, "first", refused).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn a_cache_stays_within_its_bytes_and_keeps_nothing_larger() {
    let caches = caches(&[&PICTURES], None, &Arc::new(ManualClock::new()));
    for number in 0..200 {
        let load = || async { Ok(vec![0; 20_000]) };
        caches.get_or_load(&PICTURE, (), &number.to_string(), load).await.unwrap();
    }
    let [stats] = &caches.stats()[..] else { panic!("one row") };
    assert!(stats.bytes <= stats.max_bytes && stats.entries > 30, "{stats:?}");
    assert_eq!((stats.misses, stats.hits, stats.loading), (200, 0, 0));
    for _ in 0..2 {
        let (_, status) = caches.get_or_load(&PICTURE, (), "large", || async { Ok(vec![0; 2 << 20]) }).await.unwrap();
        assert_eq!(status, CacheStatus::Miss);
    }
}
