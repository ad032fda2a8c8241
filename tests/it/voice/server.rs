//! The program itself, on a port and a data directory of its own.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::iter;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How long it may take to start; debug builds on a busy machine are slow.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Lines of its log that are kept.
const LOG_LINES: usize = 2000;

/// Lines that are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// A running program; killed when it is dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    data_dir: TempDir,
    variables: BTreeMap<String, String>,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    pub fn start() -> Self {
        Self::with([])
    }

    /// Starts with settings besides the defaults.
    pub fn with<const N: usize>(settings: [(&str, &str); N]) -> Self {
        Self::listening("127.0.0.1:0", settings)
    }

    /// Starts where it can be started again: on a port below those that the kernel gives to anyone who asks
    /// for any (from 32768 on), which nobody takes while it is down.
    pub fn restartable<const N: usize>(settings: [(&str, &str); N]) -> Self {
        let random = || RandomState::new().hash_one(0) % 12_000 + 20_000;
        let free = iter::repeat_with(random)
            .take(100)
            .map(|port| format!("127.0.0.1:{port}"))
            .find(|address| TcpListener::bind(address).is_ok());
        Self::listening(&free.expect("one of a hundred ports is free"), settings)
    }

    fn listening<const N: usize>(listen: &str, settings: [(&str, &str); N]) -> Self {
        let mut variables = BTreeMap::from([("PRAVIS_LOG".to_owned(), "warn,pravis=info".to_owned())]);
        variables.insert("PRAVIS_RATE_LIMITS".to_owned(), "off".to_owned());
        variables.insert("PATH".to_owned(), std::env::var("PATH").expect("PATH is set"));
        variables.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let log = Arc::default();
        let (child, address) = launch(data_dir.path(), listen, &variables, &log);
        Self { child, address, data_dir, variables, log }
    }

    /// Where it is reached, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Starts it again on its port and data, after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        let (child, address) = launch(self.data_dir.path(), &self.address.to_string(), &self.variables, &self.log);
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// The lines of its recent log that tell of errors.
    pub fn errors(&self) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        log.iter().filter(|line| line.contains(r#""level":"ERROR""#)).cloned().collect()
    }

    /// The most memory that it ever held at once, in MiB (`VmHWM` of proc(5)).
    pub fn peak_memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells VmHWM");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("VmHWM is in kB") / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            for line in log.iter().skip(log.len().saturating_sub(SHOWN_LINES)) {
                eprintln!("server: {line}");
            }
        }
    }
}

fn launch(
    data_dir: &Path,
    listen: &str,
    variables: &BTreeMap<String, String>,
    log: &Arc<Mutex<VecDeque<String>>>,
) -> (Child, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handler"));
    command.args(["serve", "--listen", listen, "--data-dir"]).arg(data_dir);
    command.env_clear().envs(variables).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let (tell, told) = mpsc::channel();
    let stdout = child.stdout.take().expect("standard output is piped");
    let log = log.clone();
    thread::spawn(move || follow(BufReader::new(stdout), &tell, &log));
    match told.recv_timeout(START_LIMIT) {
        Ok(address) => (child, address),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program did not tell its address: {error}");
        }
    }
}

/// Reads what the program says to its end: its address, and the log.
fn follow(stdout: impl BufRead, tell: &Sender<SocketAddr>, log: &Mutex<VecDeque<String>>) {
    for line in stdout.lines().map_while(Result::ok) {
        if let Some((_, url)) = line.split_once(" on http://").filter(|_| line.starts_with("Pravis Boutique API ")) {
            let _ = tell.send(url.parse().expect("an address follows"));
        }
        let mut log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}
