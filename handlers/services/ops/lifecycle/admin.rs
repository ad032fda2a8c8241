//! What the staff see of storage: what lies there, what it costs, what sweeps did and would do.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::model::{Count, Deed, InventoryLine, RUNS, Run, add};
use super::sweep::Sweeps;
use crate::containers::{BLOB_CONTAINERS, SWEEPS};
use crate::error::{Error, Result};
use crate::function::{Access, Function};
use crate::http::{ListQuery, Request, Response, cursor_of, json, json_with, no_store};
use crate::identity::Permission;
use crate::lifecycle::{self, Days, KeptBy, Readers};
use crate::ports::blobs::AccessTier;
use crate::ports::documents::{Order, PartitionKey, Query, Scope};
use crate::settings::StoragePrices;
use crate::state::AppState;
use crate::types::Service;

const READ: Access = Access::May(Permission::ReadReports);

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let sweep = || json!({ "id": "2026-01-15", "startedAt": "2026-01-15T20:30:00Z", "finishedAt": null, "dryRun": true, "held": null, "slices": 7, "slicesDone": 3, "deeds": [{ "deed": "deletedOrphaned", "blobs": 2, "bytes": 81_920 }], "problems": [] });
    vec![
        Function::http("OpsStorageGet", Service::Ops, Method::GET, "v1/admin/storage", storage)
            .access(READ)
            .summary("Tells what lies in storage by container, tier and age, as the last sweep found it, and what it costs a month.")
            .answers::<StorageReport>(StatusCode::OK, "What was found.", json!({
                "asOf": "2026-01-15T20:30:00Z", "run": "2026-01-15", "blobs": 2, "bytes": 81_920, "monthlyCostPaise": 1, "prices": StoragePrices::default(),
                "containers": [{
                    "container": "voice-uploads", "readers": "owner", "keptBy": "sample", "coolAfterDays": 30, "coldAfterDays": 90,
                    "archiveAfterDays": 180, "deleteAfterDays": 730, "blobs": 2, "bytes": 81_920, "monthlyCostPaise": 1,
                    "lines": [{ "container": "voice-uploads", "tier": "hot", "age": "upToAWeek", "blobs": 2, "bytes": 81_920 }]
                }]
            }))
            .into(),
        Function::http("OpsStorageSweepsCreate", Service::Ops, Method::POST, "v1/admin/storage/sweeps", create)
            .access(Access::May(Permission::ManageOperations))
            .idempotent()
            .summary("Begins a sweep that only tells what it would do; with `dryRun: false`, one that acts.")
            .takes::<CreateSweep>("application/json", json!({ "dryRun": true }))
            .answers::<SweepView>(StatusCode::ACCEPTED, "It has begun; follow `Operation-Location`.", sweep())
            .into(),
        Function::http("OpsStorageSweepsGet", Service::Ops, Method::GET, "v1/admin/storage/sweeps/{id}", get)
            .access(READ)
            .summary("Tells how far a sweep is and what it did, or would do, so far.")
            .answers::<SweepView>(StatusCode::OK, "The sweep.", sweep())
            .into(),
        Function::http("OpsStorageSweepsList", Service::Ops, Method::GET, "v1/admin/storage/sweeps", list)
            .access(READ)
            .summary("Lists the sweeps of the last 90 days, the newest first.")
            .query::<ListQuery>()
            .answers::<SweepList>(StatusCode::OK, "A page of sweeps.", json!({ "items": [sweep()], "next": null }))
            .into(),
    ]
}

