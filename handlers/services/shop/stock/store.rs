//! Stock in documents: partition `(tenant, product)` of the container `stock`, with the figures under
//! `stock`, what each order holds under the order's id, and the last counts under `history`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::containers::STOCK;
use crate::error::{Code, Error, Result};
use crate::ordering::stock::{Held, HeldStatus, Promised, Refusal, Step, Stock};
use crate::ports::documents::{Document, DocumentStore, NewDocument, Operation, PartitionKey, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::shop::store as catalogue;
use crate::state::AppState;
use crate::types::{OrderId, ProductId, TenantId};

const FIGURES: &str = "stock";
const HISTORY: &str = "history";
const DAY: u32 = 86_400;
/// Long enough for what left to come back.
const SOLD_KEPT: u32 = 400 * DAY;
/// Long enough for all that is under way to find that the order has ended.
const RELEASED_KEPT: u32 = 30 * DAY;
/// Counts that are remembered.
const HISTORY_ENTRIES: usize = 50;

/// How often a change is put upon what others wrote meanwhile. Every lost turn is one that another won.
const TURNS: u32 = 60;
/// Pauses between turns grow by this, up to [`PAUSE_MOST`].
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_MOST: Duration = Duration::from_millis(100);

#[derive(Serialize, Deserialize)]
struct Figures {
    kind: String,
    #[serde(flatten)]
    stock: Stock,
}

#[derive(Serialize, Deserialize)]
struct Holding {
    kind: String,
    #[serde(flatten)]
    held: Held,
}

/// One count of the staff.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Count {
    pub at: DateTime<Utc>,
    /// Who counted: an account or a key.
    pub by: String,
    pub from: u32,
    pub to: u32,
    pub reason: String,
}

#[derive(Default, Serialize, Deserialize)]
struct History {
    kind: String,
    /// The newest last.
    counts: Vec<Count>,
}

/// A product's pieces of a tenant.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub documents: &'a dyn DocumentStore,
    pub tenant: &'a TenantId,
    pub product: &'a ProductId,
}

/// The figures with the version of their document, which is not there before somebody first asks for a piece.
type Read = (Stock, Option<ETag>);

/// How many pieces there are; none of a product that does not exist. One point read, and one more of what
/// nobody has asked for yet.
///
/// # Errors
/// Those of the reads.
pub async fn current(documents: &dyn DocumentStore, tenant: &TenantId, product: &ProductId) -> Result<Stock> {
    Ok(Place { documents, tenant, product }.read().await?.0)
}

