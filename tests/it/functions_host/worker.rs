//! The handler's process: one for all functions, started from the script root, asked `GET /` until
//! anything answers, and ended by SIGKILL.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use http::Method;
use tokio::process::Command;
use tokio::sync::RwLock;

use super::payload::guid;
use super::script_root::{AppSettings, ScriptRoot};
use crate::support::process::{Process, in_surroundings, request, send, sized};

/// How often the host asks whether the handler is ready.
const READINESS_INTERVAL: Duration = Duration::from_millis(25);
/// Starts that may fail before the host gives up.
const MAX_STARTS: usize = 3;

pub struct Worker {
    settings: AppSettings,
    running: RwLock<Option<Running>>,
}

struct Running {
    process: Process,
    address: SocketAddr,
}

/// Why the handler does not start, with what it said.
#[derive(Debug, thiserror::Error)]
#[error("the handler did not become ready: {0:#?}")]
pub struct NotReady(Vec<String>);

impl Worker {
    pub fn new(settings: AppSettings) -> Self {
        Self { settings, running: RwLock::default() }
    }

    /// Starts the handler, in place of one that still runs. Invocations that come meanwhile wait.
    pub async fn start(&self, root: &ScriptRoot) -> Result<(), NotReady> {
        let mut running = self.running.write().await;
        if let Some(mut old) = running.take() {
            old.process.kill().await;
        }
        let mut said = Vec::new();
        for _ in 0..MAX_STARTS {
            match self.start_once(root).await {
                Ok(started) => {
                    *running = Some(started);
                    return Ok(());
                }
                Err(NotReady(output)) => said = output,
            }
        }
        Err(NotReady(said))
    }

    async fn start_once(&self, root: &ScriptRoot) -> Result<Running, NotReady> {
        // Free a moment ago; should another take it, the next start finds another one.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&root.executable);
        // Joined with blanks, and not quoted: one with a blank in it falls apart.
        command.args(root.arguments.join(" ").split_whitespace());
        in_surroundings(&mut command, &self.environment(port, &root.directory), &root.directory);
        let mut process = Process::spawn(command).map_err(|error| NotReady(vec![error.to_string()]))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = Instant::now() + root.initialization_timeout;
        while Instant::now() < deadline && process.exited().is_none() {
            if send(address, request(Method::GET, "/", &address.to_string()).body(sized("")).unwrap()).await.is_ok() {
                return Ok(Running { process, address });
            }
            tokio::time::sleep(READINESS_INTERVAL).await;
        }
        process.kill().await;
        Err(NotReady(process.output()))
    }

    /// App settings and what the host adds.
    fn environment(&self, port: u16, directory: &Path) -> AppSettings {
        let id = guid();
        let mut variables = self.settings.clone();
        variables.extend([
            ("FUNCTIONS_CUSTOMHANDLER_PORT".to_owned(), port.to_string()),
            ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID".to_owned(), id.clone()),
            ("FUNCTIONS_HTTPWORKER_PORT".to_owned(), port.to_string()),
            ("FUNCTIONS_HTTPWORKER_ID".to_owned(), id),
            ("FUNCTIONS_APP_ROOT_PATH".to_owned(), directory.to_string_lossy().into_owned()),
        ]);
        variables
    }

    /// Where the handler listens; `None` when it does not run.
    pub async fn address(&self) -> Option<SocketAddr> {
        self.running.read().await.as_ref().map(|running| running.address)
    }

    pub async fn kill(&self) {
        if let Some(mut running) = self.running.write().await.take() {
            running.process.kill().await;
        }
    }

    pub async fn output(&self) -> Vec<String> {
        self.running.read().await.as_ref().map(|running| running.process.output()).unwrap_or_default()
    }

    pub async fn exited(&self) -> Option<ExitStatus> {
        self.running.write().await.as_mut()?.process.exited()
    }
}