/// What lies in storage.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StorageReport {
    /// When the sweep began that found it; absent before the first has ended.
    as_of: Option<DateTime<Utc>>,
    run: Option<String>,
    #[serde(flatten)]
    count: Count,
    /// For keeping it; reading and writing come on top.
    monthly_cost_paise: u64,
    prices: StoragePrices,
    containers: Vec<ContainerReport>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ContainerReport {
    container: String,
    /// `owner`, `everybody` or `jobs`.
    #[schema(value_type = String)]
    readers: Readers,
    /// `sample`, `job`, `product`, `picture` or `age`.
    #[schema(value_type = String)]
    kept_by: KeptBy,
    cool_after_days: Option<Days>,
    cold_after_days: Option<Days>,
    archive_after_days: Option<Days>,
    /// At the latest; a shopper's tier may say sooner.
    delete_after_days: Option<Days>,
    #[serde(flatten)]
    count: Count,
    monthly_cost_paise: u64,
    lines: Vec<InventoryLine>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateSweep {
    /// Whether it only looks; `true` where nothing is said.
    #[serde(default = "yes")]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

#[derive(Serialize, ToSchema)]
struct SweepList {
    items: Vec<SweepView>,
    next: Option<String>,
}

/// A sweep as the staff see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SweepView {
    id: String,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// Whether it only looks.
    dry_run: bool,
    /// Why it only looks although it was to act.
    held: Option<String>,
    slices: usize,
    slices_done: usize,
    /// What was done, or would be, so far.
    deeds: Vec<DeedLine>,
    problems: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct DeedLine {
    deed: Deed,
    #[serde(flatten)]
    count: Count,
}

impl SweepView {
    async fn of(sweeps: &Sweeps, mut run: Run) -> Result<Self> {
        let mut slices_done = run.slices.len();
        if run.finished_at.is_none() {
            let states = sweeps.slice_states(&run.id).await?;
            slices_done = states.iter().filter(|state| state.done).count();
            for state in states {
                for (deed, count) in state.tally {
                    *run.tally.entry(deed).or_default() += count;
                }
            }
        }
        Ok(Self {
            id: run.id,
            started_at: run.started_at,
            finished_at: run.finished_at,
            dry_run: run.dry_run,
            held: run.held,
            slices: run.slices.len(),
            slices_done,
            deeds: run.tally.into_iter().map(|(deed, count)| DeedLine { deed, count }).collect(),
            problems: run.problems,
        })
    }
}

async fn storage(state: AppState, _request: Request) -> Result<Response> {
    let inventory = Sweeps::of(&state).inventory().await?;
    let (as_of, run) =
        (inventory.as_ref().map(|known| known.as_of), inventory.as_ref().map(|known| known.sweep.clone()));
    let lines = inventory.map(|known| known.lines).unwrap_or_default();
    let prices = &state.settings.storage_prices;
    let containers: Vec<ContainerReport> =
        BLOB_CONTAINERS.into_iter().map(|container| container_report(container, &lines, prices)).collect();
    let mut count = Count::default();
    containers.iter().for_each(|container| count += container.count);
    let monthly_cost_paise = cost(&lines, prices);
    Ok(no_store(json(&StorageReport { as_of, run, count, monthly_cost_paise, prices: prices.clone(), containers })?))
}

fn container_report(container: &str, lines: &[InventoryLine], prices: &StoragePrices) -> ContainerReport {
    let mut own = Vec::new();
    let mut count = Count::default();
    for line in lines.iter().filter(|line| line.container == container) {
        add(&mut own, container, line.tier, line.age, line.count);
        count += line.count;
    }
    own.sort_by_key(|line| (line.tier, line.age));
    let rule = lifecycle::rule(container);
    ContainerReport {
        container: container.to_owned(),
        readers: rule.map_or(Readers::Jobs, |rule| rule.readers),
        kept_by: rule.map_or(KeptBy::Age, |rule| rule.kept_by),
        cool_after_days: rule.and_then(|rule| rule.cool_after),
        cold_after_days: rule.and_then(|rule| rule.cold_after),
        archive_after_days: rule.and_then(|rule| rule.archive_after),
        delete_after_days: rule.and_then(|rule| rule.delete_after),
        count,
        monthly_cost_paise: cost(&own, prices),
        lines: own,
    }
}

/// Paise a month, rounded up.
fn cost(lines: &[InventoryLine], prices: &StoragePrices) -> u64 {
    let price = |tier| match tier {
        AccessTier::Hot => prices.hot_paise_per_gb,
        AccessTier::Cool => prices.cool_paise_per_gb,
        AccessTier::Cold => prices.cold_paise_per_gb,
        AccessTier::Archive => prices.archive_paise_per_gb,
    };
    // Azure's GB is 2^30 bytes.
    lines.iter().map(|line| line.count.bytes as f64 / f64::from(1 << 30) * price(line.tier)).sum::<f64>().ceil() as u64
}

async fn create(state: AppState, request: Request) -> Result<Response> {
    let asked: CreateSweep = request.json()?;
    let sweeps = Sweeps::of(&state);
    let run = sweeps.begin_extra(asked.dry_run).await?;
    let location = format!("/api/v1/admin/storage/sweeps/{}", run.id);
    let mut response = no_store(json_with(StatusCode::ACCEPTED, &SweepView::of(&sweeps, run).await?)?);
    let location = http::HeaderValue::from_str(&location).map_err(Error::internal)?;
    response.headers_mut().insert("operation-location", location);
    Ok(response)
}

async fn get(state: AppState, request: Request) -> Result<Response> {
    let id: String = request.param("id")?;
    let missing = || Error::not_found("There is no such sweep.");
    // What the id of a document may be.
    if id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(missing());
    }
    let sweeps = Sweeps::of(&state);
    let (run, _) = sweeps.run(&id).await?.ok_or_else(missing)?;
    Ok(no_store(json(&SweepView::of(&sweeps, run).await?)?))
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let paging: ListQuery = request.query()?;
    let query = Query {
        order: Some(Order::Descending("startedAt")),
        limit: paging.limit(20)?,
        continuation: paging.continuation()?,
        ..Query::default()
    };
    let partition = PartitionKey::of([RUNS]);
    let page = state.documents.query(&SWEEPS, Scope::Partition(&partition), query).await.map_err(ListQuery::explain)?;
    let sweeps = Sweeps::of(&state);
    let mut items = Vec::with_capacity(page.items.len());
    for document in &page.items {
        items.push(SweepView::of(&sweeps, document.read()?).await?);
    }
    Ok(no_store(json(&SweepList { items, next: cursor_of(page.next) })?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::AgeBand;

    #[test]
    fn a_month_costs_what_the_table_says() {
        let line = |tier, gb: u64| InventoryLine {
            container: "voice-uploads".into(),
            tier,
            age: AgeBand::UpToAWeek,
            count: Count { blobs: 1, bytes: gb << 30 },
        };
        let prices = StoragePrices {
            hot_paise_per_gb: 160.0,
            cool_paise_per_gb: 90.0,
            cold_paise_per_gb: 36.0,
            archive_paise_per_gb: 17.0,
            ..StoragePrices::default()
        };
        let lines = [line(AccessTier::Hot, 2), line(AccessTier::Cool, 3), line(AccessTier::Archive, 100)];
        assert_eq!(cost(&lines, &prices), 320 + 270 + 1700);
        assert_eq!(cost(&[], &prices), 0);
    }
}
