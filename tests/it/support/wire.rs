//! A wire to a service, that can be cut, blocked and listened to. It passes bytes on as they are, so TLS goes
//! through it too.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How much of what clients send is kept.
const HEARD: usize = 64 * 1024;

/// What happens to an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// The connection is cut once so many bytes of answers came through it, on so many connections.
    CutAfter { bytes: u64, times: u32 },
    /// Nothing comes back any more.
    Silence,
}

#[derive(Default)]
struct State {
    fault: Mutex<Fault>,
    up: AtomicU64,
    down: AtomicU64,
    cuts: AtomicU64,
    heard: Mutex<Vec<u8>>,
}

/// A wire; all its connections end when it is dropped.
pub struct Wire {
    pub address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// Lays a wire to a service.
    pub async fn to(service: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        let shared = state.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, service, shared.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// What happens to answers from now on.
    pub fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// Bytes that clients have sent.
    pub fn up(&self) -> u64 {
        self.state.up.load(Ordering::SeqCst)
    }

    /// Bytes that the service has sent and clients have taken off the wire.
    pub fn down(&self) -> u64 {
        self.state.down.load(Ordering::SeqCst)
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// The beginning of what clients sent.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.state.heard.lock().unwrap()).into_owned()
    }
}

async fn carry(client: TcpStream, service: SocketAddr, state: Arc<State>) {
    let Ok(service) = TcpStream::connect(service).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_service, to_service) = service.into_split();
    // The end of either direction that is a fault ends both; a client that has said all may still listen.
    tokio::select! {
        () = answers(from_service, to_client, &state) => {}
        () = async { requests(from_client, to_service, &state).await; std::future::pending().await } => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        state.up.fetch_add(count as u64, Ordering::SeqCst);
        {
            let mut heard = state.heard.lock().unwrap();
            let room = HEARD.saturating_sub(heard.len());
            heard.extend_from_slice(&buffer[..count.min(room)]);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let mut buffer = vec![0; 64 * 1024];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let cut = {
            let mut fault = state.fault.lock().unwrap();
            match *fault {
                Fault::CutAfter { bytes, times } if passed + count as u64 > bytes => {
                    *fault = match times {
                        0 | 1 => Fault::None,
                        _ => Fault::CutAfter { bytes, times: times - 1 },
                    };
                    true
                }
                Fault::Silence => continue,
                _ => false,
            }
        };
        if cut {
            state.cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
        passed += count as u64;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        state.down.fetch_add(count as u64, Ordering::SeqCst);
    }
}
