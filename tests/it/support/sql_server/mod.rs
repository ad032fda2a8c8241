//! A server that speaks TDS 7.4 and understands what the adapter of the reporting database says.
//!
//! It proves the client's side: that the driver is used rightly, what goes over the wire, what comes of faults.
//! Behind it is SQLite: what SQL Server makes of the same statements only SQL Server can tell.

mod database;
mod expressions;
mod faults;
mod login;
mod merge;
mod packets;
mod session;
mod tls;
mod tokens;
mod translate;
mod values;

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub use faults::{Fault, Faults};
pub use login::Login;
use tokens::Refusal;
pub use values::Value;

pub const USER: &str = "pravis";
pub const DATABASE: &str = "reporting";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The statement, or `BEGIN`, `COMMIT`, `ROLLBACK`, `BULK`, or a procedure's name.
    pub text: String,
    pub parameters: database::Parameters,
    /// Of the session's intent.
    pub read_only: bool,
}

struct Shared {
    folder: tempfile::TempDir,
    file: PathBuf,
    identity: Option<tls::Identity>,
    password: Mutex<String>,
    token: Mutex<Option<String>>,
    faults: Faults,
    logins: Mutex<Vec<Login>>,
    statements: Mutex<Vec<Statement>>,
    not_understood: Mutex<Vec<String>>,
    replica: Mutex<Option<PathBuf>>,
    sockets: Mutex<HashMap<u64, TcpStream>>,
    numbers: AtomicU64,
    sessions: AtomicUsize,
    most_sessions: AtomicUsize,
    stopped: AtomicBool,
}

/// Counts a session for as long as it is there.
struct Present<'a>(&'a Shared);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn present(&self) -> Present<'_> {
        let now = self.sessions.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_sessions.fetch_max(now, Ordering::SeqCst);
        Present(self)
    }

    fn next_transaction(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn refusal(&self, login: &Login) -> Option<Refusal> {
        let known = match &login.token {
            Some(token) => self.token.lock().unwrap().as_ref() == Some(token),
            None => login.user == USER && login.password == *self.password.lock().unwrap(),
        };
        if !known {
            return Some(Refusal::new(18456, format!("Login failed for user '{}'.", login.user)));
        }
        (login.database != DATABASE).then(|| Refusal::new(4060, format!("Cannot open database \"{}\"", login.database)))
    }
}

/// A server of its own; its sessions end with it. Dropping it fails when it met a statement that it does not
/// know.
pub struct SqlServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<thread::JoinHandle<()>>,
}

impl SqlServer {
    /// Without encryption.
    pub fn start() -> Self {
        Self::start_with(|_| None)
    }

    /// With encryption, under a certificate of an own authority.
    pub fn start_encrypted() -> Self {
        Self::start_with(|folder| Some(tls::Identity::make(folder)))
    }

    fn start_with(identity: impl FnOnce(&std::path::Path) -> Option<tls::Identity>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reporting.db");
        database::create(&file);
        let shared = Arc::new(Shared {
            identity: identity(folder.path()),
            folder,
            file,
            password: Mutex::new("correct horse".to_owned()),
            token: Mutex::default(),
            faults: Faults::default(),
            logins: Mutex::default(),
            statements: Mutex::default(),
            not_understood: Mutex::default(),
            replica: Mutex::default(),
            sockets: Mutex::default(),
            numbers: AtomicU64::default(),
            sessions: AtomicUsize::default(),
            most_sessions: AtomicUsize::default(),
            stopped: AtomicBool::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = shared.clone();
        let accepting = Some(thread::spawn(move || accept(&listener, &serving)));
        Self { shared, address, accepting }
    }

    /// Server and database of a connection string, with what the server's encryption needs.
    pub fn target(&self) -> String {
        let encryption = match &self.shared.identity {
            None => "Encrypt=DANGER_PLAINTEXT".to_owned(),
            Some(identity) => format!("TrustServerCertificateCA={}", identity.authority.display()),
        };
        format!("Server=tcp:localhost,{};Database={DATABASE};{encryption}", self.port())
    }

    /// A connection string with the user and the right password.
    pub fn url(&self) -> String {
        format!("{};User ID={USER};Password='{}'", self.target(), self.shared.password.lock().unwrap())
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// From now on this password is the right one.
    pub fn set_password(&self, password: &str) {
        password.clone_into(&mut self.shared.password.lock().unwrap());
    }

    /// From now on this token is let in.
    pub fn set_token(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    /// The replica shows what is stored now, until it is told to follow.
    pub fn hold_replica(&self) {
        let copy = self.shared.folder.path().join(format!("replica-{}.db", self.shared.next_transaction()));
        database::copy(&self.shared.file, &copy);
        *self.shared.replica.lock().unwrap() = Some(copy);
    }

    pub fn release_replica(&self) {
        *self.shared.replica.lock().unwrap() = None;
    }

    /// Closes all connections.
    pub fn disconnect(&self) {
        for socket in self.shared.sockets.lock().unwrap().values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn logins(&self) -> Vec<Login> {
        self.shared.logins.lock().unwrap().clone()
    }

    pub fn statements(&self) -> Vec<Statement> {
        self.shared.statements.lock().unwrap().clone()
    }

    /// How many requests there were that begin so.
    pub fn count(&self, request: &str) -> usize {
        self.shared.statements.lock().unwrap().iter().filter(|one| one.text.starts_with(request)).count()
    }

    /// The sessions that are logged in.
    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::SeqCst)
    }

    /// The most sessions that were logged in at a time.
    pub fn most_sessions(&self) -> usize {
        self.shared.most_sessions.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, socket) in (0..).zip(listener.incoming()) {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(socket), shared) = (socket, shared.clone()) else { continue };
        if let Ok(copy) = socket.try_clone() {
            shared.sockets.lock().unwrap().insert(number, copy);
        }
        thread::spawn(move || {
            // A client that goes away is no fault of the server.
            let _ = session::serve(socket, &shared);
            if let Some(socket) = shared.sockets.lock().unwrap().remove(&number) {
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Drop for SqlServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.faults.stop();
        self.disconnect();
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let unknown = self.shared.not_understood.lock().unwrap().clone();
        if !thread::panicking() {
            assert!(unknown.is_empty(), "statements that the server does not know: {unknown:#?}");
        } else if !unknown.is_empty() {
            eprintln!("statements that the server does not know: {unknown:#?}");
        }
    }
}
