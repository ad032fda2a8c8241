//! Redis goes away, hangs, and comes back, while requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pravis::adapters::cache::{FallbackCache, FallbackLimits, Health, MemoryCache, MemoryLimits, RedisOptions, Status};
use pravis::ports::PortErrorKind;
use pravis::ports::cache::Cache;
use pravis::ports::limits::{Quota, RateLimits};
use redis::cmd;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{patient, redis as open, settings};
use crate::support::process::eventually;
use crate::support::redis::Server;

const TTL: Duration = Duration::from_secs(600);
const HOURLY: Quota = Quota { burst: 100_000, per: Duration::from_secs(3600) };

/// What a call may take beside its time limit, on a machine that does other work besides.
const SLACK: Duration = Duration::from_millis(750);
const CALL_LIMIT: Duration = Duration::from_millis(250);

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Cache and limits as they are composed in production.
struct Composed {
    cache: FallbackCache,
    limits: FallbackLimits,
    health: Arc<Health>,
}

impl Composed {
    fn new(url: &str) -> Self {
        let redis = open(&settings(url), RedisOptions::default());
        let health = Arc::new(Health::new("redis"));
        let local = Arc::new(MemoryCache::new(16 << 20));
        let cache = FallbackCache::new(Arc::new(redis.cache()), local, health.clone());
        let local = Arc::new(MemoryLimits::new(1 << 20));
        let limits = FallbackLimits::new(Arc::new(redis.limits()), local, health.clone());
        Self { cache, limits, health }
    }

    async fn well(&self, expected: bool) {
        eventually("a change of health", async || (self.cache.check().await.is_degraded() != expected).then_some(()))
            .await;
    }

    /// All operations, each of which must succeed in its time; gives how long the longest took.
    async fn use_all(&self, number: usize) -> Duration {
        let key = format!("key {number}");
        let mut longest = Duration::ZERO;
        let mut began = Instant::now();
        let mut lap = || {
            longest = longest.max(began.elapsed());
            began = Instant::now();
        };
        self.cache.set(&key, bytes("value"), TTL).await.unwrap();
        lap();
        self.cache.get(&key).await.unwrap();
        lap();
        self.cache.set_if_absent(&format!("claim {number}"), bytes("mine"), TTL).await.unwrap();
        lap();
        assert!(self.cache.increment(&format!("count {number}"), 1, TTL).await.unwrap() >= 1);
        lap();
        self.cache.delete(&key).await.unwrap();
        lap();
        assert!(self.limits.take("load", HOURLY, 1).await.unwrap().allowed);
        lap();
        longest
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_in_the_middle_of_load_fails_no_request() {
    let mut server = Server::start(&[]).await;
    let composed = Arc::new(Composed::new(&server.url()));
    composed.use_all(0).await;
    composed.well(true).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (1..=8)
        .map(|worker| {
            let (composed, stop, done) = (composed.clone(), stop.clone(), done.clone());
            tokio::spawn(async move {
                let mut longest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    longest = longest.max(composed.use_all(worker * 1_000_000 + done.load(Ordering::Relaxed)).await);
                    done.fetch_add(1, Ordering::Relaxed);
                    // While Redis is left alone nothing waits, and tasks would keep their threads.
                    tokio::task::yield_now().await;
                }
                longest
            })
        })
        .collect();
    let more = async |rounds: usize| {
        let until = done.load(Ordering::Relaxed) + rounds;
        eventually("load", async || (done.load(Ordering::Relaxed) >= until).then_some(())).await;
    };
    more(50).await;
    server.kill();
    composed.well(false).await;
    more(200).await;
    let restarted = Instant::now();
    server.restart().await;
    composed.well(true).await;
    // The breaker leaves a failing Redis alone for 5 s.
    assert!(restarted.elapsed() < Duration::from_secs(20), "{:?}", restarted.elapsed());
    let mut admin = server.admin("").await;
    more(50).await;
    let size: u64 = cmd("DBSIZE").query_async(&mut admin).await.unwrap();
    assert!(size >= 50, "Redis is used again");
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        let longest = worker.await.unwrap();
        // At most the payment of what is owed for the key, and the call.
        assert!(longest < CALL_LIMIT * 2 + SLACK, "{longest:?}");
    }
}

#[tokio::test]
async fn a_redis_that_hangs_costs_its_time_limit_and_then_next_to_nothing() {
    let server = Server::start(&[]).await;
    let cache = open(&settings(&server.url()), RedisOptions::default()).cache();
    eventually("a connection", async || cache.get("key").await.ok()).await;
    server.freeze();
    let mut left_alone = None;
    for call in 0..40 {
        let began = Instant::now();
        let error = cache.get("key").await.unwrap_err();
        assert!(began.elapsed() < CALL_LIMIT + SLACK, "call {call} took {:?}", began.elapsed());
        if error.kind() == PortErrorKind::Unavailable && left_alone.is_none() {
            left_alone = Some((call, began.elapsed()));
            break;
        }
        assert_eq!(error.kind(), PortErrorKind::TimedOut);
    }
    let (call, _) = left_alone.expect("the breaker opens");
    assert!((5..=20).contains(&call), "{call}");
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(cache.get("key").await.unwrap_err().kind(), PortErrorKind::Unavailable);
    }
    assert!(began.elapsed() < CALL_LIMIT, "100 calls took {:?}", began.elapsed());
    server.thaw();
    eventually("that Redis is used again", async || cache.get("key").await.ok()).await;
}

