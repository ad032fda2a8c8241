//! What staff did to a product, one record for each write of it, in the product's own partition so that it is
//! written in the same batch. Its id begins with the product's and goes on with the versions backwards: listed by
//! id, the newest comes first.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::shelf::Shelf;
use super::view::StaffProduct;
use crate::catalogue::Product;
use crate::containers::CATALOGUE;
use crate::error::{Code, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, no_store};
use crate::identity::Permission;
use crate::ports::documents::{Filter, NewDocument, Operation, Query, Scope, Ttl};
use crate::services::shop::store::{PRODUCT, partition};
use crate::state::AppState;
use crate::types::{ProductId, Service};

/// How long a record is kept: two years.
const LIFETIME: u32 = 2 * 365 * 86_400;
/// Fields that every write changes, and those that staff does not write.
const NOT_TOLD: [&str; 7] = ["version", "changedAt", "archivedAt", "stock", "rating", "reviewCount", "currency"];

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProductDeed)]
pub enum Deed {
    Created,
    Changed,
    Archived,
    Restored,
}

/// A field that was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// As in the product.
    pub field: String,
    pub from: Value,
    pub to: Value,
}

/// One write of a product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProductChange)]
pub struct Entry {
    /// The version that it made.
    pub version: u64,
    pub at: DateTime<Utc>,
    /// Who did it: an account, or the API key of a program.
    pub actor: String,
    pub deed: Deed,
    /// Whether it came in a file.
    pub imported: bool,
    /// Empty for a new product.
    pub changes: Vec<FieldChange>,
}

impl Entry {
    /// The operation that writes it beside its product.
    ///
    /// # Errors
    /// An internal error when it does not serialise.
    pub fn operation(&self, product: &ProductId) -> Result<Operation> {
        let id = format!("{}{:010}", prefix(product), u64::from(u32::MAX).saturating_sub(self.version));
        let document = NewDocument::new(id, self)?.with_ttl(Ttl::Seconds(LIFETIME));
        // A version is written once, whoever it was that wrote it.
        Ok(Operation::Create(document))
    }
}

/// What the ids of a product's records begin with.
fn prefix(product: &ProductId) -> String {
    format!("his_{}_", product.as_str().trim_start_matches(ProductId::PREFIX))
}

/// The fields in which two versions of a product differ, as staff sees them.
pub fn differences(before: &Product, after: &Product) -> Vec<FieldChange> {
    let (mut before, after) = (StaffProduct::fields(before), StaffProduct::fields(after));
    let mut changes = Vec::new();
    for (field, to) in after {
        let from = before.remove(&field).unwrap_or(Value::Null);
        if from != to && !NOT_TOLD.contains(&field.as_str()) {
            changes.push(FieldChange { field, from, to });
        }
    }
    changes
}

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let entry = json!({
        "version": 2, "at": "2026-01-16T04:00:00Z", "actor": "usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "deed": "changed",
        "imported": false, "changes": [{ "field": "pricePaise", "from": 1_849_900, "to": 1_699_900 }]
    });
    vec![
        Function::http(
            "ShopAdminProductsHistory",
            Service::Shop,
            Method::GET,
            "v1/admin/products/{id}/history",
            history,
        )
        .access(Access::May(Permission::ManageCatalogue))
        .summary("Lists what staff changed of a product, the newest first, for two years.")
        .query::<ListQuery>()
        .answers::<History>(StatusCode::OK, "A page of changes.", json!({ "items": [entry], "next": null }))
        .fails(&[Code::NotFound])
        .into(),
    ]
}

#[derive(Serialize, ToSchema)]
struct History {
    items: Vec<Entry>,
    next: Option<String>,
}

async fn history(state: AppState, request: Request) -> Result<Response> {
    let id: ProductId = request.param("id")?;
    let asked: ListQuery = request.query()?;
    let (limit, continuation) = (asked.limit(20)?, asked.continuation()?);
    let shelf = Shelf::of(&state, &request)?;
    shelf.find(&id).await?;
    let filters = vec![Filter::StartsWith("id", prefix(&id))];
    let query = Query { filters, limit, continuation, ..Query::default() };
    let partition = partition(shelf.tenant(), PRODUCT);
    let page = state.documents.query(&CATALOGUE, Scope::Partition(&partition), query).await;
    let page = page.map_err(ListQuery::explain)?;
    let items = page.items.iter().map(|document| Ok(document.read::<Entry>()?)).collect::<Result<_>>()?;
    Ok(no_store(json(&History { items, next: cursor_of(page.next) })?))
}
