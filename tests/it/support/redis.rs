//! Redis servers of the tests' own: alone and as a cluster, with and without TLS, to be killed, stopped
//! and started again. None outlives the process of the tests.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};
use tempfile::TempDir;

use super::process::eventually;

type Order = (Command, Sender<std::io::Result<Child>>);

/// The thread that starts the servers. `setpriv --pdeathsig` kills them when it ends, which is when the
/// process does; a test's own thread ends with the test.
static NURSERY: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, ordered) = channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in ordered {
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(orders)
});

fn spawn(command: Command) -> Child {
    let (answer, answered) = channel();
    NURSERY.lock().unwrap().send((command, answer)).unwrap();
    answered.recv().unwrap().expect("setpriv and redis-server; tests/install.sh redis installs them")
}

/// Certificates for `localhost`, and who issued them.
pub struct Certificates {
    /// PEM, to be trusted.
    pub root: Vec<u8>,
    directory: TempDir,
}

impl Certificates {
    pub fn new() -> Self {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate whose issuer has its own name for self-signed.
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap().pem();
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("root.pem", &root), ("leaf.pem", &leaf), ("key.pem", &key.serialize_pem())] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self { root: root.into_bytes(), directory }
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }
}

/// One server on ports of its own. Dropping it kills it.
pub struct Server {
    child: Option<Child>,
    arguments: Vec<String>,
    directory: TempDir,
    /// For TCP as it is.
    pub port: u16,
    /// For TLS, where the server has certificates.
    pub tls_port: u16,
}

impl Server {
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_with(None, arguments).await
    }

    pub async fn start_with(certificates: Option<&Certificates>, arguments: &[&str]) -> Self {
        let [port, tls_port, bus_port] = free_ports();
        let directory = tempfile::tempdir().unwrap();
        let mut all: Vec<String> = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"]
            .map(str::to_owned)
            .to_vec();
        all.extend(["--port".to_owned(), port.to_string()]);
        all.extend(["--dir".to_owned(), directory.path().to_str().unwrap().to_owned()]);
        if let Some(certificates) = certificates {
            let files = [("ca-cert", "root.pem"), ("cert", "leaf.pem"), ("key", "key.pem")];
            all.extend(
                files.into_iter().flat_map(|(kind, name)| [format!("--tls-{kind}-file"), certificates.file(name)]),
            );
            all.extend(["--tls-auth-clients", "no", "--tls-port"].map(str::to_owned));
            all.push(tls_port.to_string());
        }
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        if arguments.contains(&"--cluster-enabled") {
            all.extend(["--cluster-port".to_owned(), bus_port.to_string()]);
        }
        let mut server = Self { child: None, arguments: all, directory, port, tls_port };
        server.restart().await;
        server
    }

    /// Starts it again where it was, with nothing of what it knew.
    pub async fn restart(&mut self) {
        self.kill();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server"]).args(&self.arguments);
        let log = std::fs::File::create(self.log()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(spawn(command));
        eventually("a Redis that answers", async || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("redis-server: {status}: {}", std::fs::read_to_string(self.log()).unwrap());
            }
            answers(self.port).await.then_some(())
        })
        .await;
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// Stops it where it is: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("a running server").id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
        assert!(sent.success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.tls_port)
    }

    /// A connection past everything that is tested; `login` is `user:password@` or nothing.
    pub async fn admin(&self, login: &str) -> MultiplexedConnection {
        let client = Client::open(format!("redis://{login}127.0.0.1:{}", self.port)).unwrap();
        let patient = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(30)))
            .set_response_timeout(Some(Duration::from_secs(30)));
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }

    /// Cuts the connections of all clients that are subscribed (`pubsub`) or not (`normal`).
    pub async fn cut(&self, kind: &str) {
        let mut admin = self.admin("").await;
        cmd("CLIENT").arg(&["KILL", "TYPE", kind, "SKIPME", "yes"]).exec_async(&mut admin).await.unwrap();
    }

    fn log(&self) -> std::path::PathBuf {
        Path::new(self.directory.path()).join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three nodes that share the slots.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    pub async fn start(certificates: Option<&Certificates>) -> Self {
        let mut arguments = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
        if certificates.is_some() {
            arguments.extend(["--tls-cluster", "yes"]);
        }
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Server::start_with(certificates, &arguments).await);
        }
        let mut admins = Vec::new();
        for (node, slots) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
            let mut admin = node.admin("").await;
            let own = cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(slots.0).arg(slots.1).exec_async(&mut admin).await;
            own.unwrap();
            admins.push(admin);
        }
        for node in &nodes[1..] {
            let port = if certificates.is_some() { node.tls_port } else { node.port };
            let bus = node.arguments.last().unwrap();
            let meet = cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(port).arg(bus).exec_async(&mut admins[0]).await;
            meet.unwrap();
        }
        for mut admin in admins {
            eventually("a cluster whose nodes know each other", async || {
                let info: String = cmd("CLUSTER").arg("INFO").query_async(&mut admin).await.unwrap();
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")).then_some(())
            })
            .await;
        }
        Self { nodes }
    }
}

/// Ports that are free now, all different.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

async fn answers(port: u16) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut answer = [0; 1];
    // Also a refusal for want of a password is an answer.
    stream.write_all(b"PING\r\n").await.is_ok() && stream.read_exact(&mut answer).await.is_ok()
}
