//! Products as they are written: each write is one transactional batch in the partition of the tenant's products,
//! of the product, its history and its event. Two kinds of documents stand beside them: a claim for each sku,
//! under an id that is made of it, so that of two who use one the second is refused whoever they are; and the
//! head, which counts the products.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::draft::Draft;
use super::history::{Deed, Entry, differences};
use crate::audit::Origin;
use crate::caching::Change;
use crate::catalogue::Product;
use crate::containers::CATALOGUE;
use crate::error::{Code, Error, Result};
use crate::http::Request;
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::outbox;
use crate::services::shop::store::{self, BATCH, PRODUCT};
use crate::state::AppState;
use crate::types::{EventId, ProductId, TenantId};

/// Products of a tenant at most, archived ones among them: all of them are in the memory of each process.
pub const MOST_PRODUCTS: usize = 10_000;
/// How often a write is put upon what others wrote meanwhile.
pub const TURNS: usize = 8;
const HEAD: &str = "head";

/// What is known of all products together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    pub products: usize,
}

/// A sku that is in use.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    sku: String,
    product_id: ProductId,
}

/// The products of a tenant, and who writes them.
pub struct Shelf<'a> {
    state: &'a AppState,
    tenant: TenantId,
    actor: String,
    origin: Origin,
    now: DateTime<Utc>,
}

impl<'a> Shelf<'a> {
    /// Those of the caller's tenant.
    ///
    /// # Errors
    /// [`Code::NotAuthenticated`] for an anonymous caller.
    pub fn of(state: &'a AppState, request: &Request) -> Result<Self> {
        let principal = request.principal()?;
        let (tenant, actor) = (principal.tenant.clone(), principal.actor().to_owned());
        Ok(Self { state, tenant, actor, origin: Origin::of(request), now: state.clock.now() })
    }

    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The moment of the request: all that it writes is written at this time.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Where the products are.
    pub fn partition(&self) -> PartitionKey {
        store::partition(&self.tenant, PRODUCT)
    }

    /// A product and its version.
    ///
    /// # Errors
    /// [`Code::NotFound`], also for those of other tenants.
    pub async fn find(&self, id: &ProductId) -> Result<(Product, ETag)> {
        let found = self.state.documents.read(&CATALOGUE, &self.partition(), id.as_str()).await?;
        let document = found.ok_or_else(|| Error::not_found("There is no such product."))?;
        Ok((document.read()?, document.etag))
    }

    /// The product that has a sku, with its version.
    ///
    /// # Errors
    /// Those of the reads.
    pub async fn find_by_sku(&self, sku: &str) -> Result<Option<(Product, ETag)>> {
        let found = self.state.documents.read(&CATALOGUE, &self.partition(), &claim_id(sku)).await?;
        let Some(document) = found else { return Ok(None) };
        let claim: Claim = document.read()?;
        self.find(&claim.product_id).await.map(Some)
    }