/// Does a step of an order with its pieces of a product; gives the stock after it. Done again, it changes
/// nothing.
///
/// # Errors
/// The outer one where it could not be done now: it may have been, and can be repeated. [`Refusal`] where it
/// cannot be done at all.
pub async fn step(
    state: &AppState,
    tenant: &TenantId,
    product: &ProductId,
    order: &OrderId,
    step: Step,
    quantity: u32,
) -> Result<Result<Stock, Refusal>> {
    let place = Place { documents: state.documents.as_ref(), tenant, product };
    for turn in 0..TURNS {
        let (stock, version) = place.read().await?;
        let found = place.document(order.as_str()).await?;
        let held = found.as_ref().map(|document| document.read::<Holding>()).transpose()?.map(|holding| holding.held);
        let (after, holds) = match stock.after(held, step, quantity) {
            Ok(after) => after,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if held == Some(holds) {
            return Ok(Ok(after));
        }
        let mut operations = Vec::new();
        if after != stock {
            operations.push(figures(after, version)?);
        }
        operations.push(holding(order, holds, found.map(|document| document.etag))?);
        if place.write(operations).await? {
            return Ok(Ok(after));
        }
        pause(turn).await;
    }
    Err(busy())
}

impl Place<'_> {
    fn partition(&self) -> PartitionKey {
        PartitionKey::of([self.tenant.as_str(), self.product.as_str()])
    }

    async fn document(&self, id: &str) -> Result<Option<Document>> {
        Ok(self.documents.read(&STOCK, &self.partition(), id).await?)
    }

    /// The figures. Where there are none yet, the catalogue says how many pieces there are.
    pub async fn read(&self) -> Result<Read> {
        if let Some(document) = self.document(FIGURES).await? {
            return Ok((document.read::<Figures>()?.stock, Some(document.etag)));
        }
        let product = catalogue::product_document(self.documents, self.tenant, self.product).await?;
        let pieces = product.map(|document| document.read::<catalogue::Pieces>()).transpose()?;
        Ok((Stock::of(pieces.map_or(0, |pieces| pieces.stock)), None))
    }

    /// Sets what the staff counted, unless `expected` refuses the figures that it takes the place of.
    ///
    /// # Errors
    /// What `expected` says; [`Code::Conflict`] for fewer pieces than are promised.
    pub async fn count(&self, count: Count, expected: impl Fn(Stock) -> Result<()>) -> Result<Stock> {
        for turn in 0..TURNS {
            let (stock, version) = self.read().await?;
            expected(stock)?;
            let after = stock.counted(count.to).map_err(|Promised { reserved }| {
                let detail = format!("{reserved} pieces are promised to orders; cancel some of those first.");
                Error::new(Code::Conflict, detail)
            })?;
            let found = self.document(HISTORY).await?;
            let mut history = match &found {
                Some(document) => document.read::<History>()?,
                None => History { kind: "stockHistory".into(), counts: Vec::new() },
            };
            history.counts.push(Count { from: stock.on_hand, ..count.clone() });
            let surplus = history.counts.len().saturating_sub(HISTORY_ENTRIES);
            history.counts.drain(..surplus);
            let remembered = NewDocument::new(HISTORY, &history)?;
            let operations = vec![figures(after, version)?, put(remembered, found.map(|document| document.etag))];
            if self.write(operations).await? {
                return Ok(after);
            }
            pause(turn).await;
        }
        Err(busy())
    }

    /// The last counts, the newest first.
    pub async fn history(&self) -> Result<Vec<Count>> {
        let found = self.document(HISTORY).await?;
        let history = found.map(|document| document.read::<History>()).transpose()?.unwrap_or_default();
        Ok(history.counts.into_iter().rev().collect())
    }

    /// Whether the operations were done; not, where somebody else was faster.
    async fn write(&self, operations: Vec<Operation>) -> Result<bool> {
        match self.documents.batch(&STOCK, &self.partition(), operations).await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.error.kind(),
                    PortErrorKind::Conflict | PortErrorKind::PreconditionFailed | PortErrorKind::NotFound
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.error.into()),
        }
    }
}

/// Writes the figures in the place of the version they were read in.
fn figures(stock: Stock, version: Option<ETag>) -> Result<Operation> {
    Ok(put(NewDocument::new(FIGURES, &Figures { kind: "stock".into(), stock })?, version))
}

fn holding(order: &OrderId, held: Held, version: Option<ETag>) -> Result<Operation> {
    let ttl = match held.status {
        HeldStatus::Reserved => Ttl::Never,
        HeldStatus::Sold => Ttl::Seconds(SOLD_KEPT),
        HeldStatus::Released => Ttl::Seconds(RELEASED_KEPT),
    };
    let document = NewDocument::new(order.as_str(), &Holding { kind: "holding".into(), held })?;
    Ok(put(document.with_ttl(ttl), version))
}

fn put(document: NewDocument, version: Option<ETag>) -> Operation {
    match version {
        Some(version) => Operation::Replace(document, Condition::IfMatch(version)),
        None => Operation::Create(document),
    }
}

/// Waits a little longer each time, and never as long as the others.
async fn pause(turn: u32) {
    let most = (PAUSE * (turn + 1)).min(PAUSE_MOST);
    let share = (Ulid::generate().random() & 0xffff) as f64 / 65_535.0;
    tokio::time::sleep(most.mul_f64(share)).await;
}

fn busy() -> Error {
    Error::new(Code::Unavailable, "Many want this product at this moment; please try again.")
        .with_retry_after(Duration::from_secs(1))
}
