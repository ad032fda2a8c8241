//! Whether an author bought what they review.

use serde::Deserialize;
use serde_json::json;

use super::store::Author;
use crate::containers::{CUSTOMERS, customer};
use crate::error::Result;
use crate::ports::documents::{Filter, Order, Query, Scope};
use crate::state::AppState;
use crate::types::ProductId;

const PAGE: usize = 50;
/// Pages that are looked through at most, the newest orders first.
const PAGES: usize = 4;

/// What of an order matters here.
#[derive(Deserialize)]
struct Bought {
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    product_id: String,
}

/// Whether one of the author's last 200 delivered orders holds the product. Stays in the author's partition.
pub(super) async fn has_received(state: &AppState, author: Author<'_>, product: &ProductId) -> Result<bool> {
    let partition = customer(author.tenant, author.user.as_str());
    let mut continuation = None;
    for _ in 0..PAGES {
        let query = Query {
            filters: vec![Filter::Equal("kind", json!("order")), Filter::Equal("status", json!("delivered"))],
            order: Some(Order::Descending("createdAt")),
            limit: PAGE,
            continuation,
        };
        let page = state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await?;
        for document in &page.items {
            let order: Bought = document.read()?;
            if order.lines.iter().any(|line| line.product_id == product.as_str()) {
                return Ok(true);
            }
        }
        continuation = page.next;
        if continuation.is_none() {
            break;
        }
    }
    Ok(false)
}
