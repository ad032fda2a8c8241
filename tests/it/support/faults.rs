//! A proxy between the product and a service, which makes the service fail in chosen ways: for new
//! connections and for those that are open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How the service fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// Every request reaches the service this much later.
    Slow(Duration),
    /// Nobody listens, and open connections are reset.
    Gone,
    /// The connection is reset after some bytes of the answer.
    Reset {
        after: usize,
    },
    /// An answer in HTTP/1.1 with this status, `Retry-After: 1` and no body.
    Status(u16),
    /// Bytes that mean nothing in any protocol.
    Garbage,
}

/// The proxy; it ends when it is dropped.
pub struct FaultyService {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl FaultyService {
    /// Stands in front of `upstream`, which may not be there yet.
    pub async fn in_front_of(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, upstream)
    }

    /// The same on a port that had to be known before the service was.
    pub fn on(listener: TcpListener, upstream: SocketAddr) -> Self {
        let address = listener.local_addr().unwrap();
        let fault = watch::Sender::new(Fault::None);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(accept(listener, upstream, fault.clone(), connections.clone()));
        Self { address, fault, connections, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the service fail from now on, or work again.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyService {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, fault: watch::Sender<Fault>, open: Arc<AtomicUsize>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    let mut changes = fault.subscribe();
    let mut running = JoinSet::new();
    loop {
        let now = *changes.borrow_and_update();
        match (&listener, now) {
            (Some(_), Fault::Gone) => listener = None,
            (None, Fault::Gone) => {}
            (None, _) => listener = Some(listen_again(address).await),
            (Some(_), _) => {}
        }
        let Some(listening) = &listener else {
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            accepted = listening.accept() => if let Ok((client, _)) = accepted {
                let (fault, open) = (fault.subscribe(), Counted::one(&open));
                running.spawn(async move {
                    let _open = open;
                    connection(client, upstream, fault).await;
                });
            },
            _ = running.join_next(), if !running.is_empty() => {}
        }
    }
}

async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        match socket.bind(address).and_then(|()| socket.listen(256)) {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Counts itself as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(of: &Arc<AtomicUsize>) -> Self {
        of.fetch_add(1, Ordering::SeqCst);
        Self(of.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Passes bytes both ways until both sides have ended or the fault ends it, which resets the connection.
async fn connection(mut client: TcpStream, upstream: SocketAddr, fault: watch::Receiver<Fault>) {
    let _ = client.set_nodelay(true);
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let _ = server.set_nodelay(true);
    let mut gone = fault.clone();
    let broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            // A client that has said all may still wait for the answer; a server that has is done.
            let asking = async {
                requests(from_client, to_server, fault.clone()).await;
                std::future::pending::<bool>().await
            };
            tokio::select! {
                broken = asking => broken,
                broken = answers(from_server, to_client, fault.clone()) => broken,
            }
        };
        tokio::select! {
            broken = both => broken,
            _ = gone.wait_for(|fault| *fault == Fault::Gone) => true,
        }
    };
    if broken {
        // Closing then sends a reset and not an orderly end.
        let _ = client.set_zero_linger();
    }
}

async fn requests(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, fault: watch::Receiver<Fault>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let now = *fault.borrow();
        if let Fault::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Whether the connection is to be reset.
async fn answers(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, fault: watch::Receiver<Fault>) -> bool {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => count,
        };
        let now = *fault.borrow();
        let (answer, broken) = match now {
            Fault::None | Fault::Slow(_) => (buffer[..count].to_vec(), false),
            Fault::Gone => return true,
            Fault::Reset { after } => (buffer[..count.min(after)].to_vec(), true),
            Fault::Status(status) => {
                (format!("HTTP/1.1 {status} Fault\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n").into_bytes(), false)
            }
            Fault::Garbage => (b"\x00\xff\xfe\x01 no protocol at all \r\n\r\n\x00".to_vec(), true),
        };
        if to.write_all(&answer).await.is_err() || broken {
            return broken;
        }
    }
}
