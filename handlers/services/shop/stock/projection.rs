//! The catalogue says how many pieces can be had: it follows the stock's changes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::store::current;
use crate::containers::STOCK;
use crate::error::{Code, Error, Result};
use crate::function::{DocumentsChanged, Function, Outcome};
use crate::ports::PortErrorKind;
use crate::services::dedicated;
use crate::services::shop::store as catalogue;
use crate::state::AppState;
use crate::types::{ProductId, Service, TenantId};

/// How often a figure is written after others wrote the product meanwhile.
const TURNS: usize = 5;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::change_feed("ShopStockChanged", Service::Shop, &STOCK, changed),
        dedicated::pulled("ShopStockPull", Service::Shop, &STOCK, changed),
    ]
}

/// Writes how many pieces of each product that changed can be had. A change only says where to look: told
/// twice or out of order, it writes what holds now.
async fn changed(state: AppState, changed: DocumentsChanged) -> Result<Outcome> {
    let products: BTreeSet<(TenantId, ProductId)> = changed.documents.iter().filter_map(product).collect();
    let mut written = 0;
    for (tenant, product) in &products {
        written += usize::from(project(&state, tenant, product).await?);
    }
    Ok(Outcome::of(format!("{written} of {} products have other figures", products.len())))
}

/// The product whose figures a document holds.
fn product(document: &Value) -> Option<(TenantId, ProductId)> {
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    if field("kind") != Some("stock") {
        return None;
    }
    Some((field("tenantId")?.parse().ok()?, field("productId")?.parse().ok()?))
}

/// Whether the catalogue said something else.
async fn project(state: &AppState, tenant: &TenantId, product: &ProductId) -> Result<bool> {
    let documents = state.documents.as_ref();
    for _ in 0..TURNS {
        // The product first: what is read of the stock after it is at least as new as what the product says.
        let Some(read) = catalogue::product_document(documents, tenant, product).await? else { return Ok(false) };
        let said: catalogue::Pieces = read.read()?;
        let free = current(documents, tenant, product).await?.free();
        if said.stock == free {
            return Ok(false);
        }
        match catalogue::write_pieces(documents, tenant, &read, free).await {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {}
            Err(error) if error.kind() == PortErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::new(Code::Unavailable, "the product is written all the time"))
}
