use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;

use super::{Tier, TierTable};
use crate::containers::CATALOGUE;
use crate::ports::documents::{DocumentStore, PartitionKey};
use crate::ports::{PortError, PortResult, spent};
use crate::types::{TenantId, TierId};

/// The document of a tenant's table, in the partition of the same name.
const ID: &str = "tiers";
/// How long a table is believed: a change whose news is lost is noticed within this time.
const LIFE: Duration = Duration::from_secs(60);
/// After a failure nothing is asked for so long.
const PAUSE: Duration = Duration::from_secs(5);
/// What a request waits for a table of which nothing is known yet; then the built-in one holds.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a table is remembered that nobody asks for.
const REMEMBERED: Duration = Duration::from_secs(3600);
const MAX_TENANTS: u64 = 1024;

/// Where a tenant's table is: the partition of [`CATALOGUE`] and the id.
pub fn partition(tenant: &TenantId) -> (PartitionKey, &'static str) {
    (PartitionKey::of([tenant.as_str(), ID]), ID)
}

/// The tier tables of the tenants that this process serves; cheap to clone. A request waits for the first
/// reading at most: later ones go on beside requests.
#[derive(Clone)]
pub struct Tiers(Arc<Inner>);

struct Inner {
    documents: Arc<dyn DocumentStore>,
    known: Cache<TenantId, Known>,
    /// Counts what was forgotten, so that a reading that began before is not believed.
    forgotten: AtomicU64,
}

#[derive(Clone)]
struct Known {
    table: Arc<TierTable>,
    until: Instant,
    /// Whether it was read just then, not assumed.
    certain: bool,
    /// Whether somebody reads a newer one.
    renewing: Arc<AtomicBool>,
}

impl Known {
    fn read(table: Arc<TierTable>) -> Self {
        Self { table, until: Instant::now() + LIFE, certain: true, renewing: Arc::default() }
    }

    fn assumed(table: Arc<TierTable>) -> Self {
        Self { table, until: Instant::now() + PAUSE, certain: false, renewing: Arc::default() }
    }
}

impl Tiers {
    pub fn new(documents: Arc<dyn DocumentStore>) -> Self {
        let known = Cache::builder().max_capacity(MAX_TENANTS).time_to_live(REMEMBERED).build();
        Self(Arc::new(Inner { documents, known, forgotten: AtomicU64::new(0) }))
    }

    /// The table of a tenant, as far as this process knows; the built-in one when the tenant has none, or
    /// none can be read.
    pub async fn of(&self, tenant: &TenantId) -> Arc<TierTable> {
        let Some(known) = self.0.known.get(tenant).await else { return self.first(tenant).await };
        if known.until <= Instant::now() && !known.renewing.swap(true, Ordering::Relaxed) {
            let (inner, tenant, last) = (self.0.clone(), tenant.clone(), known.table.clone());
            tokio::spawn(async move { inner.renew(&tenant, last).await });
        }
        known.table
    }

    /// What a tier of a tenant allows.
    pub async fn tier(&self, tenant: &TenantId, tier: &TierId) -> Tier {
        self.of(tenant).await.tier(tier).clone()
    }

    /// The table of a tenant as it was read within the last minute, for what cannot be undone.
    ///
    /// # Errors
    /// Those of the documents: nothing is assumed.
    pub async fn certain(&self, tenant: &TenantId) -> PortResult<Arc<TierTable>> {
        let forgotten = self.0.forgotten.load(Ordering::Acquire);
        let fresh = |known: &Known| known.certain && known.until > Instant::now();
        if let Some(known) = self.0.known.get(tenant).await.filter(fresh) {
            return Ok(known.table);
        }
        let table = self.0.read(tenant).await?;
        if self.0.forgotten.load(Ordering::Acquire) == forgotten {
            self.0.known.insert(tenant.clone(), Known::read(table.clone())).await;
        }
        Ok(table)
    }

    /// A tenant's table was changed, here or on another instance.
    pub async fn forget(&self, tenant: &TenantId) {
        self.0.forgotten.fetch_add(1, Ordering::AcqRel);
        self.0.known.invalidate(tenant).await;
    }

    /// News may have been missed.
    pub fn doubt(&self) {
        self.0.forgotten.fetch_add(1, Ordering::AcqRel);
        self.0.known.invalidate_all();
    }

    async fn first(&self, tenant: &TenantId) -> Arc<TierTable> {
        let forgotten = self.0.forgotten.load(Ordering::Acquire);
        let reading = async {
            match tokio::time::timeout(PATIENCE, self.0.read(tenant)).await {
                Ok(Ok(table)) => Known::read(table),
                Ok(Err(error)) => without(&error),
                Err(_) => without(&PortError::unavailable("no answer in time")),
            }
        };
        let known = self.0.known.get_with_by_ref(tenant, reading).await;
        if self.0.forgotten.load(Ordering::Acquire) != forgotten {
            // Who comes next reads what is there now.
            self.0.known.invalidate(tenant).await;
        }
        known.table
    }
}

/// What is assumed for a moment when a table cannot be read.
fn without(error: &PortError) -> Known {
    tracing::warn!(%error, "tier table not read; the built-in one holds");
    Known::assumed(Arc::new(TierTable::built_in().clone()))
}

impl Inner {
    async fn read(&self, tenant: &TenantId) -> PortResult<Arc<TierTable>> {
        let (partition, id) = partition(tenant);
        // It serves all requests of its life, so none of them is charged.
        let found = spent::counted(self.documents.read(&CATALOGUE, &partition, id)).await.0?;
        let table = found.map(|document| document.read()).transpose()?;
        Ok(Arc::new(table.unwrap_or_else(|| TierTable::built_in().clone())))
    }

    async fn renew(&self, tenant: &TenantId, last: Arc<TierTable>) {
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let known = match self.read(tenant).await {
            Ok(table) => Known::read(table),
            Err(error) => {
                tracing::warn!(%error, "tier table not read; the last one holds");
                Known::assumed(last)
            }
        };
        if self.forgotten.load(Ordering::Acquire) == forgotten {
            self.known.insert(tenant.clone(), known).await;
        }
    }
}
