//! Random interleavings of reads, writes, their news, expiries, clearings and fills on two processes that
//! share a cache, against a model of what a read may give. Every call to the shared cache, to the news and
//! to the store waits before and after it is done until the test lets it go on, so that any order can come;
//! nothing sleeps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use pravis::adapters::cache::MemoryCache;
use pravis::caching::{Caches, Change, News};
use pravis::error::{Code, Error};
use pravis::ports::PortResult;
use pravis::ports::cache::{Cache, Heard, Invalidations, Lease, LookUp};
use pravis::ports::clock::Clock;
use pravis::types::TenantId;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::{FRESH, NUMBER, NUMBERS, STALE, of};
use crate::support::clock::ManualClock;

/// How long the model lets a call take.
const LONGEST_CALL: Duration = Duration::from_secs(3);

/// Calls that are held up.
#[derive(Default)]
struct Gates(Mutex<Vec<oneshot::Sender<()>>>);

impl Gates {
    async fn pass(&self) {
        let (open, opened) = oneshot::channel();
        self.0.lock().unwrap().push(open);
        opened.await.unwrap();
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn open(&self, which: usize) {
        let gate = self.0.lock().unwrap().swap_remove(which);
        let _ = gate.send(());
    }
}

/// The shared cache, each call held up twice.
struct SlowCache {
    kept: MemoryCache,
    gates: Arc<Gates>,
    /// Whether it keeps what anybody gives it, with or without a lease.
    careless: bool,
}

impl SlowCache {
    async fn held_up<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.gates.pass().await;
        let outcome = call.await;
        self.gates.pass().await;
        outcome
    }
}

#[async_trait]
impl Cache for SlowCache {
    async fn get(&self, key: &str) -> PortResult<Option<Bytes>> {
        self.held_up(self.kept.get(key)).await
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        self.held_up(self.kept.set(key, value, ttl)).await
    }

    async fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<bool> {
        self.held_up(self.kept.set_if_absent(key, value, ttl)).await
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        self.held_up(self.kept.delete(key)).await
    }

    async fn increment(&self, key: &str, by: u64, ttl: Duration) -> PortResult<u64> {
        self.held_up(self.kept.increment(key, by, ttl)).await
    }

    async fn look_up(&self, key: &str, lease_ttl: Duration) -> PortResult<LookUp> {
        self.held_up(self.kept.look_up(key, lease_ttl)).await
    }

    async fn fill(&self, key: &str, lease: &Lease, value: Bytes, ttl: Duration) -> PortResult<bool> {
        self.held_up(async {
            if !self.careless {
                return self.kept.fill(key, lease, value, ttl).await;
            }
            self.kept.delete(key).await?;
            let LookUp::Leased(lease) = self.kept.look_up(key, ttl).await? else { return Ok(false) };
            self.kept.fill(key, &lease, value, ttl).await
        })
        .await
    }
}

tokio::task_local! {
    /// The version that the news now being published tell of.
    static TOLD: u64;
}

/// News with the version that they tell of, in the order in which they were told.
type Unheard = VecDeque<(u64, Bytes)>;

/// The news, kept for each process until it hears them.
#[derive(Clone)]
struct Wires {
    gates: Arc<Gates>,
    queues: Arc<Mutex<[Unheard; 2]>>,
}

#[async_trait]
impl Invalidations for Wires {
    async fn publish(&self, message: Bytes) -> PortResult<()> {
        self.gates.pass().await;
        let version = TOLD.try_with(|version| *version).unwrap_or(0);
        for queue in self.queues.lock().unwrap().iter_mut() {
            queue.push_back((version, message.clone()));
        }
        self.gates.pass().await;
        Ok(())
    }

    async fn subscribe(&self) -> PortResult<BoxStream<'static, Heard>> {
        panic!("the test hears for the caches")
    }
}

/// The truth: the versions with the time at which each was written.
#[derive(Default)]
struct Store(Mutex<Vec<i64>>);

impl Store {
    fn version(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    /// The last version of a time.
    fn version_at(&self, time: i64) -> u64 {
        self.0.lock().unwrap().iter().filter(|written| **written <= time).count() as u64
    }
}

/// A random number generator that a seed determines (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
}

struct World {
    dice: Dice,
    clock: Arc<ManualClock>,
    gates: Arc<Gates>,
    wires: Wires,
    store: Arc<Store>,
    nodes: [Caches; 2],
    /// The least version that a read on each process may give from now on.
    floors: Arc<Mutex<[u64; 2]>>,
    /// Time that passed while calls were held up.
    held: Duration,
    wrong: Arc<Mutex<Option<String>>>,
    /// Reads that gave a version; so that a test that reads nothing is noticed.
    reads: Arc<Mutex<usize>>,
}

