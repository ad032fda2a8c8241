//! Publish and subscribe over a connection of its own, which a task keeps up for as long as the adapter
//! lives. Whenever that connection is lost and whenever it is there again, every subscriber hears a gap:
//! Redis keeps nothing for who is away (<https://redis.io/docs/latest/develop/pubsub/>).
//!
//! A message to a cluster reaches all of its nodes, so that one connection hears everything.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{PushInfo, PushKind, Value, cmd};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::PREFIX;
use super::connection::Link;
use super::endpoint::Endpoint;
use super::error::port_error;
use crate::adapters::cache::heard::listen;
use crate::adapters::cache::rules::{BACKLOG, MAX_MESSAGE_BYTES, check_message};
use crate::adapters::dependency::Dependency;
use crate::ports::PortResult;
use crate::ports::cache::{Heard, Invalidations};

/// How long a new subscriber waits for the connection before it is told that it may miss something.
const SUBSCRIBE_LIMIT: Duration = Duration::from_millis(250);

/// What connecting and subscribing may take.
const LISTEN_LIMIT: Duration = Duration::from_secs(5);

/// The pauses between attempts to connect grow from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How often the connection is tried while nothing is heard: it may be dead without anybody noticing.
const PING_EVERY: Duration = Duration::from_secs(5);

/// News among all instances.
pub struct RedisInvalidations {
    link: Arc<Link>,
    heard: broadcast::Sender<Heard>,
    hearing: watch::Sender<bool>,
    listener: Mutex<Option<AbortHandle>>,
}

impl RedisInvalidations {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let (heard, hearing) = (broadcast::Sender::new(BACKLOG), watch::Sender::new(false));
        Self { link, heard, hearing, listener: Mutex::default() }
    }

    fn start_listener(&self) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            let (heard, hearing) = (self.heard.clone(), self.hearing.clone());
            let listening = Listener::new(self.link.endpoint.clone(), heard, hearing).run();
            *listener = Some(tokio::spawn(listening).abort_handle());
        }
    }
}

impl Drop for RedisInvalidations {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get_mut().unwrap_or_else(PoisonError::into_inner) {
            listener.abort();
        }
    }
}

#[async_trait]
impl Invalidations for RedisInvalidations {
    async fn publish(&self, message: Bytes) -> PortResult<()> {
        check_message(&message)?;
        let mut command = cmd("PUBLISH");
        command.arg(channel()).arg(&message[..]);
        let published =
            self.link.call("publish", |mut connection| async move { command.exec_async(&mut connection).await }).await;
        if published.is_err() {
            let _ = self.heard.send(Heard::Gap);
        }
        published
    }

    async fn subscribe(&self) -> PortResult<BoxStream<'static, Heard>> {
        self.start_listener();
        let mut hearing = self.hearing.subscribe();
        let in_time = timeout(SUBSCRIBE_LIMIT, hearing.wait_for(|hearing| *hearing)).await.is_ok();
        let missing = (!in_time).then_some(Heard::Gap);
        Ok(Box::pin(stream::iter(missing).chain(listen(self.heard.subscribe()))))
    }

    /// False until somebody subscribes.
    fn is_hearing(&self) -> bool {
        *self.hearing.borrow()
    }
}

/// Keeps the subscription up.
struct Listener {
    endpoint: Arc<Endpoint>,
    dependency: Dependency,
    heard: broadcast::Sender<Heard>,
    hearing: watch::Sender<bool>,
}

impl Listener {
    fn new(endpoint: Arc<Endpoint>, heard: broadcast::Sender<Heard>, hearing: watch::Sender<bool>) -> Self {
        Self { endpoint, dependency: Dependency::new("redis", LISTEN_LIMIT), heard, hearing }
    }

    async fn run(self) {
        let (mut pause, last_pause) = PAUSES;
        let mut told = false;
        loop {
            let lost = Arc::new(Notify::new());
            match self.open(lost.clone()).await {
                Ok(connection) => {
                    (pause, told) = (PAUSES.0, false);
                    // First the gap: who subscribes once this is heard has missed nothing.
                    let _ = self.heard.send(Heard::Gap);
                    self.hearing.send_replace(true);
                    self.watch(connection, &lost).await;
                    self.hearing.send_replace(false);
                    let _ = self.heard.send(Heard::Gap);
                    tracing::warn!("redis: invalidations are not heard until it is back");
                }
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "redis: invalidations are not heard");
                }
                Err(error) => tracing::debug!(%error, "redis: invalidations are still not heard"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(last_pause);
        }
    }

    async fn open(&self, lost: Arc<Notify>) -> PortResult<MultiplexedConnection> {
        let heard = self.heard.clone();
        let pushed = move |push: PushInfo| {
            match push.kind {
                PushKind::Message => {
                    let _ = heard.send(message(push.data));
                }
                PushKind::Disconnection => lost.notify_one(),
                _ => {}
            }
            Ok::<_, Infallible>(())
        };
        let opening = async {
            let mut connection = self.endpoint.connect_to_one(pushed).await?;
            connection.subscribe(channel()).await?;
            Ok(connection)
        };
        let opening = async { opening.await.map_err(|error| port_error("subscribe", &error)) };
        self.dependency.call("subscribe", opening).await
    }

    /// Returns when the connection is of no more use.
    async fn watch(&self, connection: MultiplexedConnection, lost: &Notify) {
        loop {
            tokio::select! {
                () = lost.notified() => return,
                () = sleep(PING_EVERY) => {}
            }
            let mut connection = connection.clone();
            let ping = async {
                let answer = cmd("PING").exec_async(&mut connection).await;
                answer.map_err(|error| port_error("ping", &error))
            };
            if self.dependency.call("ping", ping).await.is_err() {
                return;
            }
        }
    }
}

/// The message in a push of channel and payload.
fn message(data: Vec<Value>) -> Heard {
    match data.into_iter().nth(1) {
        Some(Value::BulkString(payload)) if payload.len() <= MAX_MESSAGE_BYTES => Heard::Message(payload.into()),
        _ => Heard::Gap,
    }
}

fn channel() -> String {
    format!("{PREFIX}invalidations")
}
