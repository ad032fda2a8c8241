use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::cached::{AnyCached, Value};
use super::process::{Found, Held, Loaded, Outcome, ProcessLevel, Times, Waiting};
use super::scope::entry_key;
use super::shared::{Fits, SharedFound, SharedLevel};
use super::{CachePolicy, CacheStats, CacheStatus, Cached, Change, Levels, News, Scope, table};
use crate::error::{Code, Error, Result};
use crate::ports::cache::{Cache, Invalidations};
use crate::ports::clock::Clock;
use crate::telemetry;

/// What a load may take: less than a request, and less than a lease.
const LOAD_TIME_LIMIT: Duration = Duration::from_secs(45);
/// How often who needs a value waits for others who found that there is none.
const TURNS: usize = 4;

type Load = Box<dyn FnOnce() -> BoxFuture<'static, Result<Held>> + Send>;

/// All caches of one process; cheap to clone.
#[derive(Clone)]
pub struct Caches(Arc<Inner>);

struct Inner {
    levels: Vec<ProcessLevel>,
    shared: Option<SharedLevel>,
    invalidations: Arc<dyn Invalidations>,
    clock: Arc<dyn Clock>,
}

impl Caches {
    /// The caches of the table in `budget` bytes of memory, over a cache that all processes share where there
    /// is one: the adapter itself, without one of this process to fall back on.
    pub fn new(
        budget: u64,
        shared: Option<Arc<dyn Cache>>,
        invalidations: Arc<dyn Invalidations>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::of(&table::TABLE, budget, shared, invalidations, clock)
    }

    /// The same for other rows.
    pub fn of(
        policies: &[&'static CachePolicy],
        budget: u64,
        shared: Option<Arc<dyn Cache>>,
        invalidations: Arc<dyn Invalidations>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let levels = policies.iter().map(|policy| ProcessLevel::new(policy, budget)).collect();
        Self(Arc::new(Inner { levels, shared: shared.map(SharedLevel::new), invalidations, clock }))
    }

    /// The value under `key`, from memory, from the shared cache, or from `load`, which runs once for all who
    /// wait, in a task of its own, within 45 seconds, and costs no request anything.
    ///
    /// # Errors
    /// Those of `load`, where nothing may be shown instead.
    pub async fn get_or_load<S: Scope, T: Any + Send + Sync, F, Fut>(
        &self,
        cached: &'static Cached<S, T>,
        scope: S::Of<'_>,
        key: &str,
        load: F,
    ) -> Result<(Arc<T>, CacheStatus)>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let load = move || load().map(|outcome| outcome.map(Some));
        match self.obtain(cached, entry_key::<S>(scope, key), false, load).await? {
            (Some(value), status) => Ok((value, status)),
            (None, _) => Err(Error::internal("a load that gives a value gave none")),
        }
    }

    /// The same for what may not be there, which is remembered too, for the time that the row says.
    ///
    /// # Errors
    /// As [`Caches::get_or_load`].
    pub async fn find_or_load<S: Scope, T: Any + Send + Sync, F, Fut>(
        &self,
        cached: &'static Cached<S, T>,
        scope: S::Of<'_>,
        key: &str,
        load: F,
    ) -> Result<(Option<Arc<T>>, CacheStatus)>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<T>>> + Send + 'static,
    {
        self.obtain(cached, entry_key::<S>(scope, key), true, load).await
    }

    async fn obtain<S: Scope, T: Any + Send + Sync, F, Fut>(
        &self,
        cached: &'static Cached<S, T>,
        key: String,
        absence: bool,
        load: F,
    ) -> Result<(Option<Arc<T>>, CacheStatus)>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<T>>> + Send + 'static,
    {
        let index = self.0.index_of(cached.policy)?;
        let level = &self.0.levels[index];
        let (held, status) = match level.find(&key, self.0.now(), absence) {
            Found::Usable(held, status) => (held, status),
            found => {
                let load: Load = Box::new(move || {
                    let loading = load();
                    Box::pin(async move { Ok(loading.await?.map(|value| Arc::new(value) as Value)) })
                });
                self.0.clone().wait(Wanted { index, cached, key, absence }, found, load).await?
            }
        };
        level.counts.add(status);
        match held {
            None => Ok((None, status)),
            Some(value) => match value.downcast() {
                Ok(value) => Ok((Some(value), status)),
                Err(_) => Err(Error::internal("two caches share a row")),
            },
        }
    }

    /// Counts a request that this cache is of no use for.
    pub fn bypass<S, T>(&self, cached: &'static Cached<S, T>) -> CacheStatus {
        if let Ok(index) = self.0.index_of(cached.policy) {
            self.0.levels[index].counts.add(CacheStatus::Bypass);
        }
        CacheStatus::Bypass
    }

