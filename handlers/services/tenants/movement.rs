//! Moving a tenant's documents to another database: fence, copy, compare, switch, and later remove what was
//! left behind.
//!
//! Nothing may be written while documents are copied, anywhere. So the record says first that the tenant
//! moves, and copying begins once every process has learned it: a process lets a write through only by records
//! that it asked for within their life, and a write that was let through ends within its time limit. The
//! switch waits in the same way before writes go on, so that nobody reads the old database while others write
//! the new one.
//!
//! Every step can be done again. Whoever works on a movement holds it for a while, so that two do not; and
//! should one be late all the same, what it deletes or replaces it names by version.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use ulid::Ulid;

use super::digest::{Content, Digest};
use super::store::{Event, Tenancy};
use crate::ports::clock::Clock;
use crate::ports::documents::{Container, Databases, Document, DocumentStore, Query, Scope};
use crate::ports::{Condition, Continuation, ETag, PortError, PortErrorKind, PortResult};
use crate::tenants::{LeftBehind, Movement, Step, Tenant};
use crate::types::{Placement, TenantId};

const PAGE: usize = 100;
/// Documents that are copied or removed at the same time.
const AT_ONCE: usize = 8;
/// Times that documents are copied until the comparison finds both sides alike.
const ROUNDS: usize = 3;
/// What ends so soon is not compared: it may end between the two listings.
const ENDING: TimeDelta = TimeDelta::minutes(10);
/// The longest that a write may be under way once it was let through: the stores give up earlier.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// How long a movement waits, and holds.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// Until no process writes or reads by an older record.
    pub fence: Duration,
    /// How long one who works on a movement is believed to do so without a sign of life.
    pub hold: Duration,
}

impl Waits {
    /// What is safe where processes believe records for `life`.
    pub fn after_records_of(life: Duration) -> Self {
        Self { fence: life + UNDER_WAY, hold: Duration::from_secs(60) }
    }
}

/// Why a movement did not come to its end. It goes on when it is told again.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    #[error("{0}")]
    Refused(String),
    #[error("the copy in {container} is not like the original: {original}, copied {copied}")]
    Different { container: &'static str, original: String, copied: String },
    #[error("the documents could not be moved now")]
    Port(#[from] PortError),
}

type Result<T> = std::result::Result<T, MoveError>;

/// Documents of a tenant in one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub container: &'static str,
    pub documents: u64,
}

/// Moves tenants between databases.
pub struct Mover {
    pub tenancy: Tenancy,
    pub shared: Arc<dyn DocumentStore>,
    pub databases: Arc<dyn Databases>,
    /// The containers that hold documents of tenants.
    pub containers: &'static [&'static Container],
    pub clock: Arc<dyn Clock>,
    pub waits: Waits,
    /// Hears what is being done, a line at a time.
    pub progress: fn(&str),
}

/// A record that this process works on.
struct Held {
    tenant: Tenant,
    etag: ETag,
    holder: String,
}

impl Mover {
    /// Moves a tenant, or goes on with a movement that was begun; nothing to do is no failure. A tenant that
    /// is being moved and told to stay where it is stays.
    ///
    /// # Errors
    /// [`MoveError`]: what was done stays done.
    pub async fn run(&self, id: &TenantId, to: &Placement) -> Result<()> {
        if let Some(database) = to.database() {
            self.databases.prepare(database).await?;
        }
        let holder = Ulid::generate().to_string();
        loop {
            let (tenant, etag) = self.find(id).await?;
            let mut held = Held { tenant, etag, holder: holder.clone() };
            let Some(movement) = held.tenant.movement.clone() else {
                if held.tenant.placement == *to {
                    (self.progress)(&format!("{id} is in {to}"));
                    return Ok(());
                }
                self.begin(&mut held, to).await?;
                continue;
            };
            self.take(&mut held, &movement).await?;
            if movement.to != *to {
                self.cancel(&mut held, &movement, to).await?;
                continue;
            }
            match movement.step {
                Step::Fencing => self.fence(&mut held).await?,
                Step::Copying { since } => {
                    self.carry(&mut held, to).await?;
                    let from = held.tenant.placement.clone();
                    held.tenant.placement = to.clone();
                    let step = Step::Settling { from, copied_since: since };
                    self.advance(&mut held, step).await?;
                    (self.progress)(&format!("{id} is placed in {to}"));
                }
                Step::Settling { from, copied_since } => {
                    self.wait().await;
                    let data = json!({ "from": from, "to": to });
                    held.tenant.movement = None;
                    held.tenant.left_behind = Some(LeftBehind { placement: from, copied_since: Some(copied_since) });
                    self.write(&mut held, Some(Event { kind: "tenant.moved", data })).await?;
                }
            }
        }
    }