    /// The head and its version. A catalogue that has none, since nobody wrote it through here, is counted and its
    /// skus are claimed first; done twice, it comes to the same, for a sku never changes.
    ///
    /// # Errors
    /// Those of the documents.
    pub async fn head(&self) -> Result<(Head, ETag)> {
        let documents = &self.state.documents;
        if let Some(document) = documents.read(&CATALOGUE, &self.partition(), HEAD).await? {
            return Ok((document.read()?, document.etag));
        }
        let products = store::products(documents.as_ref(), &self.tenant).await?;
        let claims: Vec<Operation> =
            products.iter().map(|document| claim(&document.read()?).map(Operation::Upsert)).collect::<Result<_>>()?;
        for batch in claims.chunks(BATCH) {
            let written = documents.batch(&CATALOGUE, &self.partition(), batch.to_vec()).await;
            written.map_err(|error| Error::from(error.error))?;
        }
        let head = NewDocument::new(HEAD, &Head { products: products.len() })?;
        match documents.create(&CATALOGUE, &self.partition(), head).await {
            Ok(document) => Ok((document.read()?, document.etag)),
            Err(error) if error.kind() == PortErrorKind::Conflict => {
                let document = documents.read(&CATALOGUE, &self.partition(), HEAD).await?;
                let document = document.ok_or_else(busy)?;
                Ok((document.read()?, document.etag))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a new product.
    ///
    /// # Errors
    /// [`Code::Conflict`] when its sku is taken, or there is no room; [`Code::Unavailable`] when too many write.
    pub async fn create(&self, draft: Draft) -> Result<(Product, ETag)> {
        let product = draft.into_new(self.now());
        for _ in 0..TURNS {
            let (head, etag) = self.head().await?;
            if head.products >= MOST_PRODUCTS {
                return Err(full());
            }
            let mut operations = self.creation(&product, false)?;
            operations.push(head_operation(head.products + 1, etag)?);
            let data = json!({ "sku": product.sku, "pricePaise": product.price_paise, "version": product.version });
            operations.push(self.event("product.created", product.id.as_str(), data)?);
            match self.write(&self.partition(), operations).await? {
                Written::Done(documents) => return Ok((product, version_of(&documents, 1)?)),
                Written::Refused(0) => return Err(taken(&product.sku)),
                Written::Refused(_) => {}
            }
        }
        Err(busy())
    }

    /// Writes a product in the place of the version `etag` of `before`; gives it with its new version, or `None`
    /// when it is no longer that one.
    ///
    /// # Errors
    /// Those of the documents.
    pub async fn replace(
        &self,
        before: &Product,
        etag: ETag,
        after: Product,
        deed: Deed,
    ) -> Result<Option<(Product, ETag)>> {
        let after = self.next(before, after);
        let mut operations = self.replacement(before, etag, &after, deed, false)?;
        let kind = match deed {
            Deed::Created => "product.created",
            Deed::Changed => "product.changed",
            Deed::Archived => "product.archived",
            Deed::Restored => "product.restored",
        };
        operations.push(self.event(kind, after.id.as_str(), told_of(before, &after))?);
        match self.write(&self.partition(), operations).await? {
            Written::Done(documents) => {
                let version = version_of(&documents, 0)?;
                Ok(Some((after, version)))
            }
            Written::Refused(_) => Ok(None),
        }
    }

    /// The version of a product that follows `before`.
    pub fn next(&self, before: &Product, after: Product) -> Product {
        Product { version: before.version + 1, changed_at: Some(self.now()), ..after }
    }

    /// The operations that write a new product: its claim, itself, its history.
    ///
    /// # Errors
    /// An internal error when it does not serialise.
    pub fn creation(&self, product: &Product, imported: bool) -> Result<Vec<Operation>> {
        let document = NewDocument::new(product.id.as_str(), product)?;
        let history = self.entry(product, Deed::Created, imported, Vec::new());
        Ok(vec![Operation::Create(claim(product)?), Operation::Create(document), history.operation(&product.id)?])
    }

    /// The operations that write a product in the place of a version: itself, its history.
    ///
    /// # Errors
    /// An internal error when it does not serialise.
    pub fn replacement(
        &self,
        before: &Product,
        etag: ETag,
        after: &Product,
        deed: Deed,
        imported: bool,
    ) -> Result<Vec<Operation>> {
        let document = NewDocument::new(after.id.as_str(), after)?;
        let history = self.entry(after, deed, imported, differences(before, after));
        Ok(vec![Operation::Replace(document, Condition::IfMatch(etag)), history.operation(&after.id)?])
    }

    fn entry(&self, product: &Product, deed: Deed, imported: bool, changes: Vec<super::history::FieldChange>) -> Entry {
        Entry { version: product.version, at: self.now(), actor: self.actor.clone(), deed, imported, changes }
    }

    /// The operation that tells of a write.
    ///
    /// # Errors
    /// An internal error when it does not serialise.
    pub fn event(&self, kind: &str, subject: &str, mut data: Value) -> Result<Operation> {
        data["actor"] = self.actor.as_str().into();
        outbox::put_from(Some(&self.origin), EventId::generate(), kind, &self.tenant, subject, self.now(), data)
    }

    /// Does a batch in a partition of the catalogue, and has every instance forget the catalogue of before.
    ///
    /// # Errors
    /// Those of the documents, but for conditions that do not hold.
    pub async fn write(&self, partition: &PartitionKey, operations: Vec<Operation>) -> Result<Written> {
        match self.state.documents.batch(&CATALOGUE, partition, operations).await {
            Ok(documents) => {
                forget(self.state, &self.tenant).await;
                Ok(Written::Done(documents))
            }
            Err(error) => match error.error.kind() {
                PortErrorKind::Conflict | PortErrorKind::PreconditionFailed | PortErrorKind::NotFound => {
                    Ok(Written::Refused(error.index))
                }
                _ => Err(error.error.into()),
            },
        }
    }
}

/// What became of a batch.
pub enum Written {
    Done(Vec<Option<Document>>),
    /// The operation of this number met something else than it was to meet; nothing was written.
    Refused(usize),
}

/// Has the catalogue read anew, here and elsewhere. The change feed does so for certain; this is sooner.
pub async fn forget(state: &AppState, tenant: &TenantId) {
    if let Err(error) = state.caches.changed(&[Change::catalogue(tenant)]).await {
        tracing::warn!(error = %error.chain(), "the change of a catalogue was not told; the change feed tells it");
    }
}

/// The operation that counts products anew.
///
/// # Errors
/// An internal error when it does not serialise.
pub fn head_operation(products: usize, etag: ETag) -> Result<Operation> {
    Ok(Operation::Replace(NewDocument::new(HEAD, &Head { products })?, Condition::IfMatch(etag)))
}

fn claim(product: &Product) -> Result<NewDocument> {
    let claim = Claim { sku: product.sku.clone(), product_id: product.id.clone() };
    Ok(NewDocument::new(claim_id(&product.sku), &claim)?)
}

/// A sku of older catalogues may hold what an id must not.
fn claim_id(sku: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_uppercase() } else { '~' };
    format!("sku_{}", sku.chars().take(100).map(safe).collect::<String>())
}

fn version_of(documents: &[Option<Document>], position: usize) -> Result<ETag> {
    let document = documents.get(position).and_then(Option::as_ref);
    document.map(|document| document.etag.clone()).ok_or_else(busy)
}

/// What an event tells of a change: which fields, and the price.
fn told_of(before: &Product, after: &Product) -> Value {
    let changes = differences(before, after);
    let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    let mut data = json!({ "sku": after.sku, "version": after.version, "fields": fields });
    if before.price_paise != after.price_paise {
        data["priceFrom"] = before.price_paise.0.into();
        data["priceTo"] = after.price_paise.0.into();
    }
    data
}

fn taken(sku: &str) -> Error {
    let message = format!("{sku} is the sku of another product");
    Error::new(Code::Conflict, "There is a product with this sku.").with_field("sku", message)
}

/// What is told when there is no room for another product.
pub fn full() -> Error {
    let detail = format!("The catalogue holds {MOST_PRODUCTS} products, archived ones among them: as many as it can.");
    Error::new(Code::Conflict, detail)
}

/// What is told when others always write first.
pub fn busy() -> Error {
    Error::new(Code::Unavailable, "It changes too often at this moment; please try again.")
}