    /// Ends the values that changed, here and in all processes. Called when a write is acknowledged, or later;
    /// twice is harmless.
    ///
    /// # Errors
    /// When the shared cache or other processes may not know of it; repeat it then. This process does.
    pub async fn changed(&self, changes: &[Change]) -> Result<()> {
        let mut outcome = Ok(());
        for change in changes {
            for level in self.0.ended_by(change) {
                // First the shared one, from which a process that forgot its own copy would get it back.
                if let Some(shared) = self.0.shared_of(level.policy)
                    && let Err(error) = shared.delete(level.policy, change.entry()).await
                {
                    outcome = Err(error);
                }
                level.flights().end_value(change.entry(), self.0.now());
            }
        }
        for news in News::of_changes(changes) {
            if let Err(error) = self.0.invalidations.publish(news.message()).await {
                outcome = Err(error);
            }
        }
        Ok(outcome?)
    }

    /// Forgets everything in the cache of this name, here and in all processes; `false` when there is none.
    ///
    /// # Errors
    /// As [`Caches::changed`].
    pub async fn clear(&self, name: &str) -> Result<bool> {
        let Some(level) = self.0.levels.iter().find(|level| level.policy.name == name) else { return Ok(false) };
        let epoch = match self.0.shared_of(level.policy) {
            Some(shared) => shared.clear(level.policy).await,
            None => Ok(0),
        };
        level.clear();
        let news = News::Cleared { cache: name.to_owned(), epoch: epoch? };
        self.0.invalidations.publish(news.message()).await?;
        Ok(true)
    }

    /// Acts on what this or another process told; other news are passed over.
    pub fn heard(&self, news: &News) {
        match news {
            News::Changed(tags) => {
                if let Some(shared) = &self.0.shared {
                    shared.doubt();
                }
                for change in tags.iter().filter_map(|tag| Change::of_tag(tag)) {
                    for level in self.0.ended_by(&change) {
                        level.flights().end_value(change.entry(), self.0.now());
                    }
                }
            }
            News::Cleared { cache, epoch } => {
                for level in self.0.levels.iter().filter(|level| level.policy.name == *cache) {
                    if let Some(shared) = self.0.shared_of(level.policy) {
                        shared.note_epoch(level.policy, *epoch);
                    }
                    level.clear();
                }
            }
            _ => {}
        }
    }

    /// Trusts nothing that is in memory: news may have been missed.
    pub fn doubt(&self) {
        if let Some(shared) = &self.0.shared {
            shared.doubt();
        }
        self.0.levels.iter().for_each(ProcessLevel::doubt);
    }

    /// All caches of this process.
    pub fn stats(&self) -> Vec<CacheStats> {
        self.0.levels.iter().map(ProcessLevel::stats).collect()
    }
}

/// What is asked for.
struct Wanted {
    /// Of the cache among all.
    index: usize,
    cached: &'static dyn AnyCached,
    key: String,
    /// Whether the knowledge that there is nothing will do.
    absence: bool,
}

/// What a load gave, and whether it may be kept.
struct Read {
    loaded: Loaded,
    /// The bytes of the value.
    weight: usize,
    times: Option<Times>,
}

impl Read {
    fn new(wanted: &Wanted, held: Held, status: CacheStatus, times: Option<Times>) -> Self {
        let weight = held.as_ref().map_or(0, |value| wanted.cached.weigh(value));
        Self { loaded: Loaded { held, status }, weight, times }
    }
}

impl Inner {
    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn index_of(&self, policy: &'static CachePolicy) -> Result<usize> {
        let index = self.levels.iter().position(|level| std::ptr::eq(level.policy, policy));
        index.ok_or_else(|| Error::internal(format!("the cache {} is not in the table", policy.name)))
    }

    fn ended_by(&self, change: &Change) -> impl Iterator<Item = &ProcessLevel> {
        self.levels.iter().filter(|level| change.ends(level.policy.invalidated_by))
    }

    fn shared_of(&self, policy: &CachePolicy) -> Option<&SharedLevel> {
        self.shared.as_ref().filter(|_| policy.levels == Levels::ProcessAndShared)
    }

    /// What to show for what was not found fresh in memory.
    async fn wait(self: Arc<Self>, wanted: Wanted, found: Found, load: Load) -> Result<(Held, CacheStatus)> {
        let absence = wanted.absence;
        let wanted = Arc::new(wanted);
        let mut load = Some(load);
        let fallback = match found {
            Found::Usable(held, status) => return Ok((held, status)),
            Found::Stale(held) => {
                // It runs by itself.
                drop(self.join(&wanted, &mut load));
                return Ok((held, CacheStatus::Stale));
            }
            Found::Nothing { fallback } => fallback,
        };
        for _ in 0..TURNS {
            match (self.join(&wanted, &mut load).await, fallback.clone()) {
                // Somebody looked whether it is there, and it was not yet.
                (Ok(Loaded { held: None, .. }), _) if !absence => {}
                (Ok(Loaded { held, status }), _) => return Ok((held, status)),
                (Err(error), Some(held)) if may_be_hidden(&error) => {
                    let cache = self.levels[wanted.index].policy.name;
                    tracing::warn!(cache, error = %error.chain(), "not read; what was read last is shown");
                    return Ok((held, CacheStatus::Stale));
                }
                (Err(error), _) => return Err(error.again()),
            }
        }
        Err(Error::new(Code::Unavailable, "It changes too often at this moment; please try again."))
    }