    /// Removes what the last movement left in another database; gives the number of documents.
    ///
    /// # Errors
    /// [`MoveError::Refused`] while the tenant is being moved, and for documents that somebody wrote there
    /// after they were copied.
    pub async fn purge(&self, id: &TenantId) -> Result<u64> {
        let (tenant, etag) = self.find(id).await?;
        if tenant.movement.is_some() {
            return Err(MoveError::Refused(format!("{id} is being moved; nothing is removed meanwhile")));
        }
        let Some(left) = tenant.left_behind.clone() else { return Ok(0) };
        if left.placement == tenant.placement {
            return Err(MoveError::Refused(format!("{id} is in {}: nothing is removed there", left.placement)));
        }
        let store = self.open(&left.placement).await?;
        for &container in self.containers {
            let mut pages = Pages::of(id, container);
            while let Some(page) = pages.next(&*store).await? {
                let late = |document: &&Document| left.copied_since.is_some_and(|since| document.modified_at > since);
                if let Some(late) = page.iter().find(late) {
                    return Err(MoveError::Refused(format!(
                        "{} of {} in {} was written there at {}, after it was copied: look at it first",
                        late.id, container.name, left.placement, late.modified_at
                    )));
                }
            }
        }
        let mut removed = 0;
        for &container in self.containers {
            let mut pages = Pages::of(id, container);
            while let Some(page) = pages.next(&*store).await? {
                removed += page.len() as u64;
                let removals = page.iter().map(|document| remove(&*store, container, document)).collect::<Vec<_>>();
                stream::iter(removals).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            }
        }
        let mut held = Held { tenant, etag, holder: String::new() };
        held.tenant.left_behind = None;
        self.write(&mut held, None).await?;
        Ok(removed)
    }

