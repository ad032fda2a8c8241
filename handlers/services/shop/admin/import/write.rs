//! Writing what was planned, in batches of whole lines. A process that dies between two batches leaves the lines of
//! the first ones written and the others not; the same file again does what is left.

use serde_json::json;

use super::plan::{Planned, Step, decide};
use crate::catalogue::{Category, Product};
use crate::error::Result;
use crate::ports::documents::Operation;
use crate::services::shop::admin::history::Deed;
use crate::services::shop::admin::shelf::{MOST_PRODUCTS, Shelf, TURNS, Written, head_operation};
use crate::services::shop::store::BATCH;

/// Bytes of a batch at most, well below what a store takes (2 MB).
const BATCH_BYTES: usize = 1_500_000;
/// Operations that a batch has beside those of its lines: the head and the event.
const OTHERS: usize = 2;
/// Operations of a line at most.
const OF_A_LINE: usize = 3;

/// A line that is being written: where it stands in the plan, its operations, and the product that it makes.
struct Writing {
    position: usize,
    operations: Vec<Operation>,
    product: Product,
    is_new: bool,
}

/// Writes the steps of a plan; what others wrote meanwhile is taken into account, and the step then says what was
/// done.
///
/// # Errors
/// Those of the documents: lines of earlier batches are written then.
pub async fn write(shelf: &Shelf<'_>, planned: &mut [Planned], categories: &[Category]) -> Result<()> {
    let mut start = 0;
    while start < planned.len() {
        start = batch(shelf, planned, start, categories).await?;
    }
    Ok(())
}

/// Writes the lines from `start` that fit into one batch; gives the position after them.
async fn batch(shelf: &Shelf<'_>, planned: &mut [Planned], start: usize, categories: &[Category]) -> Result<usize> {
    let mut end = start;
    for _ in 0..TURNS {
        let (head, etag) = shelf.head().await?;
        let room = MOST_PRODUCTS.saturating_sub(head.products);
        let (lines, reached) = gather(shelf, planned, start, room)?;
        end = reached;
        if lines.is_empty() {
            return Ok(end);
        }
        let created = lines.iter().filter(|line| line.is_new).count();
        let mut operations: Vec<Operation> = lines.iter().flat_map(|line| line.operations.iter().cloned()).collect();
        if created > 0 {
            operations.push(head_operation(head.products + created, etag)?);
        }
        operations.push(event(shelf, &lines, created)?);
        match shelf.write(&shelf.partition(), operations).await? {
            Written::Done(_) => return Ok(end),
            // Somebody wrote one of these products, or made one, since they were read.
            Written::Refused(_) => again(shelf, planned, &lines, categories).await?,
        }
    }
    for line in planned.iter_mut().take(end).skip(start) {
        if matches!(line.step, Step::Create(_) | Step::Update { .. }) {
            line.step = Step::refuse("sku", "others change it too often at this moment; send the line again");
        }
    }
    Ok(end)
}

/// The lines from `start` that are to be written and fit into one batch, and the position after them. New products
/// for which there is no `room` are refused.
fn gather(shelf: &Shelf<'_>, planned: &mut [Planned], start: usize, room: usize) -> Result<(Vec<Writing>, usize)> {
    let (mut lines, mut operations, mut bytes, mut created) = (Vec::new(), 0, 0, 0);
    for (position, line) in planned.iter_mut().enumerate().skip(start) {
        if operations + OF_A_LINE + OTHERS > BATCH {
            return Ok((lines, position));
        }
        let writing = match &line.step {
            Step::Nothing | Step::Refuse(_) => continue,
            Step::Create(_) if created >= room => {
                let message = format!("the catalogue holds {MOST_PRODUCTS} products, as many as it can");
                line.step = Step::refuse("", message);
                continue;
            }
            Step::Create(draft) => {
                let product = (**draft).clone().into_new(shelf.now());
                Writing { position, operations: shelf.creation(&product, true)?, product, is_new: true }
            }
            Step::Update { before, etag, after } => {
                let product = shelf.next(before, (**after).clone());
                let operations = shelf.replacement(before, etag.clone(), &product, Deed::Changed, true)?;
                Writing { position, operations, product, is_new: false }
            }
        };
        let size: usize = writing.operations.iter().map(size).sum();
        if !lines.is_empty() && bytes + size > BATCH_BYTES {
            return Ok((lines, position));
        }
        bytes += size;
        operations += writing.operations.len();
        created += usize::from(writing.is_new);
        lines.push(writing);
    }
    Ok((lines, planned.len()))
}

fn size(operation: &Operation) -> usize {
    match operation {
        Operation::Create(document) | Operation::Upsert(document) | Operation::Replace(document, _) => {
            serde_json::to_vec(&document.body).map_or(0, |body| body.len())
        }
        Operation::Delete(..) => 0,
    }
}

/// One event for all lines of a batch.
fn event(shelf: &Shelf<'_>, lines: &[Writing], created: usize) -> Result<Operation> {
    let told = |is_new: bool| {
        let those = lines.iter().filter(move |line| line.is_new == is_new);
        those.map(|line| line.product.id.to_string()).collect::<Vec<_>>()
    };
    let skus: Vec<&str> = lines.iter().map(|line| line.product.sku.as_str()).collect();
    let data = json!({
        "created": created, "changed": lines.len() - created, "skus": skus,
        "createdProducts": told(true), "changedProducts": told(false),
    });
    shelf.event("products.imported", "products", data)
}

/// Decides anew about lines that met something else than was planned.
async fn again(shelf: &Shelf<'_>, planned: &mut [Planned], lines: &[Writing], categories: &[Category]) -> Result<()> {
    for writing in lines {
        let Some(line) = planned.get_mut(writing.position) else { continue };
        let stored = shelf.find_by_sku(&writing.product.sku).await?;
        line.step = decide(&line.form, stored.as_ref(), categories);
    }
    Ok(())
}
