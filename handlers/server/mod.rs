//! The only place with warp: one filter takes every request, finds its function in the route
//! table, and runs the ground rules around the handler. After the match nothing rejects; what warp
//! itself rejects becomes a problem document too.

mod answer;
mod body;
mod client;
mod coded;
mod credentials;
mod limits;
mod listener;
mod local_blobs;
mod pipeline;
mod refusals;
mod storefront;

pub use credentials::principal;
pub use listener::{Listener, ListenerError};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures_util::Stream;
use http::{HeaderMap, Method};
use warp::Filter;
use warp::filters::BoxedFilter;

use crate::adapters::blobs::DirectoryBlobs;
use crate::function::Function;
use crate::host;
use crate::http::cors::Cors;
use crate::registry::{Registry, RouteTable};
use crate::state::AppState;

/// Bytes of bodies in memory at once, and how long a request waits for room.
const BODY_BUDGET: usize = 256 * 1024 * 1024;
const BODY_PATIENCE: Duration = Duration::from_secs(5);

/// How requests reach this process.
#[derive(Clone)]
pub enum Mode {
    /// From the Functions host, which also posts the invocations of other triggers, to this port.
    FunctionsHost { port: u16 },
    /// Straight from clients; other triggers are fired by the local host in this process. Signed URLs of
    /// embedded blobs are served from here.
    Standalone { blobs: Option<Arc<DirectoryBlobs>> },
}

/// What the server needs to answer.
pub struct Server {
    pub state: AppState,
    pub registry: Arc<Registry>,
    pub mode: Mode,
    routes: RouteTable,
    cors: Cors,
    bodies: body::BodyBudget,
}

impl Server {
    /// # Errors
    /// Those of the route table.
    pub fn new(state: AppState, registry: Arc<Registry>, mode: Mode) -> Result<Self, crate::registry::RegistryError> {
        let routes = RouteTable::new(&registry)?;
        let cors = Cors { origins: state.settings.cors_origins.clone() };
        Ok(Self { state, registry, mode, routes, cors, bodies: body::BodyBudget::new(BODY_BUDGET, BODY_PATIENCE) })
    }

    /// The warp filter that answers everything.
    pub fn filter(self: Arc<Self>) -> BoxedFilter<(warp::reply::Response,)> {
        warp::any()
            .map(move || self.clone())
            .and(warp::method())
            .and(warp::path::full())
            .and(warp::query::raw().or(warp::any().map(String::new)).unify())
            .and(warp::header::headers_cloned())
            .and(warp::ext::optional::<Peer>())
            .and(warp::body::stream())
            .then(
                |server: Arc<Self>, method, path: warp::path::FullPath, query, headers, peer: Option<Peer>, body| async move {
                    let incoming = Incoming { method, path: path.as_str().to_owned(), query, headers, peer, body };
                    server.answer(incoming).await
                },
            )
            .recover(answer::rejection)
            .unify()
            .boxed()
    }

    async fn answer<S, B>(&self, incoming: Incoming<S>) -> warp::reply::Response
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf,
    {
        // The host's probe: it asks `GET /` until anything answers, and again for its health.
        if incoming.path == "/" && (incoming.method == Method::GET || incoming.method == Method::HEAD) {
            return answer::into_warp(answer::welcome());
        }
        match &self.mode {
            Mode::FunctionsHost { port } if let Some(function) = self.invoked(*port, &incoming) => {
                answer::into_warp(host::invoke::answer(&self.state, function, body::all(incoming.body)).await)
            }
            Mode::Standalone { blobs: Some(blobs) } if incoming.path.starts_with("/blobs/") => {
                answer::into_warp(local_blobs::answer(blobs, &self.cors, incoming).await)
            }
            _ => answer::into_warp(pipeline::answer(self, incoming).await),
        }
    }

    /// The function that the host, and nobody outside, fires with this request.
    fn invoked<S>(&self, port: u16, incoming: &Incoming<S>) -> Option<&Function> {
        host::invoke::invoked(&self.registry, port, &incoming.method, &incoming.path, &incoming.headers)
    }
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// A request as it comes in, its body unread.
pub(crate) struct Incoming<S> {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    peer: Option<Peer>,
    body: S,
}
