//! A sweep through all blobs: begun by a timer or by the staff, worked slice by slice, resumable everywhere.
//!
//! - It believes no clock alone: a sweep that is the first for a week, or that lies before the last, only looks;
//!   a slice is worked only while this process and the document store agree on the time; a blob of the future
//!   is left alone.
//! - It deletes a blob only after its documents, read after the listing, said that they do not refer to it (or
//!   were made to let go of it), and only the version that was listed.
//! - What it has done is counted page by page, in the document that also holds the position. Work on a page that
//!   was not counted because the process died is done again; its deletions are then missing in the figures.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use ulid::Ulid;

use super::model::{Inventory, LASTING, LastSweep, RUNS, Run, SliceState, SweepTicket, Tally, add};
use crate::containers::SWEEPS;
use crate::error::{Code, Error, Result};
use crate::lifecycle::{self, Days, MAX_CLOCK_SKEW, Retention, Slice};
use crate::ports::blobs::{BlobStore, PutOptions, whole};
use crate::ports::clock::Clock;
use crate::ports::documents::{Document, DocumentStore, NewDocument, Order, PartitionKey, Query, Scope, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::state::AppState;
use crate::types::TenantId;

/// A sweep after so long a pause only looks: the clock may have jumped, or the documents may be others.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(7);
/// A ticket that has been lying so long was given up by the platform.
const LOST: TimeDelta = TimeDelta::minutes(30);
/// Runs that began so long ago are not repaired: the next has taken their place.
const REPAIRED: TimeDelta = TimeDelta::days(2);
/// How often a document is changed upon what others wrote meanwhile.
const TURNS: usize = 5;

/// How long recordings are kept, by the tiers of a tenant.
#[async_trait]
pub trait Tiers: Send + Sync {
    /// The days of every tier; asked for each blob, so an implementation keeps its answer for a moment.
    async fn retention(&self, tenant: &TenantId) -> Result<Retention>;
}

#[async_trait]
impl Tiers for crate::tiers::Tiers {
    /// A tier that is not in the table keeps longest, since what is deleted stays so.
    async fn retention(&self, tenant: &TenantId) -> Result<Retention> {
        let table = self.certain(tenant).await?;
        let by_tier = table.tiers.iter().map(|(id, tier)| (id.clone(), tier.retention_days)).collect();
        let otherwise = table.tiers.values().map(|tier| tier.retention_days).max();
        Ok(Retention { by_tier, otherwise: otherwise.unwrap_or(Days::MAX) })
    }
}

/// How much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// An invocation begins no further page after this time.
    pub turn: Duration,
    /// Nor after so many pages.
    pub pages: usize,
    /// Blobs of a page, 1 to 5000; all that is in memory.
    pub page: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { turn: Duration::from_secs(60), pages: usize::MAX, page: 1000 }
    }
}

/// The sweeps over some stores.
#[derive(Clone)]
pub struct Sweeps {
    pub documents: Arc<dyn DocumentStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub clock: Arc<dyn Clock>,
    pub tiers: Arc<dyn Tiers>,
    /// Names the rules in force.
    pub rules: String,
    pub pace: Pace,
}

/// What came of an invocation for a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is no such run or slice (any more).
    Unknown,
    /// Another invocation is at it.
    Elsewhere,
    /// It goes on with a new ticket.
    Underway,
    Done,
}

impl Sweeps {
    /// The sweeps of an application.
    pub fn of(state: &AppState) -> Self {
        Self {
            documents: state.documents.clone(),
            blobs: state.blobs.clone(),
            clock: state.clock.clone(),
            tiers: Arc::new(state.tiers.clone()),
            rules: lifecycle::fingerprint(),
            pace: Pace::default(),
        }
    }

    /// Begins the sweep of this day, or finds it begun and repairs it.
    pub async fn begin_daily(&self) -> Result<Run> {
        self.begin(self.clock.now().format("%Y-%m-%d").to_string(), false).await
    }

