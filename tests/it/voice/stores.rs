//! What a server left in its data directory, read past the API.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pravis::adapters::blobs::DirectoryBlobs;
use pravis::adapters::documents::SqliteDocuments;
use pravis::adapters::reporting::SqliteReporting;
use pravis::containers::{CUSTOMERS, DOCUMENT_CONTAINERS};
use pravis::ports::blobs::BlobStore;
use pravis::ports::clock::SystemClock;
use pravis::ports::documents::{DocumentStore, Filter, Query, Scope};
use pravis::ports::reporting::{Cell, Projection, ReportingDb, Select};
use pravis::services::analytics::TABLES;
use serde_json::{Value, json};

/// How long what a job leaves may stay after its end.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// The stores in a data directory, also of a server that runs.
pub struct Stores {
    blobs: DirectoryBlobs,
    documents: SqliteDocuments,
    reporting: SqliteReporting,
}

impl Stores {
    pub fn open(data_dir: &Path) -> Self {
        let clock = Arc::new(SystemClock);
        // The key only signs addresses, and none is asked for here.
        let blobs = DirectoryBlobs::open(&data_dir.join("blobs"), &[0; 32], "http://unused", clock.clone());
        let documents = SqliteDocuments::open(&data_dir.join("documents.db"), &DOCUMENT_CONTAINERS, clock);
        let reporting = SqliteReporting::open(&data_dir.join("reporting.db"));
        Self {
            blobs: blobs.expect("the blobs open"),
            documents: documents.expect("the documents open"),
            reporting: reporting.expect("the reports open"),
        }
    }

    /// Waits until a container of blobs is empty.
    pub async fn drained(&self, container: &'static str) {
        let deadline = Instant::now() + DRAIN_LIMIT;
        loop {
            let paths = self.paths(container).await;
            if paths.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{container} still holds {paths:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The paths of all blobs in a container.
    pub async fn paths(&self, container: &'static str) -> Vec<String> {
        let mut paths = Vec::new();
        let mut continuation = None;
        loop {
            let page = self.blobs.list(container, "", 1000, continuation).await.expect("the container lists");
            paths.extend(page.items.into_iter().map(|item| item.path));
            continuation = page.next;
            if continuation.is_none() {
                return paths;
            }
        }
    }

    /// All documents of a kind of all customers.
    pub async fn customer_documents(&self, kind: &str) -> Vec<Value> {
        let mut documents = Vec::new();
        let mut continuation = None;
        loop {
            let filters = vec![Filter::Equal("kind", json!(kind))];
            let query = Query { filters, limit: 1000, continuation, ..Query::default() };
            let page = self.documents.query(&CUSTOMERS, Scope::Container, query).await.expect("the query is answered");
            documents.extend(page.items.iter().map(|document| document.read::<Value>().expect("JSON")));
            continuation = page.next;
            if continuation.is_none() {
                return documents;
            }
        }
    }

    /// Event and outcome of every fact about a sample in the reporting database.
    pub async fn sample_facts(&self) -> Vec<(String, String)> {
        let table = TABLES.into_iter().find(|table| table.name == "voice_facts").expect("there are voice facts");
        let select = Select {
            table,
            projections: vec![Projection::Column("event_id"), Projection::Column("outcome")],
            filters: Vec::new(),
            order: Vec::new(),
            limit: 10_000,
        };
        let rows = self.reporting.select(select).await.expect("the report is answered");
        let facts = rows.into_iter().map(|row| match <[Cell; 2]>::try_from(row) {
            Ok([Cell::Text(event), Cell::Text(outcome)]) => (event, outcome),
            other => panic!("not two texts: {other:?}"),
        });
        facts.filter(|(_, outcome)| outcome.starts_with("voice.sample.")).collect()
    }
}