    /// The load of this key that is under way; begins one where there is none.
    fn join(self: &Arc<Self>, wanted: &Arc<Wanted>, load: &mut Option<Load>) -> Waiting {
        let level = &self.levels[wanted.index];
        let mut flights = level.flights();
        if let Some(flight) = flights.get(&wanted.key) {
            return flight.waiting.clone();
        }
        // It may have been filled since it was looked for.
        if let Found::Usable(held, status) = level.find(&wanted.key, self.now(), wanted.absence) {
            return ready(Ok(Loaded { held, status })).boxed().shared();
        }
        let Some(load) = load.take() else {
            return ready(Err(Arc::new(Error::internal("a load is there for one use")))).boxed().shared();
        };
        let (tell, told) = oneshot::channel();
        let waiting = told
            .map(|outcome| outcome.unwrap_or_else(|_| Err(Arc::new(Error::internal("a load ended without a word")))))
            .boxed()
            .shared();
        let number = flights.begin(&wanted.key, waiting.clone());
        drop(flights);
        // Of its own: who began it may stop waiting.
        let (inner, wanted) = (self.clone(), wanted.clone());
        let flight = async move {
            let outcome = inner.fly(&wanted, number, load).await;
            // Nobody may be waiting any more.
            let _ = tell.send(outcome);
        };
        tokio::spawn(flight.instrument(tracing::Span::current()));
        waiting
    }

    /// Reads a value, and keeps it unless it changed meanwhile.
    async fn fly(&self, wanted: &Wanted, number: u64, load: Load) -> Outcome {
        let level = &self.levels[wanted.index];
        let (began, clearings) = (std::time::Instant::now(), level.clearings());
        let reading = AssertUnwindSafe(self.read(wanted, load)).catch_unwind();
        let outcome = match tokio::time::timeout(LOAD_TIME_LIMIT, reading).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Error::internal("a load panicked")),
            Err(_) => Err(Error::new(Code::TimedOut, "The request took too long.")),
        };
        telemetry::metrics().cache_load(level.policy.name, outcome.is_ok(), began.elapsed());
        let mut flights = level.flights();
        let unchanged = flights.end(&wanted.key, number);
        match &outcome {
            Ok(Read { loaded, weight, times: Some(times) }) if unchanged => {
                flights.keep(&wanted.key, loaded.held.clone(), *weight, *times);
            }
            Ok(Read { loaded, weight, times: Some(times) }) if clearings == level.clearings() => {
                flights.keep_ended(&wanted.key, loaded.held.clone(), *weight, *times);
            }
            Err(error) if unchanged && may_be_hidden(error) => flights.keep_old(&wanted.key, self.now()),
            _ => {}
        }
        drop(flights);
        telemetry::metrics().cache_size(level.policy.name, level.bytes());
        outcome.map(|read| read.loaded).map_err(Arc::new)
    }

    /// Reads a value from the shared cache, or where it comes from.
    async fn read(&self, wanted: &Wanted, load: Load) -> Result<Read> {
        let level = &self.levels[wanted.index];
        let began = self.now();
        let hearing = self.invalidations.is_hearing();
        let mut lease = None;
        if let Some(shared) = self.shared_of(level.policy) {
            let fits = Fits { absence: wanted.absence, now: began, changed_at: level.changed_at(&wanted.key) };
            match shared.look_up(level.policy, wanted.cached, &wanted.key, fits).await {
                SharedFound::Value { held, loaded_at, fresh_until } => {
                    let times = level.times_of_shared(loaded_at, fresh_until);
                    return Ok(Read::new(wanted, held, CacheStatus::Hit, Some(times)));
                }
                SharedFound::Leased(granted) => lease = Some((shared, granted)),
                SharedFound::Alone => {}
            }
        }
        let held = match (load().await, lease.take()) {
            (Ok(held), granted) => {
                lease = granted;
                held
            }
            (Err(error), Some((shared, granted))) => {
                shared.give_back(granted).await;
                return Err(error);
            }
            (Err(error), None) => return Err(error),
        };
        let absent = held.is_none();
        let kept = !absent || !level.policy.negative.is_zero();
        let times = level.times(&wanted.key, began, absent, hearing);
        match lease {
            Some((shared, granted)) if kept => {
                shared.fill(granted, wanted.cached, held.clone(), times, self.now()).await;
            }
            Some((shared, granted)) => shared.give_back(granted).await,
            None => {}
        }
        Ok(Read::new(wanted, held, CacheStatus::Miss, kept.then_some(times)))
    }
}

/// Whether a failure is ours, so that an old value may be shown instead of telling of it.
fn may_be_hidden(error: &Error) -> bool {
    matches!(error.code(), Code::Unavailable | Code::TimedOut | Code::Internal)
}