    /// Begins a sweep besides those of the days.
    pub async fn begin_extra(&self, dry_run: bool) -> Result<Run> {
        let id = format!("{}-{}", self.clock.now().format("%Y-%m-%d"), Ulid::generate());
        self.begin(id, dry_run).await
    }

    async fn begin(&self, id: String, dry_run: bool) -> Result<Run> {
        let now = self.clock.now();
        let held = if dry_run { None } else { self.reason_to_hold(now).await? };
        let known = self.inventory().await?;
        let blobs_in = |container: &str| {
            let lines = known.iter().flat_map(|known| &known.lines).filter(|line| line.container == container);
            lines.map(|line| line.count.blobs).sum()
        };
        let run = Run {
            id: id.clone(),
            started_at: now,
            dry_run: dry_run || held.is_some(),
            held,
            rules: self.rules.clone(),
            slices: lifecycle::slices(blobs_in),
            finished_at: None,
            tally: Tally::new(),
            problems: Vec::new(),
        };
        let document = NewDocument::new(id.clone(), &run)?;
        let run = match self.documents.create(&SWEEPS, &PartitionKey::of([RUNS]), document).await {
            Ok(_) => run,
            Err(error) if error.kind() == PortErrorKind::Conflict => {
                self.run(&id).await?.ok_or_else(|| Error::new(Code::Unavailable, "the run is gone"))?.0
            }
            Err(error) => return Err(error.into()),
        };
        if !dry_run {
            let last = NewDocument::new("lastSweep", &LastSweep { at: now })?.with_ttl(Ttl::Never);
            self.documents.upsert(&SWEEPS, &PartitionKey::of([LASTING]), last).await?;
        }
        self.give_tickets(&run, now).await?;
        Ok(run)
    }

    /// Why a sweep that begins at `now` must not act.
    async fn reason_to_hold(&self, now: DateTime<Utc>) -> Result<Option<String>> {
        let found = self.documents.read(&SWEEPS, &PartitionKey::of([LASTING]), "lastSweep").await?;
        let Some(last) = found.map(|document| document.read::<LastSweep>()).transpose()? else {
            return Ok(Some("The first sweep only looks.".into()));
        };
        if now < last.at - MAX_CLOCK_SKEW {
            return Ok(Some(format!("The clock has gone back: a sweep began at {}.", last.at)));
        }
        if now - last.at > LONGEST_PAUSE {
            return Ok(Some(format!(
                "The last sweep began at {}: either none ran since, or the clock jumped.",
                last.at
            )));
        }
        Ok(None)
    }

    /// Gives tickets again to slices of recent runs that have lost theirs. Gives their number.
    pub async fn repair(&self) -> Result<usize> {
        let now = self.clock.now();
        let query = Query { order: Some(Order::Descending("startedAt")), limit: 20, ..Query::default() };
        let page = self.documents.query(&SWEEPS, Scope::Partition(&PartitionKey::of([RUNS])), query).await?;
        let mut given = 0;
        for document in &page.items {
            let run: Run = document.read()?;
            if run.finished_at.is_none() && now - run.started_at < REPAIRED {
                given += self.give_tickets(&run, now).await?;
                self.finish(&run.id).await?;
            }
        }
        Ok(given)
    }

    /// Writes the tickets that are missing or were given up; gives their number.
    async fn give_tickets(&self, run: &Run, now: DateTime<Utc>) -> Result<usize> {
        if run.finished_at.is_some() {
            return Ok(0);
        }
        let states = self.slice_states(&run.id).await?;
        let mut given = 0;
        for slice in &run.slices {
            if states.iter().any(|state| state.slice == *slice && state.done) {
                continue;
            }
            let ticket = self.ticket(run, slice);
            let written = self.blobs.properties(&ticket.blob()).await?.map(|found| found.modified_at);
            if written.is_none_or(|written| now - written > LOST || written - now > MAX_CLOCK_SKEW) {
                self.put_ticket(&ticket).await?;
                given += 1;
            }
        }
        Ok(given)
    }

