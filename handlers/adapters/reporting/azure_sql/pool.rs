//! A bounded pool of connections.
//!
//! What is pooled are places for a connection: whoever holds a place opens the connection if there is none,
//! and so sees at once, and himself, why it cannot be opened. A connection is put back only after a call
//! that ended well. A call that failed, ran out of time or was dropped leaves the protocol in an unknown
//! state, perhaps a transaction open; its connection is closed, and the server rolls back.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bb8::{ManageConnection, PooledConnection, QueueStrategy};

use super::SqlLimits;
use super::connect::{Connector, Session};
use super::failure::Failure;
use super::metrics::{Counted, PoolMetrics};
use super::statements;
use crate::ports::{PortError, PortErrorKind};

/// How long a connection that is tried may take to answer.
const TRIAL_TIME: Duration = Duration::from_secs(2);
/// Connections are replaced from time to time, to follow failovers and changes of scale.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Azure closes connections after 30 minutes without use, devices between often after 4
/// (<https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset>).
const IDLE_LIFETIME: Duration = Duration::from_secs(3 * 60);
/// How long a caller stays away who has waited in vain.
const PATIENCE: Duration = Duration::from_secs(1);

/// A place in the pool.
#[derive(Default)]
struct Place {
    idle: Option<Idle>,
}

struct Idle {
    session: Session,
    since: Instant,
    _counted: Counted,
}

struct Places;

impl ManageConnection for Places {
    type Connection = Place;
    type Error = Infallible;

    async fn connect(&self) -> Result<Place, Infallible> {
        Ok(Place::default())
    }

    async fn is_valid(&self, _place: &mut Place) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _place: &mut Place) -> bool {
        false
    }
}

pub(super) struct Pool {
    places: bb8::Pool<Places>,
    connector: Connector,
    trust: Duration,
    metrics: PoolMetrics,
    _max: Counted,
}

impl Pool {
    /// Opens no connection.
    pub(super) fn new(name: &'static str, connector: Connector, connections: u32, limits: &SqlLimits) -> Self {
        let metrics = PoolMetrics::new(name);
        let places = bb8::Pool::builder()
            .max_size(connections)
            .connection_timeout(limits.wait)
            .test_on_check_out(false)
            .queue_strategy(QueueStrategy::Lifo)
            .max_lifetime(LIFETIME)
            .idle_timeout(IDLE_LIFETIME)
            .build_unchecked(Places);
        Self { places, connector, trust: limits.trust, metrics, _max: metrics.max(connections) }
    }

    /// A connection that works, as far as can be known.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, Failure> {
        let mut place = self.place().await?;
        if let Some(idle) = place.idle.take() {
            let counted = self.metrics.connection("used");
            let Idle { session, since, .. } = idle;
            if let Some(session) = self.tried(session, since).await {
                return Ok(self.leased(place, session, counted));
            }
        }
        let started = Instant::now();
        let session = self.connector.open().await?;
        self.metrics.created(started.elapsed());
        Ok(self.leased(place, session, self.metrics.connection("used")))
    }

    async fn place(&self) -> Result<PooledConnection<'_, Places>, Failure> {
        let started = Instant::now();
        let pending = self.metrics.pending();
        let place = self.places.get().await;
        drop(pending);
        self.metrics.waited(started.elapsed());
        place.map_err(|_| {
            self.metrics.timed_out();
            let message = "every connection to the database server is in use";
            PortError::new(PortErrorKind::Throttled, message).with_retry_after(PATIENCE).into()
        })
    }

    /// The session, unless it was idle for long and does not answer.
    async fn tried(&self, mut session: Session, since: Instant) -> Option<Session> {
        if since.elapsed() > self.trust {
            let trial = async { session.simple_query(statements::PING).await?.into_results().await };
            if !matches!(tokio::time::timeout(TRIAL_TIME, trial).await, Ok(Ok(_))) {
                return None;
            }
        }
        Some(session)
    }

    fn leased<'a>(&self, place: PooledConnection<'a, Places>, session: Session, counted: Counted) -> Lease<'a> {
        Lease { session, place, counted, since: Instant::now(), metrics: self.metrics }
    }
}

/// A connection in use; closed when it is dropped.
pub(super) struct Lease<'a> {
    session: Session,
    // After the session: whoever gets the place next finds the connection closed.
    place: PooledConnection<'a, Places>,
    counted: Counted,
    since: Instant,
    metrics: PoolMetrics,
}

impl Lease<'_> {
    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Puts the connection back. Only after a call that ended well, outside of a transaction.
    pub(super) fn keep(self) {
        let Self { session, mut place, counted, since, metrics } = self;
        metrics.used(since.elapsed());
        drop(counted);
        place.idle = Some(Idle { session, since: Instant::now(), _counted: metrics.connection("idle") });
    }
}
