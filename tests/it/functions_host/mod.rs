//! A simulated Azure Functions host (v4): it runs the program from a staged script root as the real
//! one does, and judges what it answers as the real one does.
//!
//! ```text
//! script_root   what the host reads and refuses      routing  addresses, as ASP.NET and Kestrel see them
//! worker        the handler's process: start, readiness, SIGKILL, restart
//! front         the listener for the outside: route, then forward or proxy
//! payload       invocations of other triggers        invoke   sends one, judges the reply
//! storage       blobs, queues and change feed in front of the embedded stores: fire, redeliver, poison
//! ```
//!
//! What is known of the real host comes from its public sources (Azure/azure-functions-host) and its
//! documentation (<https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>). Waiting
//! times between deliveries are shortened; nothing else is.

pub mod front;
pub mod invoke;
pub mod payload;
pub mod routing;
pub mod script_root;
pub mod storage;
mod worker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::process::{self, Answer, OutBody};
use front::Booking;
use invoke::Invocation;
use script_root::{AppSettings, FunctionFile, ScriptRoot};
use worker::Worker;

/// The version that the host tells in `X-Azure-Functions-HostVersion`.
pub const VERSION: &str = "4.1052.200.0";

/// How the host hands HTTP requests to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMode {
    /// `enableForwardingHttpRequest`: what hosts before 2025 do.
    Forwarding,
    /// `enableProxyingHttpRequest`, through YARP.
    Proxying,
}

impl HttpMode {
    pub const BOTH: [Self; 2] = [Self::Forwarding, Self::Proxying];
}

/// A running host. Dropping it ends the handler, and fails the test when an invocation hung: there the
/// real host would have killed the handler with everything that it was doing.
pub struct FunctionsHost {
    shared: Arc<Shared>,
    _listener: JoinSet<()>,
    /// Where the outside reaches the host.
    address: SocketAddr,
    /// Where the embedded stores keep their files.
    data: Arc<TempDir>,
    _staged: Arc<TempDir>,
}

/// What the listener, the loops and the test share.
pub struct Shared {
    root: ScriptRoot,
    mode: HttpMode,
    worker: Worker,
    bookings: Mutex<Vec<Booking>>,
    invocations: Mutex<Vec<Invocation>>,
}

/// What a host is started with.
pub struct Setup {
    mode: HttpMode,
    services: Option<&'static str>,
    settings: AppSettings,
    data: Option<Arc<TempDir>>,
    staged: Option<Arc<TempDir>>,
}

impl FunctionsHost {
    /// A host over an empty data directory, with all services, in proxying mode.
    pub fn setup() -> Setup {
        // Enough for the bindings; the embedded stores stand behind them.
        let settings = [
            ("COSMOS_DATABASE", "pravis"),
            ("COSMOS__accountEndpoint", "https://devstore.documents.azure.com:443/"),
            ("AzureWebJobsStorage__accountName", "devstore"),
            ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Setup { mode: HttpMode::Proxying, services: None, settings, data: None, staged: None }
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The data directory, for another host over the same stores.
    pub fn shared_data(&self) -> Arc<TempDir> {
        self.data.clone()
    }

    pub fn root(&self) -> &ScriptRoot {
        &self.shared.root
    }

    /// The `function.json` of a function that was staged.
    pub fn function(&self, name: &str) -> &FunctionFile {
        self.root().function(name).unwrap_or_else(|| panic!("{name} is not staged"))
    }

    /// Sends a request from outside.
    pub async fn request(&self, request: http::Request<OutBody>) -> Answer {
        process::send(self.address, request).await.unwrap()
    }

    /// The requests from outside so far, with the function that each was booked under.
    pub fn bookings(&self) -> Vec<Booking> {
        self.shared.bookings.lock().unwrap().clone()
    }

    /// The invocations so far.
    pub fn invocations(&self) -> Vec<Invocation> {
        self.shared.invocations.lock().unwrap().clone()
    }

    /// What the handler has printed since it last started.
    pub async fn output(&self) -> Vec<String> {
        self.shared.worker.output().await
    }

    /// How the handler ended, if it is not running.
    pub async fn exited(&self) -> Option<ExitStatus> {
        self.shared.worker.exited().await
    }

    /// The address that the handler listens on, which nobody outside can reach.
    pub async fn worker_address(&self) -> SocketAddr {
        self.shared.worker.address().await.expect("the handler runs")
    }

    /// SIGKILL, as on scale-in; invocations and requests fail until [`Self::restart`].
    pub async fn kill(&self) {
        self.shared.worker.kill().await;
    }

    /// Starts the handler anew, on another port, and waits until it is ready.
    pub async fn restart(&self) {
        self.shared.worker.start(&self.shared.root).await.unwrap();
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        let hung: Vec<_> = self.invocations().into_iter().filter(Invocation::hung).collect();
        if !std::thread::panicking() {
            assert!(hung.is_empty(), "the host would wait for these until it kills the handler: {hung:#?}");
        }
    }
}

impl Setup {
    pub fn mode(mut self, mode: HttpMode) -> Self {
        self.mode = mode;
        self
    }

    /// Stages only these services, parted by commas.
    pub fn services(mut self, services: &'static str) -> Self {
        self.services = Some(services);
        self
    }

    /// Takes the script root that is there, in `root`, instead of staging one.
    pub fn unpacked(mut self, staged: Arc<TempDir>) -> Self {
        self.staged = Some(staged);
        self
    }

    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Uses the stores of another host.
    pub fn data(mut self, data: Arc<TempDir>) -> Self {
        self.data = Some(data);
        self
    }

    /// Stages the program, starts it, and waits until it is ready.
    pub async fn start(mut self) -> FunctionsHost {
        let staged = match self.staged {
            Some(staged) => staged,
            None => stage(self.services).await,
        };
        let data = self.data.unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.settings.insert("PRAVIS_DATA_DIR".into(), data.path().to_string_lossy().into_owned());
        self.settings.insert("PRAVIS_PUBLIC_URL".into(), format!("http://{address}"));
        let root = ScriptRoot::read(&root_of(&staged), &self.settings).unwrap();
        assert!(root.proxying && root.forwarding, "host.json asks for both, so that every host finds its own");
        let worker = Worker::new(self.settings);
        worker.start(&root).await.unwrap();
        let shared = Arc::new(Shared {
            root,
            mode: self.mode,
            worker,
            bookings: Mutex::default(),
            invocations: Mutex::default(),
        });
        let mut serving = JoinSet::new();
        serving.spawn(front::serve(shared.clone(), listener));
        FunctionsHost { shared, _listener: serving, address, data, _staged: staged }
    }
}

fn root_of(staged: &TempDir) -> PathBuf {
    staged.path().join("root")
}

/// A script root that the program itself laid out. Tests that run at once share it: it holds a copy of
/// the program, which is large.
async fn stage(services: Option<&'static str>) -> Arc<TempDir> {
    static STAGED: tokio::sync::Mutex<BTreeMap<Option<&str>, Weak<TempDir>>> =
        tokio::sync::Mutex::const_new(BTreeMap::new());
    let mut known = STAGED.lock().await;
    if let Some(staged) = known.get(&services).and_then(Weak::upgrade) {
        return staged;
    }
    let staged = Arc::new(tempfile::tempdir().unwrap());
    let root = root_of(&staged);
    let mut arguments = vec!["stage", root.to_str().unwrap()];
    arguments.extend(services.iter().flat_map(|names| ["--services", names]));
    let output = process::run(&arguments, &BTreeMap::new(), staged.path()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    known.insert(services, Arc::downgrade(&staged));
    staged
}
