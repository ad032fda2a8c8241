//! The one connection that all calls share.
//!
//! The crate's `ConnectionManager` is not used: it keeps a refused login for ever, keeps a connection that
//! has gone silent until TCP gives it up, and connects only while some call waits for it. Here a connection
//! is made in a task of its own when a call needs one, and thrown away, for the next call to make another,
//! when it could not be made, is lost, is refused, or no longer answers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{RedisError, RedisResult};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::endpoint::{Connection, Endpoint};
use super::error::{ends_connection, port_error};
use crate::adapters::dependency::Dependency;
use crate::ports::{PortErrorKind, PortResult};

/// What connecting may take, with getting a token and a cluster's topology. It goes on when the call that
/// began it has given up.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// So many calls in a row without an answer, and the connection is taken for dead.
const SILENT_CALLS: u32 = 3;

type Connecting = Shared<BoxFuture<'static, RedisResult<Connection>>>;

/// Redis as the adapters call it.
pub(super) struct Link {
    pub(super) endpoint: Arc<Endpoint>,
    dependency: Dependency,
    current: Arc<Mutex<Current>>,
    silent: AtomicU32,
}

/// The connection, or the making of it, and its number among all that there were.
#[derive(Default)]
struct Current {
    number: u64,
    connecting: Option<Connecting>,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, time_limit: Duration) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            dependency: Dependency::new("redis", time_limit),
            current: Arc::default(),
            silent: AtomicU32::new(0),
        }
    }

    /// Has `work` done on the connection, once.
    pub(super) async fn call<T, F>(
        &self,
        operation: &'static str,
        work: impl FnOnce(Connection) -> F + Send,
    ) -> PortResult<T>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let used = AtomicU64::new(0);
        let attempt = async {
            let (number, connecting) = self.connection();
            let connection = match connecting.await {
                Ok(connection) => connection,
                Err(error) => {
                    discard(&self.current, number);
                    return Err(port_error("connect", &error));
                }
            };
            used.store(number, Ordering::Relaxed);
            let cluster = connection.is_cluster();
            let outcome = work(connection).await;
            self.silent.store(0, Ordering::Relaxed);
            outcome.map_err(|error| {
                if ends_connection(&error, cluster) {
                    discard(&self.current, number);
                }
                port_error(operation, &error)
            })
        };
        let outcome = self.dependency.call(operation, attempt).await;
        if outcome.as_ref().is_err_and(|error| error.kind() == PortErrorKind::TimedOut) {
            self.unanswered(used.into_inner());
        }
        outcome
    }

    /// The present connection; begins one where there is none.
    fn connection(&self) -> (u64, Connecting) {
        let mut current = lock(&self.current);
        if let Some(connecting) = &current.connecting {
            return (current.number, connecting.clone());
        }
        current.number += 1;
        let number = current.number;
        let (endpoint, owner) = (self.endpoint.clone(), Arc::downgrade(&self.current));
        let lost = move || {
            if let Some(owner) = owner.upgrade() {
                discard(&owner, number);
            }
        };
        let task = tokio::spawn(async move {
            let connecting = tokio::time::timeout(CONNECT_LIMIT, endpoint.connect(lost));
            connecting
                .await
                .unwrap_or_else(|_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))))
        });
        let ended = |_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::Interrupted)));
        let connecting = task.map(move |outcome| outcome.unwrap_or_else(ended)).boxed().shared();
        current.connecting = Some(connecting.clone());
        (number, connecting)
    }

    /// Counts a call that got no answer from a connection; `used` is 0 when it did not get one at all.
    fn unanswered(&self, used: u64) {
        if used > 0 && self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_CALLS {
            self.silent.store(0, Ordering::Relaxed);
            discard(&self.current, used);
        }
    }
}

/// Forgets a connection, unless there is a newer one.
fn discard(current: &Mutex<Current>, number: u64) {
    let forgotten = {
        let mut current = lock(current);
        if current.number == number { current.connecting.take() } else { None }
    };
    // Closed outside of the lock.
    drop(forgotten);
}

fn lock(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}
