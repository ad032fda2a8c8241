//! The catalogue's documents: partition `(tenant, kind)`, with kinds `product`, `category` and
//! `policy`. What staff's writes leave beside them in a partition (events, claims, history) has ids of its own
//! and is not read here.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::caching::{CacheStatus, Cached, PerTenant, table};
use crate::catalogue::{Category, Policy, Product, Snapshot, product_id};
use crate::containers::CATALOGUE;
use crate::error::{Error, Result};
use crate::ports::documents::{
    Document, DocumentStore, Filter, NewDocument, Operation, PartitionKey, Query, Scope, Ttl,
};
use crate::ports::{Condition, PortResult};
use crate::seed;
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{ProductId, TenantId};

pub(super) const PRODUCT: &str = "product";
pub(super) const CATEGORY: &str = "category";
pub(super) const POLICY: &str = "policy";

/// Operations of a transactional batch at most.
pub(super) const BATCH: usize = 100;
/// Products that are read at once.
const PAGE: usize = 500;

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
    let media_url = state.settings.media_url.clone();
    let read = move || async move { read(documents.as_ref(), &owner, &media_url).await };
    state.caches.get_or_load(&SNAPSHOTS, tenant, "", read).await
}

async fn read(documents: &dyn DocumentStore, tenant: &TenantId, media_url: &str) -> Result<Snapshot> {
    let mut products: Vec<Product> = read_all(&products(documents, tenant).await?)?;
    products.iter_mut().for_each(|product| product.locate_pictures(media_url));
    let categories: Vec<Category> = read_all(&entries(documents, tenant, CATEGORY).await?)?;
    let policies: Vec<Policy> = read_all(&entries(documents, tenant, POLICY).await?)?;
    AppState::blocking(move || Snapshot::new(products, categories, policies)).await
}

/// How many pieces a product's document says there are.
#[derive(Deserialize)]
pub(super) struct Pieces {
    pub stock: u32,
}

/// The document of a product, or `None`. One point read.
pub(super) async fn product_document(
    documents: &dyn DocumentStore,
    tenant: &TenantId,
    product: &ProductId,
) -> Result<Option<Document>> {
    Ok(documents.read(&CATALOGUE, &partition(tenant, PRODUCT), product.as_str()).await?)
}

/// Has the catalogue say how many pieces there are, in the version of the product that was read.
///
/// # Errors
/// The port's, which tells of a lost race.
pub(super) async fn write_pieces(
    documents: &dyn DocumentStore,
    tenant: &TenantId,
    read: &Document,
    pieces: u32,
) -> PortResult<()> {
    // Whatever else is in the document stays, also what this version of the program does not know.
    let mut body: Map<String, Value> = read.read()?;
    body.insert("stock".into(), pieces.into());
    let document = NewDocument { id: read.id.clone(), body, ttl: Ttl::Default };
    let condition = Condition::IfMatch(read.etag.clone());
    documents.replace(&CATALOGUE, &partition(tenant, PRODUCT), document, condition).await.map(drop)
}

fn read_all<T: DeserializeOwned>(documents: &[Document]) -> Result<Vec<T>> {
    documents.iter().map(|document| Ok(document.read()?)).collect()
}

/// What the ids of products begin with; the index of ids answers to it.
fn of_products() -> Vec<Filter> {
    vec![Filter::StartsWith("id", ProductId::PREFIX.to_owned())]
}

/// The documents of all products of a tenant, archived ones among them, by id.
///
/// # Errors
/// Those of the queries.
pub(super) async fn products(documents: &dyn DocumentStore, tenant: &TenantId) -> Result<Vec<Document>> {
    all(documents, tenant, PRODUCT, of_products()).await
}

/// The documents of all categories or policies of a tenant, by id. They are few, and so are the events beside
/// them.
///
/// # Errors
/// Those of the queries.
pub(super) async fn entries(documents: &dyn DocumentStore, tenant: &TenantId, kind: &str) -> Result<Vec<Document>> {
    let mut found = all(documents, tenant, kind, Vec::new()).await?;
    found.retain(|document| !outbox::holds(&document.id));
    Ok(found)
}

/// What a partition of the catalogue holds that fits the filters, page by page.
async fn all(
    documents: &dyn DocumentStore,
    tenant: &TenantId,
    kind: &str,
    filters: Vec<Filter>,
) -> Result<Vec<Document>> {
    let partition = partition(tenant, kind);
    let mut found = Vec::new();
    let mut continuation = None;
    loop {
        let query = Query { filters: filters.clone(), limit: PAGE, continuation, ..Query::default() };
        let page = documents.query(&CATALOGUE, Scope::Partition(&partition), query).await?;
        found.extend(page.items);
        continuation = page.next;
        if continuation.is_none() {
            return Ok(found);
        }
    }
}

/// The partition of a kind of the catalogue's documents.
pub(super) fn partition(tenant: &TenantId, kind: &str) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), kind])
}

/// Fills a tenant's empty catalogue with the samples; gives the number of products written, 0 when
/// there is a catalogue. Writing twice gives the same documents.
pub async fn seed(documents: &dyn DocumentStore, tenant: &TenantId) -> Result<usize> {
    let products = partition(tenant, PRODUCT);
    let first = Query { filters: of_products(), limit: 1, ..Query::default() };
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
    let partition = partition(tenant, kind);
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
        pictures: Vec::new(),
        name: sample.name,
        description: sample.description,
        version: 0,
        changed_at: None,
        archived_at: None,
    })
}