    /// Counts the documents of a tenant where it is placed.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn count(&self, id: &TenantId) -> Result<Vec<Counted>> {
        let (tenant, _) = self.find(id).await?;
        let store = self.open(&tenant.placement).await?;
        let mut counts = Vec::with_capacity(self.containers.len());
        for &container in self.containers {
            let mut documents = 0;
            let mut pages = Pages::of(id, container);
            while let Some(page) = pages.next(&*store).await? {
                documents += page.len() as u64;
            }
            counts.push(Counted { container: container.name, documents });
        }
        Ok(counts)
    }

    async fn find(&self, id: &TenantId) -> Result<(Tenant, ETag)> {
        self.tenancy.find(id).await?.ok_or_else(|| MoveError::NoTenant(id.clone()))
    }

    async fn open(&self, placement: &Placement) -> PortResult<Arc<dyn DocumentStore>> {
        match placement.database() {
            None => Ok(self.shared.clone()),
            Some(database) => self.databases.open(database).await,
        }
    }

    async fn begin(&self, held: &mut Held, to: &Placement) -> Result<()> {
        if let Some(left) = &held.tenant.left_behind
            && left.placement != *to
        {
            let message = format!("documents are left in {}: remove them first (tenants purge)", left.placement);
            return Err(MoveError::Refused(message));
        }
        // What is left where the tenant goes is put right by the copying.
        held.tenant.left_behind = None;
        held.tenant.movement = Some(Movement {
            to: to.clone(),
            step: Step::Fencing,
            started_at: self.clock.now(),
            holder: held.holder.clone(),
            held_until: self.clock.now() + self.waits.hold,
        });
        let data = json!({ "from": held.tenant.placement, "to": to });
        self.write(held, Some(Event { kind: "tenant.moving", data })).await
    }

    /// Takes a movement over, unless somebody else works on it.
    async fn take(&self, held: &mut Held, movement: &Movement) -> Result<()> {
        if movement.holder != held.holder && movement.held_until > self.clock.now() {
            let until = movement.held_until;
            return Err(MoveError::Refused(format!("another process moves {}; ask again at {until}", held.tenant.id)));
        }
        self.hold(held).await
    }

    /// Holds the movement for another while.
    async fn hold(&self, held: &mut Held) -> Result<()> {
        if let Some(movement) = &mut held.tenant.movement {
            movement.holder = held.holder.clone();
            movement.held_until = self.clock.now() + self.waits.hold;
        }
        self.write(held, None).await
    }

    /// Gives a movement up while the tenant is where it was.
    async fn cancel(&self, held: &mut Held, movement: &Movement, to: &Placement) -> Result<()> {
        let is_settled = matches!(movement.step, Step::Settling { .. });
        if is_settled || held.tenant.placement != *to {
            let message = format!("{} is being moved to {}: let that come to its end", held.tenant.id, movement.to);
            return Err(MoveError::Refused(message));
        }
        held.tenant.movement = None;
        held.tenant.left_behind = Some(LeftBehind { placement: movement.to.clone(), copied_since: None });
        let data = json!({ "from": to, "to": movement.to });
        self.write(held, Some(Event { kind: "tenant.moveCancelled", data })).await
    }

    async fn fence(&self, held: &mut Held) -> Result<()> {
        let seconds = self.waits.fence.as_secs_f32();
        (self.progress)(&format!("{}: writes are refused; waiting {seconds:.0} s until all know", held.tenant.id));
        self.wait().await;
        self.advance(held, Step::Copying { since: self.clock.now() }).await
    }

    async fn wait(&self) {
        tokio::time::sleep(self.waits.fence).await;
    }

    async fn advance(&self, held: &mut Held, step: Step) -> Result<()> {
        if let Some(movement) = &mut held.tenant.movement {
            movement.step = step;
        }
        self.hold(held).await
    }

    async fn write(&self, held: &mut Held, event: Option<Event>) -> Result<()> {
        held.tenant = held.tenant.clone().changed(self.clock.now());
        match self.tenancy.replace(&held.tenant, held.etag.clone(), event).await {
            Ok(etag) => {
                held.etag = etag;
                Ok(())
            }
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => {
                Err(MoveError::Refused(format!("the record of {} was changed meanwhile; ask again", held.tenant.id)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says that somebody still works on the movement, when that was said a while ago.
    async fn sign_of_life(&self, held: &mut Held) -> Result<()> {
        let soon = self.clock.now() + self.waits.hold / 2;
        match &held.tenant.movement {
            Some(movement) if movement.held_until < soon => self.hold(held).await,
            _ => Ok(()),
        }
    }

    /// Makes the documents in `to` those of the tenant, and compares both sides.
    async fn carry(&self, held: &mut Held, to: &Placement) -> Result<()> {
        let (from, to) = (self.open(&held.tenant.placement).await?, self.open(to).await?);
        for &container in self.containers {
            let mut round = 0;
            loop {
                round += 1;
                self.prune(held, container, &from, &to).await?;
                self.copy(held, container, &from, &to).await?;
                let moment = self.clock.now() + ENDING;
                let original = self.digest(held, container, &from, moment).await?;
                let copied = self.digest(held, container, &to, moment).await?;
                if original == copied {
                    (self.progress)(&format!("{}: {original}", container.name));
                    break;
                }
                if round == ROUNDS {
                    let (original, copied) = (original.to_string(), copied.to_string());
                    return Err(MoveError::Different { container: container.name, original, copied });
                }
            }
        }
        Ok(())
    }

    /// Removes from the target what the source does not have: of an earlier movement.
    async fn prune(
        &self,
        held: &mut Held,
        container: &'static Container,
        from: &Arc<dyn DocumentStore>,
        to: &Arc<dyn DocumentStore>,
    ) -> Result<()> {
        let mut pages = Pages::of(&held.tenant.id, container);
        while let Some(page) = pages.next(&**to).await? {
            self.sign_of_life(held).await?;
            let checks = page.iter().map(|document| async move {
                match from.read(container, &document.partition, &document.id).await? {
                    Some(_) => Ok(()),
                    None => remove(&**to, container, document).await,
                }
            });
            let checks = checks.collect::<Vec<_>>();
            stream::iter(checks).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    async fn copy(
        &self,
        held: &mut Held,
        container: &'static Container,
        from: &Arc<dyn DocumentStore>,
        to: &Arc<dyn DocumentStore>,
    ) -> Result<()> {
        let mut pages = Pages::of(&held.tenant.id, container);
        while let Some(page) = pages.next(&**from).await? {
            self.sign_of_life(held).await?;
            let copies = page.iter().map(|document| self.copy_one(container, document, &**to)).collect::<Vec<_>>();
            stream::iter(copies).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    async fn copy_one(
        &self,
        container: &'static Container,
        document: &Document,
        to: &dyn DocumentStore,
    ) -> PortResult<()> {
        let content = Content::of(container, document)?;
        let Some(copy) = content.again(&document.id, self.clock.now()) else { return Ok(()) };
        match to.create(container, &document.partition, copy.clone()).await {
            Err(error) if error.kind() == PortErrorKind::Conflict => {}
            outcome => return outcome.map(drop),
        }
        let Some(there) = to.read(container, &document.partition, &document.id).await? else { return Ok(()) };
        if Content::of(container, &there)?.is_like(&content) {
            return Ok(());
        }
        to.replace(container, &document.partition, copy, Condition::IfMatch(there.etag)).await.map(drop)
    }

    async fn digest(
        &self,
        held: &mut Held,
        container: &'static Container,
        store: &Arc<dyn DocumentStore>,
        moment: chrono::DateTime<chrono::Utc>,
    ) -> Result<Digest> {
        let mut digest = Digest::default();
        let mut pages = Pages::of(&held.tenant.id, container);
        while let Some(page) = pages.next(&**store).await? {
            self.sign_of_life(held).await?;
            for document in &page {
                let content = Content::of(container, document)?;
                if !content.ends_before(moment) {
                    digest.add(document, &content);
                }
            }
        }
        Ok(digest)
    }
}

/// Removes the version of a document that was seen; what is gone or was written since stays as it is.
async fn remove(store: &dyn DocumentStore, container: &'static Container, document: &Document) -> PortResult<()> {
    let seen = Condition::IfMatch(document.etag.clone());
    match store.delete(container, &document.partition, &document.id, seen).await {
        Err(error) if matches!(error.kind(), PortErrorKind::NotFound | PortErrorKind::PreconditionFailed) => Ok(()),
        outcome => outcome,
    }
}

/// The documents of a tenant in a container, page after page.
struct Pages {
    prefix: [String; 1],
    container: &'static Container,
    /// `None` once the listing is over.
    place: Option<Option<Continuation>>,
}

impl Pages {
    fn of(tenant: &TenantId, container: &'static Container) -> Self {
        Self { prefix: [tenant.to_string()], container, place: Some(None) }
    }

    async fn next(&mut self, store: &dyn DocumentStore) -> PortResult<Option<Vec<Document>>> {
        let Some(continuation) = self.place.clone() else { return Ok(None) };
        let query = Query { limit: PAGE, continuation, ..Query::default() };
        let page = store.query(self.container, Scope::Prefix(&self.prefix), query).await?;
        self.place = page.next.map(Some);
        Ok(Some(page.items))
    }
}
