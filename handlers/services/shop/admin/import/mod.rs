//! Products in a file: CSV, a JSON array, or JSON Lines. Each line makes the product with its sku, or changes it;
//! what is wrong with a line is told of that line, and the others are done.

mod lines;
mod plan;
mod table;
mod write;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use self::plan::{Outcome, Planned, Step, Stored, plan};
use super::products::categories;
use super::shelf::Shelf;
use super::view::form_example;
use crate::catalogue::Product;
use crate::error::{Code, Error, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::{Request, Response, json, no_store};
use crate::identity::Permission;
use crate::services::shop::store;
use crate::state::AppState;
use crate::types::Service;

/// Bytes of a file at most.
const MOST_BYTES: usize = 4 << 20;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let report = json!({
        "dryRun": false, "created": 1, "updated": 0, "unchanged": 0, "refused": 1,
        "lines": [
            { "line": 2, "sku": "PB-SAR-900", "outcome": "created", "errors": [] },
            { "line": 3, "sku": "PB-SAR-901", "outcome": "refused",
              "errors": [{ "field": "pricePaise", "message": "expected a whole number from 1 to 1000000000" }] }
        ]
    });
    vec![
        Function::http("ShopAdminProductsImport", Service::Shop, Method::POST, "v1/admin/products/import", import)
            .access(Access::May(Permission::ManageCatalogue))
            .body_limit(MOST_BYTES)
            .summary("Makes and changes the products of a file by their sku; the same file again changes nothing.")
            .query::<ImportQuery>()
            .takes_bytes("text/csv")
            .takes::<lines::Items<'static>>("application/json", json!([form_example()]))
            .takes_bytes("application/x-ndjson")
            .answers::<Report>(StatusCode::OK, "What became of each line.", report)
            .into(),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct ImportQuery {
    /// Whether only to say what would be done.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImportReport)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Whether nothing was written.
    dry_run: bool,
    created: usize,
    updated: usize,
    unchanged: usize,
    refused: usize,
    lines: Vec<LineReport>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImportedLine)]
struct LineReport {
    /// Its number in the file, from 1; the position in a JSON array.
    line: u64,
    sku: Option<String>,
    outcome: Outcome,
    /// Why it is refused.
    errors: Vec<FieldError>,
}

async fn import(state: AppState, request: Request) -> Result<Response> {
    let ImportQuery { dry_run } = request.query()?;
    let (kind, body) = (request.media_type().unwrap_or_default(), request.body.clone());
    let read: fn(&[u8]) -> Result<Vec<lines::Line>> = match kind.as_str() {
        "text/csv" => table::of_table,
        "application/json" => lines::of_array,
        "application/x-ndjson" => lines::of_json_lines,
        _ => {
            let detail = "Send the file as text/csv, application/json (an array) or application/x-ndjson.";
            return Err(Error::new(Code::UnsupportedMediaType, detail));
        }
    };
    let shelf = Shelf::of(&state, &request)?;
    let categories = categories(&state, shelf.tenant()).await?;
    let lines = AppState::blocking(move || read(&body)).await??;
    let stored = stored(&state, &shelf).await?;
    let known = categories.clone();
    let mut planned = AppState::blocking(move || plan(lines, &stored, &known)).await?;
    if !dry_run {
        write::write(&shelf, &mut planned, &categories).await?;
    }
    Ok(no_store(json(&report(planned, dry_run))?))
}

/// All products by their sku.
async fn stored(state: &AppState, shelf: &Shelf<'_>) -> Result<Stored> {
    let documents = store::products(state.documents.as_ref(), shelf.tenant()).await?;
    documents
        .into_iter()
        .map(|document| {
            let product: Product = document.read()?;
            Ok((product.sku.to_ascii_uppercase(), (product, document.etag)))
        })
        .collect()
}

fn report(planned: Vec<Planned>, dry_run: bool) -> Report {
    let mut report = Report { dry_run, created: 0, updated: 0, unchanged: 0, refused: 0, lines: Vec::new() };
    for Planned { number, sku, step, .. } in planned {
        let outcome = step.outcome();
        match outcome {
            Outcome::Created => report.created += 1,
            Outcome::Updated => report.updated += 1,
            Outcome::Unchanged => report.unchanged += 1,
            Outcome::Refused => report.refused += 1,
        }
        let errors = if let Step::Refuse(errors) = step { errors } else { Vec::new() };
        report.lines.push(LineReport { line: number, sku, outcome, errors });
    }
    report
}