    fn ticket(&self, run: &Run, slice: &Slice) -> SweepTicket {
        SweepTicket { run: run.id.clone(), slice: slice.clone(), dry_run: run.dry_run, rules: run.rules.clone() }
    }

    async fn put_ticket(&self, ticket: &SweepTicket) -> Result<()> {
        let content = serde_json::to_vec(ticket).map_err(Error::internal)?;
        let options = PutOptions { content_type: Some("application/json".into()), ..PutOptions::default() };
        self.blobs.put(&ticket.blob(), whole(content), options).await?;
        Ok(())
    }

    /// Works the slice of a ticket for one turn.
    ///
    /// # Errors
    /// Those of the stores, after which the ticket must come again; `Unavailable` while the clocks differ.
    pub async fn work(&self, ticket: &SweepTicket) -> Result<Progress> {
        let known = self.run(&ticket.run).await?.filter(|(run, _)| run.slices.contains(&ticket.slice));
        let Some((run, _)) = known else {
            self.blobs.delete(&ticket.blob(), Condition::None).await?;
            return Ok(Progress::Unknown);
        };
        let Some((mut state, mut etag)) = self.claim(&run, &ticket.slice).await? else {
            return Ok(Progress::Elsewhere);
        };
        let dry_run = run.dry_run || ticket.dry_run;
        let begun = tokio::time::Instant::now();
        let mut pages = 0;
        while !state.done {
            if pages > 0 && (begun.elapsed() >= self.pace.turn || pages >= self.pace.pages) {
                self.put_ticket(ticket).await?;
                return Ok(Progress::Underway);
            }
            pages += 1;
            let failure = self.work_page(&mut state, dry_run).await?;
            match self.keep(&run.id, &state, etag).await? {
                Some(kept) => etag = kept,
                None => return Ok(Progress::Elsewhere),
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
        self.finish(&run.id).await?;
        // The last step: until then the ticket makes sure that all before is done.
        self.blobs.delete(&ticket.blob(), Condition::None).await?;
        Ok(Progress::Done)
    }

    /// Takes a slice for this invocation; `None` when another takes it at the same time.
    async fn claim(&self, run: &Run, slice: &Slice) -> Result<Option<(SliceState, ETag)>> {
        let partition = PartitionKey::of([run.id.as_str()]);
        let name = slice.to_string();
        let found = self.documents.read(&SWEEPS, &partition, &name).await?;
        let (mut state, condition) = match found {
            Some(found) => (found.read()?, Condition::IfMatch(found.etag)),
            None => (SliceState::new(slice.clone(), self.rules.clone()), Condition::IfAbsent),
        };
        if !state.done && state.rules != self.rules {
            state = state.anew(self.rules.clone());
            give_up_after_many(&mut state, "the rules kept changing");
        }
        state.turns += 1;
        let document = NewDocument::new(name, &state)?;
        let written = match condition {
            Condition::IfAbsent => self.documents.create(&SWEEPS, &partition, document).await,
            condition => self.documents.replace(&SWEEPS, &partition, document, condition).await,
        };
        let written = match written {
            Ok(written) => written,
            Err(error) if is_lost_race(error.kind()) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The store has just told its own time.
        let apart = (self.clock.now() - written.modified_at).abs();
        if apart > MAX_CLOCK_SKEW + TimeDelta::seconds(1) {
            let detail = format!("the clocks of this process and of the documents are {} s apart", apart.num_seconds());
            return Err(Error::new(Code::Unavailable, detail));
        }
        Ok(Some((state, written.etag)))
    }

    /// Keeps how far a slice is; `None` when another invocation has it.
    async fn keep(&self, run: &str, state: &SliceState, etag: ETag) -> Result<Option<ETag>> {
        let document = NewDocument::new(state.slice.to_string(), state)?;
        let partition = PartitionKey::of([run]);
        match self.documents.replace(&SWEEPS, &partition, document, Condition::IfMatch(etag)).await {
            Ok(written) => Ok(Some(written.etag)),
            Err(error) if is_lost_race(error.kind()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a run once all its slices are done.
    async fn finish(&self, id: &str) -> Result<()> {
        for _ in 0..TURNS {
            let Some((mut run, etag)) = self.run(id).await?.filter(|(run, _)| run.finished_at.is_none()) else {
                return Ok(());
            };
            let states = self.slice_states(id).await?;
            let done: Vec<&SliceState> = states.iter().filter(|state| state.done).collect();
            if !run.slices.iter().all(|slice| done.iter().any(|state| state.slice == *slice)) {
                return Ok(());
            }
            let mut lines = Vec::new();
            for state in done {
                for (deed, count) in &state.tally {
                    *run.tally.entry(*deed).or_default() += *count;
                }
                for line in &state.inventory {
                    add(&mut lines, &line.container, line.tier, line.age, line.count);
                }
                run.problems.extend(state.problem.iter().map(|problem| format!("{}: {problem}", state.slice)));
            }
            // A listing that broke off knows too little.
            if run.problems.is_empty() {
                self.keep_inventory(Inventory { sweep: run.id.clone(), as_of: run.started_at, lines }).await?;
            }
            run.finished_at = Some(self.clock.now());
            let document = NewDocument::new(id, &run)?;
            let partition = PartitionKey::of([RUNS]);
            match self.documents.replace(&SWEEPS, &partition, document, Condition::IfMatch(etag)).await {
                Ok(_) => return Ok(()),
                Err(error) if is_lost_race(error.kind()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(Code::Unavailable, "the run changes too often at this moment"))
    }

    async fn keep_inventory(&self, inventory: Inventory) -> Result<()> {
        let now = self.clock.now();
        // One of the future was found while the clock was wrong.
        let newer = |known: Inventory| known.as_of > inventory.as_of && known.as_of <= now + MAX_CLOCK_SKEW;
        if self.inventory().await?.is_some_and(newer) {
            return Ok(());
        }
        let document = NewDocument::new("inventory", &inventory)?.with_ttl(Ttl::Never);
        self.documents.upsert(&SWEEPS, &PartitionKey::of([LASTING]), document).await?;
        Ok(())
    }

    /// What the last whole listing found.
    pub async fn inventory(&self) -> Result<Option<Inventory>> {
        let found = self.documents.read(&SWEEPS, &PartitionKey::of([LASTING]), "inventory").await?;
        Ok(found.map(|document| document.read()).transpose()?)
    }

    /// A run with its version.
    pub async fn run(&self, id: &str) -> Result<Option<(Run, ETag)>> {
        let found = self.documents.read(&SWEEPS, &PartitionKey::of([RUNS]), id).await?;
        found.map(|found: Document| Ok((found.read()?, found.etag))).transpose()
    }

    /// How far the slices of a run are, as many as have begun.
    pub async fn slice_states(&self, run: &str) -> Result<Vec<SliceState>> {
        // At most 16 for each of some containers.
        let query = Query { limit: 1000, ..Query::default() };
        let page = self.documents.query(&SWEEPS, Scope::Partition(&PartitionKey::of([run])), query).await?;
        page.items.iter().map(|document| Ok(document.read()?)).collect()
    }
}

/// Ends a slice that begins anew again and again.
pub(super) fn give_up_after_many(state: &mut SliceState, why: &str) {
    const MOST: u32 = 5;
    if state.restarts > MOST {
        state.done = true;
        state.problem = Some(why.to_owned());
    }
}

fn is_lost_race(kind: PortErrorKind) -> bool {
    matches!(kind, PortErrorKind::PreconditionFailed | PortErrorKind::NotFound | PortErrorKind::Conflict)
}
