//! What a hit in this process's memory costs, and how many requests a second the program answers with a list
//! of products out of its caches, beside a bare warp server that sends the same bytes.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use pravis::adapters::cache::MemoryInvalidations;
use pravis::caching::{Cached, Caches, PerTenant, table};
use pravis::ports::clock::SystemClock;
use pravis::types::TenantId;
use warp::Filter;

static LIST: Cached<PerTenant, Vec<u8>> = Cached::in_process(&table::PRODUCT_ANSWERS, Vec::len);

/// Connections that ask at once, and for how long.
const CONNECTIONS: u32 = 8;
const TIME: Duration = Duration::from_secs(5);

/// Requests come by this Front Door, each from an address of its own: one client would soon be told to wait.
const FRONT_DOOR: &str = "00000000-0000-0000-0000-000000000001";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    hit(&mut criterion);
    criterion.final_summary();
    load();
}

fn hit(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let caches = Caches::new(64 << 20, None, Arc::new(MemoryInvalidations::new()), Arc::new(SystemClock));
    let tenant = TenantId::pravis();
    let get = || async {
        let load = || async { Ok(vec![b'x'; 13_000]) };
        caches.get_or_load(&LIST, &tenant, "a page of products", load).await.expect("a load that cannot fail")
    };
    runtime.block_on(get());
    criterion.bench_function("hit in process", |bencher| bencher.iter(|| black_box(runtime.block_on(get()))));
}

/// A running program that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn load() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_handler"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .env("PRAVIS_LOG", "error")
        .env("FRONT_DOOR_ID", FRONT_DOOR)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let running = Running(child);
    let address: SocketAddr =
        lines.find_map(|line| line.ok()?.split_once("http://")?.1.trim().parse().ok()).expect("it prints its address");
    // Once the change feed has told of the samples, nothing is read any more.
    std::thread::sleep(Duration::from_secs(3));
    let body = ask(&mut TcpStream::connect(address).expect("it listens"), 0);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let bare = listener.local_addr().expect("its address");
    let filter = warp::any().map(move || warp::reply::with_header(body.clone(), "content-type", "application/json"));
    runtime.spawn(warp::serve(filter).incoming(listener).run());
    let (ours, theirs) = (per_second(address), per_second(bare));
    println!("a list of products      {ours:.0} requests/s   bare warp {theirs:.0}   ratio {:.2}", ours / theirs);
    drop(running);
}

/// Requests a second over some connections that stay open.
fn per_second(address: SocketAddr) -> f64 {
    let began = Instant::now();
    let asking = |connection: u32| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let mut count = 0_u32;
        while began.elapsed() < TIME {
            black_box(ask(&mut stream, connection << 20 | count));
            count += 1;
        }
        count
    };
    let total: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|connection| scope.spawn(move || asking(connection))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it asks")).sum()
    });
    f64::from(total) / began.elapsed().as_secs_f64()
}

/// One request, of the client that a number stands for; gives the body of its answer.
fn ask(stream: &mut TcpStream, client: u32) -> Vec<u8> {
    let client = Ipv4Addr::from_bits(0x0A00_0000 | client);
    let request = format!(
        "GET /api/v1/products?lang=en-IN HTTP/1.1\r\nhost: localhost\r\nx-azure-fdid: {FRONT_DOOR}\r\n\
         x-azure-socketip: {client}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it takes a request");
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut chunk).expect("it answers");
        assert!(count > 0, "it hung up");
        received.extend_from_slice(&chunk[..count]);
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .expect("it says how long the answer is");
        if received.len() >= end + 4 + length {
            return received.split_off(end + 4);
        }
    }
}
