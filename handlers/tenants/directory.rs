use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::Tenant;
use crate::containers::TENANTS;
use crate::ports::documents::{DocumentStore, Filter, Home, Homes, Query, Scope, Writes};
use crate::ports::{PortError, PortResult, spent};
use crate::types::{DatabaseName, Placement, TenantId};

/// Records that a process keeps in mind, and hence that there may be.
pub const TENANTS_READ_MOST: usize = 5000;
const PAGE: usize = 1000;
/// A process that failed to read the records leaves the database alone for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// What a request waits for records that it can do without.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the last known place of documents is good for reading while no newer one can be had.
const STALE: Duration = Duration::from_secs(600);

/// What this process knows of all tenants: read as a whole, and again after a short life or when another
/// process tells of a change. Cheap to clone.
///
/// The life is a promise to those who move documents: a write that is let through was checked against records
/// that were asked for less than this long ago.
#[derive(Clone)]
pub struct TenantDirectory(Arc<Directory>);

struct Directory {
    documents: Arc<dyn DocumentStore>,
    life: Duration,
    memory: Mutex<Memory>,
    /// Held by the one who reads the records.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Memory {
    known: Option<Known>,
    /// Records that were asked for before are not believed.
    doubted: Option<Instant>,
    failed: Option<(Instant, Arc<PortError>)>,
}

#[derive(Clone)]
struct Known {
    /// Before the first question, so that nothing is older than it seems.
    asked: Instant,
    tenants: Arc<Tenants>,
}

/// All records at one moment.
#[derive(Default)]
struct Tenants {
    by_id: HashMap<TenantId, Arc<Tenant>>,
    by_host: HashMap<String, TenantId>,
    databases: Vec<DatabaseName>,
}

impl TenantDirectory {
    /// `documents` is the store of the shared database.
    pub fn new(documents: Arc<dyn DocumentStore>, life: Duration) -> Self {
        let memory = Mutex::default();
        Self(Arc::new(Directory { documents, life, memory, reading: tokio::sync::Mutex::default() }))
    }

    /// The record of a tenant, if there is one, as far as this process knows: when records cannot be read
    /// in a moment, the last known ones count, and without any there is none.
    pub async fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.0.at_hand().await.by_id.get(id).cloned()
    }

    /// The tenant whose storefront is at `host`, as far as this process knows.
    pub async fn at_host(&self, host: &str) -> Option<TenantId> {
        self.0.at_hand().await.by_host.get(host).cloned()
    }

    /// A record was changed, here or in another process.
    pub fn forget(&self) {
        self.0.memory().doubted = Some(Instant::now());
    }
}

#[async_trait]
impl Homes for TenantDirectory {
    async fn of(&self, tenant: &str) -> PortResult<Home> {
        let (tenants, is_certain) = match self.fresh().await {
            Ok(tenants) => (tenants, true),
            Err(error) => match self.0.remembered(STALE) {
                Some(tenants) => (tenants, false),
                None => return Err(error),
            },
        };
        let record = tenant.parse::<TenantId>().ok().and_then(|id| tenants.by_id.get(&id).cloned());
        let home =
            record.map_or(Home { placement: Placement::Shared, writes: Writes::Allowed }, |tenant| tenant.home());
        Ok(if is_certain { home } else { Home { writes: Writes::Uncertain, ..home } })
    }

    async fn dedicated(&self) -> PortResult<Vec<DatabaseName>> {
        Ok(self.fresh().await?.databases.clone())
    }
}

impl TenantDirectory {
    /// Records within their life. In its second half they are read anew beside the request.
    async fn fresh(&self) -> PortResult<Arc<Tenants>> {
        match self.0.within(self.0.life) {
            Some(known) => {
                if known.asked.elapsed() > self.0.life / 2 && self.0.reading.try_lock().is_ok() {
                    let directory = self.0.clone();
                    tokio::spawn(async move { directory.renewed(directory.life / 2).await.map(drop) });
                }
                Ok(known.tenants)
            }
            None => self.0.renewed(self.0.life).await,
        }
    }
}

impl Directory {
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, when it was asked for within `age` and nobody told of a change since.
    fn within(&self, age: Duration) -> Option<Known> {
        let memory = self.memory();
        let doubted = memory.doubted;
        memory
            .known
            .clone()
            .filter(|known| known.asked.elapsed() < age && doubted.is_none_or(|doubted| known.asked > doubted))
    }

    fn remembered(&self, age: Duration) -> Option<Arc<Tenants>> {
        self.memory().known.as_ref().filter(|known| known.asked.elapsed() < age).map(|known| known.tenants.clone())
    }

    /// The records, read unless somebody did so meanwhile.
    async fn renewed(&self, age: Duration) -> PortResult<Arc<Tenants>> {
        if let Some(error) = self.failed_lately() {
            return Err(error);
        }
        let _turn = self.reading.lock().await;
        if let Some(known) = self.within(age) {
            return Ok(known.tenants);
        }
        if let Some(error) = self.failed_lately() {
            return Err(error);
        }
        let asked = Instant::now();
        // They serve all requests of their life, so none of them is charged.
        match spent::counted(read(&*self.documents)).await.0 {
            Ok(tenants) => {
                let tenants = Arc::new(tenants);
                let mut memory = self.memory();
                memory.known = Some(Known { asked, tenants: tenants.clone() });
                memory.failed = None;
                Ok(tenants)
            }
            Err(error) => {
                tracing::warn!(%error, "records of tenants not read");
                self.memory().failed = Some((Instant::now(), Arc::new(error.again())));
                Err(error)
            }
        }
    }

    fn failed_lately(&self) -> Option<PortError> {
        let memory = self.memory();
        memory.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE).map(|(_, error)| error.again())
    }

    /// The records as far as they can be had in a moment.
    async fn at_hand(&self) -> Arc<Tenants> {
        if let Some(known) = self.within(self.life) {
            return known.tenants;
        }
        match tokio::time::timeout(PATIENCE, self.renewed(self.life)).await {
            Ok(Ok(tenants)) => return tenants,
            Ok(Err(_)) => {}
            Err(_) => {
                let error = PortError::unavailable("records of tenants not read in time");
                self.memory().failed = Some((Instant::now(), Arc::new(error)));
            }
        }
        self.remembered(Duration::MAX).unwrap_or_default()
    }
}

async fn read(documents: &dyn DocumentStore) -> PortResult<Tenants> {
    let mut tenants = Tenants::default();
    let mut databases = BTreeSet::new();
    let mut continuation = None;
    loop {
        let filters = vec![Filter::Equal("kind", Tenant::KIND.into())];
        let query = Query { filters, limit: PAGE, continuation, ..Query::default() };
        let page = documents.query(&TENANTS, Scope::Container, query).await?;
        for document in page.items {
            let tenant: Tenant = document.read()?;
            databases.extend(tenant.placement.database().cloned());
            for host in &tenant.hosts {
                tenants.by_host.insert(host.clone(), tenant.id.clone());
            }
            tenants.by_id.insert(tenant.id.clone(), Arc::new(tenant));
        }
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
        if tenants.by_id.len() >= TENANTS_READ_MOST {
            return Err(PortError::corrupt(format!("more than {TENANTS_READ_MOST} tenants")));
        }
    }
    tenants.databases = databases.into_iter().collect();
    Ok(tenants)
}