impl World {
    fn new(seed: u64, careless: bool) -> Self {
        let (clock, gates) = (Arc::new(ManualClock::new()), Arc::new(Gates::default()));
        let shared: Arc<dyn Cache> =
            Arc::new(SlowCache { kept: MemoryCache::new(1 << 20), gates: gates.clone(), careless });
        let wires = Wires { gates: gates.clone(), queues: Arc::default() };
        let node = || of(&[&NUMBERS], Some(shared.clone()), Arc::new(wires.clone()), &clock);
        let nodes = [node(), node()];
        Self {
            dice: Dice(seed * 2 + 1),
            store: Arc::default(),
            floors: Arc::default(),
            held: Duration::ZERO,
            wrong: Arc::default(),
            reads: Arc::default(),
            clock,
            gates,
            wires,
            nodes,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// Lets everything run that is not held up.
    async fn settle(&self) {
        for _ in 0..30 {
            yield_now().await;
        }
    }

    fn read(&mut self) {
        let node = self.dice.below(2);
        let staleness = FRESH + STALE + LONGEST_CALL;
        let long_ago = self.store.version_at(self.now() - staleness.as_millis() as i64);
        let floor = self.floors.lock().unwrap()[node].max(long_ago);
        let fails = self.dice.below(8) == 0;
        let (caches, wrong, reads) = (self.nodes[node].clone(), self.wrong.clone(), self.reads.clone());
        let (store, gates) = (self.store.clone(), self.gates.clone());
        tokio::spawn(async move {
            let load = move || async move {
                gates.pass().await;
                let version = store.version();
                gates.pass().await;
                if fails { Err(Error::new(Code::Unavailable, "not now")) } else { Ok(version) }
            };
            if let Ok((version, status)) = caches.get_or_load(&NUMBER, &TenantId::pravis(), "", load).await {
                *reads.lock().unwrap() += 1;
                if *version < floor {
                    let told = format!("process {node} gave {version} ({status:?}), but {floor} was known to be there");
                    wrong.lock().unwrap().get_or_insert(told);
                }
            }
        });
    }

    fn write(&mut self) {
        let node = self.dice.below(2);
        let now = self.now();
        self.store.0.lock().unwrap().push(now);
        let version = self.store.version();
        let (caches, floors) = (self.nodes[node].clone(), self.floors.clone());
        tokio::spawn(TOLD.scope(version, async move {
            caches.changed(&[Change::catalogue(&TenantId::pravis())]).await.unwrap();
            let floor = &mut floors.lock().unwrap()[node];
            *floor = version.max(*floor);
        }));
    }

    /// The next news reach a process; or all that are under way get lost, and it hears of that.
    fn hear(&mut self, lost: bool) {
        let node = self.dice.below(2);
        let mut queues = self.wires.queues.lock().unwrap();
        let heard: Vec<(u64, Bytes)> =
            if lost { queues[node].drain(..).collect() } else { queues[node].pop_front().into_iter().collect() };
        drop(queues);
        if lost {
            self.nodes[node].doubt();
        }
        for (version, message) in heard {
            if !lost {
                let pravis::caching::Message::News(news) = News::read(&message) else { panic!("{message:?}") };
                self.nodes[node].heard(&news);
            }
            let floor = &mut self.floors.lock().unwrap()[node];
            *floor = version.max(*floor);
        }
    }

    fn clear(&mut self) {
        let caches = self.nodes[self.dice.below(2)].clone();
        tokio::spawn(async move { caches.clear(NUMBERS.name).await.unwrap() });
    }

    /// Time passes: a little at any moment, much only while nothing is held up.
    async fn pass_time(&mut self) {
        let little = Duration::from_millis(self.dice.below(1500) as u64);
        if self.held + little <= LONGEST_CALL {
            self.held += little;
            self.clock.advance(chrono::Duration::from_std(little).unwrap());
        } else {
            self.finish().await;
            let much = self.dice.below(20_000) as i64;
            self.clock.advance(chrono::Duration::milliseconds(much));
        }
    }

    async fn finish(&mut self) {
        self.settle().await;
        while self.gates.waiting() > 0 {
            self.gates.open(0);
            self.settle().await;
        }
        self.held = Duration::ZERO;
    }

    async fn step(&mut self) {
        match self.dice.below(100) {
            0..25 => self.read(),
            25..33 => self.write(),
            33..48 => self.hear(false),
            48..50 => self.hear(true),
            50..51 => self.clear(),
            51..56 => self.pass_time().await,
            _ => {
                let waiting = self.gates.waiting();
                if waiting > 0 {
                    let which = self.dice.below(waiting);
                    self.gates.open(which);
                }
            }
        }
        self.settle().await;
    }
}

/// What went wrong in one run, and how many reads there were.
fn run(seed: u64, careless: bool) -> (Option<String>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, careless);
        for _ in 0..250 {
            world.step().await;
        }
        world.finish().await;
        let (wrong, reads) = (world.wrong.lock().unwrap().take(), *world.reads.lock().unwrap());
        (wrong, reads)
    })
}

#[test]
fn no_read_is_older_than_what_was_heard_or_than_the_declared_staleness() {
    let mut reads = 0;
    // The last once found that a change was deleted under the number that the cache had before it was cleared.
    for seed in (0..150).chain([283]) {
        let (wrong, count) = run(seed, false);
        assert_eq!(wrong, None, "seed {seed}");
        reads += count;
    }
    assert!(reads > 3_000, "{reads} reads");
}

#[test]
fn the_model_finds_a_shared_cache_that_lets_a_late_fill_through() {
    assert!((0..400).any(|seed| run(seed, true).0.is_some()), "a late fill must show an old value to somebody");
}
