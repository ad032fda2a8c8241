//! How soon a changed price is seen by the application that it was not told to: two of them over one Redis and one
//! store of documents, a thousand changes, with Redis restarted half-way. Needs `redis-server`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pravis::app::{Application, build_at};
use pravis::caching::Change;
use pravis::containers::CATALOGUE;
use pravis::ports::clock::SystemClock;
use pravis::ports::documents::{NewDocument, PartitionKey};
use pravis::services::shop;
use pravis::settings::Settings;
use pravis::state::AppState;
use pravis::types::{Paise, ProductId, TenantId};
use serde_json::{Map, Value};

const CHANGES: u64 = 1_000;

/// A Redis server that ends with its value.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(port: u16) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server; tests/install.sh redis installs it");
        Self { child, port }
    }

    /// Ends it, and starts it again with nothing of what it knew.
    fn restart(&mut self) {
        self.end();
        *self = Self::start(self.port);
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let mut redis = Redis::start(port);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (told, other) = (node(&dir, port).await, node(&dir, port).await);
    for node in [&told, &other] {
        until(async || node.invalidations.is_hearing()).await;
    }
    let products = shop::snapshot(&told, &TenantId::pravis()).await.expect("a catalogue");
    let product = products.products().first().expect("the samples").id.clone();
    let (mut times, mut across) = (Vec::new(), Duration::ZERO);
    for number in 1..=CHANGES {
        if number == CHANGES / 2 {
            redis.restart();
        }
        let price = Paise(number * 100);
        write(&told, &product, price).await;
        let written = Instant::now();
        // As the change feed does: again and again until it is told.
        let change = [Change::catalogue(&TenantId::pravis())];
        until(async || told.caches.changed(&change).await.is_ok()).await;
        until(async || seen(&other, &product).await == price).await;
        times.push(written.elapsed());
        if number == CHANGES / 2 {
            across = written.elapsed();
        }
    }
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "a change seen by the other process after p50 {:.1} ms   p95 {:.1}   p99 {:.1}   max {:.1}   across a restart of Redis {:.1}",
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        across.as_secs_f64() * 1e3
    );
}

async fn node(dir: &tempfile::TempDir, port: u16) -> AppState {
    let variables = [
        ("PRAVIS_DATA_DIR".to_owned(), dir.path().to_string_lossy().into_owned()),
        ("REDIS_URL".to_owned(), format!("redis://127.0.0.1:{port}")),
    ];
    let settings = Settings::from_variables(&variables.into_iter().collect()).expect("good settings");
    let Application { state, .. } = build_at(settings, Arc::new(SystemClock)).await.expect("an application");
    state
}

async fn write(node: &AppState, product: &ProductId, price: Paise) {
    let partition = PartitionKey::of(["pravis", "product"]);
    let document = node.documents.read(&CATALOGUE, &partition, product.as_str()).await.expect("it can be read");
    let mut body: Map<String, Value> = document.expect("it is there").read().expect("a product");
    body.insert("pricePaise".into(), price.0.into());
    let document = NewDocument::new(product.as_str(), &body).expect("a document");
    node.documents.upsert(&CATALOGUE, &partition, document).await.expect("it can be written");
}

async fn seen(node: &AppState, product: &ProductId) -> Paise {
    let catalogue = shop::snapshot(node, &TenantId::pravis()).await.expect("a catalogue");
    catalogue.get(product).expect("the product").price_paise
}

async fn until(holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "it did not come to hold");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
