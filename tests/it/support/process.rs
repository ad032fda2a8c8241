//! The program as a process of its own, and HTTP that is spoken to it byte for byte: no client's
//! clean-up of paths, queries or headers stands between a test and the wire.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// The program under test.
pub const HANDLER: &str = env!("CARGO_BIN_EXE_handler");

/// How long anything that a test waits for may take, on a machine that does other work besides.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something to see, for [`PATIENCE`] at most.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The program with `arguments` and nothing of the test's own environment but the search path.
pub fn command(arguments: &[&str], variables: &BTreeMap<String, String>, directory: &Path) -> Command {
    let mut command = Command::new(HANDLER);
    command.args(arguments);
    in_surroundings(&mut command, variables, directory);
    command
}

/// Gives a command its variables, its working directory and pipes; it dies with its owner.
pub fn in_surroundings(command: &mut Command, variables: &BTreeMap<String, String>, directory: &Path) {
    // Tests hammer; those of limits turn them on.
    command.env_clear().env("PRAVIS_RATE_LIMITS", "off");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(variables);
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
}

/// Runs the program to its end.
pub async fn run(arguments: &[&str], variables: &BTreeMap<String, String>, directory: &Path) -> Output {
    let output = command(arguments, variables, directory).output();
    tokio::time::timeout(PATIENCE, output).await.expect("the program ends in time").unwrap()
}

/// A running program with what it has printed so far. Dropping it kills it.
pub struct Process {
    child: Child,
    output: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let output = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().expect("a pipe"), output.clone());
        collect(child.stderr.take().expect("a pipe"), output.clone());
        Ok(Self { child, output })
    }

    /// The lines of both streams.
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL, and waits until the process is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, output: Arc<Mutex<Vec<String>>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            output.lock().unwrap().push(line);
        }
    });
}

/// The program on its own, as `cargo run` starts it.
pub struct Standalone {
    pub process: Process,
    pub address: SocketAddr,
}

impl Standalone {
    /// Starts it on a free port over `data`, and waits until it says where it listens.
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, &BTreeMap::new()).await
    }

    /// The same with variables set.
    pub async fn start_with(data: &Path, variables: &BTreeMap<String, String>) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "."];
        let mut process = Process::spawn(command(&arguments, variables, data)).unwrap();
        let address = eventually("the address that the program listens on", async || {
            assert_eq!(process.exited(), None, "{:#?}", process.output());
            process.output().iter().find_map(|line| line.split_once(" on http://")?.1.parse().ok())
        })
        .await;
        Self { process, address }
    }
}

/// An answer, its body read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A header as text; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer, which must be a problem document of its own status.
    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem: serde_json::Value = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem
    }
}

/// A body on its way out.
pub type OutBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body whose length is declared.
pub fn sized(content: impl Into<Bytes>) -> OutBody {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body in chunks of 16 KiB, without a declared length.
pub fn chunked(content: impl Into<Bytes>) -> OutBody {
    let mut rest = content.into();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let chunk = rest.split_to(rest.len().min(16 * 1024));
        frames.push(Ok(hyper::body::Frame::data(chunk)));
    }
    BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::iter(frames)))
}

/// A request to `target` (path and query, sent as they are) of `host`.
pub fn request(method: Method, target: &str, host: &str) -> http::request::Builder {
    Request::builder().method(method).uri(target).header(http::header::HOST, host)
}

/// Sends one request on a connection of its own, byte for byte as it is.
pub async fn send(address: SocketAddr, request: Request<OutBody>) -> io::Result<Answer> {
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
