//! The catalogue's documents: partition `(tenant, kind)`, with kinds `product`, `category` and
//! `policy`.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caching::{CacheStatus, Cached, PerTenant, table};
use crate::catalogue::{Category, Policy, Product, Snapshot, product_id};
use crate::containers::CATALOGUE;
use crate::error::{Error, Result};
use crate::ports::documents::{DocumentStore, NewDocument, Operation, PartitionKey, Query, Scope};
use crate::seed;
use crate::state::AppState;
use crate::types::TenantId;

pub(super) const PRODUCT: &str = "product";
const CATEGORY: &str = "category";
const POLICY: &str = "policy";

/// Operations of a transactional batch at most.
const BATCH: usize = 100;

static SNAPSHOTS: Cached<PerTenant, Snapshot> =
    Cached::shared(&table::CATALOGUE, Snapshot::weight, Snapshot::to_bytes, Snapshot::from_bytes);

/// The tenant's catalogue in memory, read when there is none or it is too old. When it cannot be read,
/// the one of the last hour is shown: shoppers see the shop while its database is away.
///
/// # Errors
/// Those of reading the catalogue, where there is none to show.
pub async fn snapshot(state: &AppState, tenant: &TenantId) -> Result<Arc<Snapshot>> {
    Ok(snapshot_and_status(state, tenant).await?.0)
}

/// The same, with how it came out of the cache.
///
/// # Errors
/// As [`snapshot`].
pub async fn snapshot_and_status(state: &AppState, tenant: &TenantId) -> Result<(Arc<Snapshot>, CacheStatus)> {
    let (documents, owner) = (state.documents.clone(), tenant.clone());
    let read = move || async move { read(documents.as_ref(), &owner).await };
    state.caches.get_or_load(&SNAPSHOTS, tenant, "", read).await
}

async fn read(documents: &dyn DocumentStore, tenant: &TenantId) -> Result<Snapshot> {
    let products: Vec<Product> = all(documents, tenant, PRODUCT).await?;
    let categories: Vec<Category> = all(documents, tenant, CATEGORY).await?;
    let policies: Vec<Policy> = all(documents, tenant, POLICY).await?;
    AppState::blocking(move || Snapshot::new(products, categories, policies)).await
}

/// Every document of a partition, page by page.
async fn all<T: DeserializeOwned>(documents: &dyn DocumentStore, tenant: &TenantId, kind: &str) -> Result<Vec<T>> {
    let partition = PartitionKey::of([tenant.as_str(), kind]);
    let mut found = Vec::new();
    let mut continuation = None;
    loop {
        let query = Query { limit: 500, continuation, ..Query::default() };
        let page = documents.query(&CATALOGUE, Scope::Partition(&partition), query).await?;
        for document in &page.items {
            found.push(document.read()?);
        }
        continuation = page.next;
        if continuation.is_none() {
            return Ok(found);
        }
    }
}

/// Fills a tenant's empty catalogue with the samples; gives the number of products written, 0 when
/// there is a catalogue. Writing twice gives the same documents.
pub async fn seed(documents: &dyn DocumentStore, tenant: &TenantId) -> Result<usize> {
    let products = PartitionKey::of([tenant.as_str(), PRODUCT]);
    let first = Query { limit: 1, ..Query::default() };
    if !documents.query(&CATALOGUE, Scope::Partition(&products), first).await?.items.is_empty() {
        return Ok(0);
    }
    let Samples { products: samples, categories, policies } = samples()?;
    let count = samples.len();
    write(documents, tenant, CATEGORY, categories.into_iter().map(|category| (category.id.clone(), category))).await?;
    write(documents, tenant, POLICY, policies.into_iter().map(|policy| (policy.topic.clone(), policy))).await?;
    // Products come last: their presence says that the seed is whole.
    write(documents, tenant, PRODUCT, samples.into_iter().map(|product| (product.id.to_string(), product))).await?;
    Ok(count)
}

/// The catalogue that [`seed()`] writes, in memory.
///
/// # Errors
/// An internal error when the samples cannot be read.
pub fn sample_catalogue() -> Result<Snapshot> {
    let Samples { products, categories, policies } = samples()?;
    Ok(Snapshot::new(products, categories, policies))
}

/// The samples in the form in which they are stored.
struct Samples {
    products: Vec<Product>,
    categories: Vec<Category>,
    policies: Vec<Policy>,
}

fn samples() -> Result<Samples> {
    let category = |category: seed::SeedCategory| {
        let seed::SeedCategory { id, name, group, position } = category;
        Category { id, name, group, position }
    };
    let policy = |policy: seed::SeedPolicy| {
        let seed::SeedPolicy { topic, sample, notice, title, summary, body } = policy;
        Policy { topic, sample, notice, title, summary, body }
    };
    Ok(Samples {
        products: seed::products().map_err(Error::internal)?.into_iter().map(product).collect::<Result<_>>()?,
        categories: seed::categories().map_err(Error::internal)?.into_iter().map(category).collect(),
        policies: seed::policies().map_err(Error::internal)?.into_iter().map(policy).collect(),
    })
}

async fn write<T: Serialize>(
    documents: &dyn DocumentStore,
    tenant: &TenantId,
    kind: &str,
    items: impl Iterator<Item = (String, T)>,
) -> Result<()> {
    let partition = PartitionKey::of([tenant.as_str(), kind]);
    let operations: Vec<Operation> =
        items.map(|(id, item)| Ok(Operation::Upsert(NewDocument::new(id, &item)?))).collect::<Result<_>>()?;
    for batch in operations.chunks(BATCH) {
        documents.batch(&CATALOGUE, &partition, batch.to_vec()).await.map_err(|error| Error::from(error.error))?;
    }
    Ok(())
}

fn product(sample: seed::SeedProduct) -> Result<Product> {
    Ok(Product {
        id: product_id(&sample.key, sample.added_on).map_err(Error::internal)?,
        sku: sample.sku,
        category: sample.category,
        subcategory: sample.subcategory,
        fabric: sample.fabric,
        weave: sample.weave,
        origin: sample.origin,
        colors: sample.colors,
        sizes: sample.sizes,
        occasions: sample.occasions,
        care: sample.care,
        price_paise: sample.price_paise,
        original_price_paise: sample.original_price_paise,
        stock: sample.stock,
        rating: sample.rating,
        review_count: sample.review_count,
        featured: sample.featured,
        is_new: sample.is_new,
        added_on: sample.added_on,
        tags: sample.tags,
        images: sample.image,
        name: sample.name,
        description: sample.description,
    })
}