/// Carries connections to a port. Cut, it carries nothing any more and closes nothing; mended, it carries
/// new connections.
struct Wire {
    port: u16,
    cut: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let wire = Self { port: here, cut: watch::Sender::new(false), connections: Arc::default() };
        let (cut, connections) = (wire.cut.clone(), wire.connections.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let mut cut = cut.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        biased;
                        () = async { drop(cut.wait_for(|cut| *cut).await) } => std::future::pending().await,
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        wire
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn cut(&self) {
        self.cut.send_replace(true);
    }

    fn mend(&self) {
        self.cut.send_replace(false);
    }
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_replaced() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let cache = open(&settings(&wire.url()), RedisOptions::default()).cache();
    eventually("a connection", async || cache.get("key").await.ok()).await;
    let before = wire.connections.load(Ordering::Relaxed);
    wire.cut();
    assert_eq!(cache.get("key").await.unwrap_err().kind(), PortErrorKind::TimedOut);
    wire.mend();
    let mut unanswered = 1;
    while cache.get("key").await.is_err() {
        unanswered += 1;
        assert!(unanswered < 10, "the dead connection is still used");
    }
    assert!(wire.connections.load(Ordering::Relaxed) > before);
}

#[tokio::test]
async fn a_connection_that_was_closed_costs_one_call_at_most() {
    let server = Server::start(&[]).await;
    let cache = patient(&settings(&server.url())).cache();
    cache.set("key", bytes("value"), TTL).await.unwrap();
    for _ in 0..5 {
        server.cut("normal").await;
        if cache.get("key").await.is_err() {
            assert_eq!(cache.get("key").await.unwrap(), Some(bytes("value")));
        }
    }
}

#[tokio::test]
async fn what_changed_while_redis_was_away_is_not_contradicted_by_it_later() {
    let server = Server::start(&[]).await;
    let wire = Wire::to(server.port).await;
    let (composed, others) = (Composed::new(&wire.url()), patient(&settings(&server.url())).cache());
    for key in ["replaced", "deleted", "untouched"] {
        others.set(key, bytes("old"), TTL).await.unwrap();
    }
    composed.well(true).await;
    // Redis keeps what it knows, and nothing of what follows reaches it.
    wire.cut();
    composed.cache.set("replaced", bytes("new"), TTL).await.unwrap();
    composed.cache.delete("deleted").await.unwrap();
    assert!(matches!(composed.health.status(), Status::Degraded { failures: 2.., .. }));
    assert_eq!(composed.cache.get("replaced").await.unwrap(), Some(bytes("new")));
    assert_eq!(composed.cache.get("deleted").await.unwrap(), None);
    assert_eq!(others.get("replaced").await.unwrap(), Some(bytes("old")));
    wire.mend();
    composed.well(true).await;
    assert_ne!(composed.cache.get("replaced").await.unwrap(), Some(bytes("old")));
    assert_eq!(composed.cache.get("deleted").await.unwrap(), None);
    assert_eq!(composed.cache.get("untouched").await.unwrap(), Some(bytes("old")));
    for key in ["replaced", "deleted"] {
        let gone = async || (others.get(key).await.unwrap() != Some(bytes("old"))).then_some(());
        eventually("that the other instances see nothing old either", gone).await;
    }
}

#[tokio::test]
async fn counters_go_on_per_instance_and_redis_is_found_when_it_starts_later() {
    let mut server = Server::start(&[]).await;
    server.kill();
    let composed = Composed::new(&server.url());
    for failures in 1..=20 {
        assert_eq!(composed.cache.increment("login:someone", 1, TTL).await.unwrap(), failures);
    }
    let quota = Quota { burst: 3, per: TTL };
    for allowed in [true, true, true, false] {
        assert_eq!(composed.limits.take("someone", quota, 1).await.unwrap().allowed, allowed);
    }
    composed.cache.delete("login:someone").await.unwrap();
    assert_eq!(composed.cache.increment("login:someone", 1, TTL).await.unwrap(), 1);
    let Status::Degraded { problem, .. } = composed.health.status() else { panic!("not told") };
    assert!(problem.starts_with("redis"), "{problem}");
    server.restart().await;
    composed.well(true).await;
    composed.cache.set("key", bytes("shared"), TTL).await.unwrap();
    let others = patient(&settings(&server.url())).cache();
    assert_eq!(others.get("key").await.unwrap(), Some(bytes("shared")));
}

#[tokio::test]
async fn what_others_keep_under_a_key_is_no_value() {
    let server = Server::start(&[]).await;
    let redis = patient(&settings(&server.url()));
    let mut admin = server.admin("").await;
    for key in ["pravis:cache:list", "pravis:limit:list"] {
        cmd("RPUSH").arg(&[key, "item"]).exec_async(&mut admin).await.unwrap();
    }
    assert_eq!(redis.cache().get("list").await.unwrap_err().kind(), PortErrorKind::Corrupt);
    assert!(redis.limits().take("list", HOURLY, 1).await.is_err());
    // A limit that holds no number is full.
    cmd("SET").arg(&["pravis:limit:text", "text"]).exec_async(&mut admin).await.unwrap();
    assert!(redis.limits().take("text", HOURLY, 1).await.unwrap().allowed);
}
