//! Services of the outside world that are played on this machine: an HTTP server whose answers fail as
//! it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::process::OutBody;

/// How a service fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers, after this long.
    Slow(Duration),
    /// It refuses, with a `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// It begins to answer and breaks off.
    Cut,
    /// It answers what nobody can read.
    Garbage,
    /// It hangs up on whoever connects.
    Gone,
}

/// What a service answers: status, headers, body.
pub type Answered = Response<Bytes>;

/// Answers requests on a loopback address until it is dropped.
pub struct Loopback {
    pub address: SocketAddr,
    fault: Arc<Mutex<Option<Fault>>>,
    requests: Arc<Mutex<usize>>,
    _server: JoinSet<()>,
}

impl Loopback {
    /// Serves what `answer` gives, over TLS if so told.
    pub async fn start<F>(tls: bool, answer: F) -> Self
    where
        F: Fn(http::Request<Bytes>) -> Answered + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, requests) = (Arc::default(), Arc::default());
        let service = Arc::new(Service { answer, fault: Arc::clone(&fault), requests: Arc::clone(&requests) });
        let mut server = JoinSet::new();
        server.spawn(service.serve(listener, tls.then(|| authority().acceptor.clone())));
        Self { address, fault, requests, _server: server }
    }

    /// Fails from now on, or no more.
    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        *self.fault.lock().unwrap() = fault.into();
    }

    /// Requests that came, answered or not.
    pub fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }
}

struct Service<F> {
    answer: F,
    fault: Arc<Mutex<Option<Fault>>>,
    requests: Arc<Mutex<usize>>,
}

impl<F: Fn(http::Request<Bytes>) -> Answered + Send + Sync + 'static> Service<F> {
    fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap()
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            while connections.try_join_next().is_some() {}
            if self.fault() == Some(Fault::Gone) {
                continue;
            }
            let (service, tls) = (self.clone(), tls.clone());
            connections.spawn(async move {
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            service.speak(stream).await;
                        }
                    }
                    None => service.speak(stream).await,
                }
            });
        }
    }

    async fn speak(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(move |request| {
            let service = self.clone();
            async move { service.respond(request).await }
        });
        // A client that breaks off is no concern of the service.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    /// `Err` breaks the connection.
    async fn respond(&self, request: http::Request<Incoming>) -> Result<Response<OutBody>, std::io::Error> {
        *self.requests.lock().unwrap() += 1;
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let fault = self.fault();
        match fault {
            Some(Fault::Gone) => return Err(std::io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::Status(status, pause)) => return Ok(refusal(status, pause)),
            Some(Fault::Garbage) => return Ok(Response::new(whole("<html>sig=hush</html>".into()))),
            Some(Fault::Cut) | None => {}
        }
        let (head, body) = (self.answer)(http::Request::from_parts(parts, body)).into_parts();
        let body = if fault == Some(Fault::Cut) { cut(body) } else { whole(body) };
        Ok(Response::from_parts(head, body))
    }
}

fn whole(body: Bytes) -> OutBody {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The first half of a body, and the end of the connection.
fn cut(mut body: Bytes) -> OutBody {
    body.truncate(body.len() / 2);
    let frames = [Ok(Frame::data(body)), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    BodyExt::boxed_unsync(http_body_util::StreamBody::new(futures_util::stream::iter(frames)))
}

fn refusal(status: u16, pause: Option<u32>) -> Response<OutBody> {
    let mut response = Response::new(whole(r#"{"error":{"code":"Fault","message":"sig=hush"}}"#.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Some(pause) = pause {
        response.headers_mut().insert(http::header::RETRY_AFTER, pause.into());
    }
    response
}

/// An authority of this test process, whose certificate for `localhost` the services show.
pub struct Authority {
    /// Its own certificate, to be trusted.
    pub pem: String,
    acceptor: TlsAcceptor,
}

/// The one authority.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &root).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        Authority { pem: root.as_ref().pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    })
}
