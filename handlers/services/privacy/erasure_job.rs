//! Erases an account: every document, claim, blob and row that is about its customer. Done at once, and once
//! more when all that was under way then has come to its end. Each step can be done again, so that a job that
//! dies anywhere is done by the next.

use serde_json::{Value, json};

use super::erasure_record::{Counts, ErasureRecord, ErasureStatus};
use super::jobs::{self, Progress, SETTLED, Ticket};
use crate::containers::{ACCOUNT_JOBS, BLOB_CONTAINERS, CUSTOMERS, DIRECTORY, customer};
use crate::error::{Error, Result};
use crate::identity::EndReason;
use crate::ordering::order::Order;
use crate::ports::blobs::BlobName;
use crate::ports::documents::{Document, NewDocument, Operation, PartitionKey, Query, Scope, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::accounts::{self, Pseudonym, User};
use crate::services::shop::reviews;
use crate::services::voice::{conversation, forget};
use crate::services::{analytics, outbox, shop};
use crate::state::AppState;
use crate::types::{ErasureId, EventId, TenantId, UserId};

/// Documents whose end has effects elsewhere.
const ORDER: &str = Order::KIND;
const DRAFT: &str = Order::DRAFT;

const PAGE: usize = 100;
/// How long the event that tells other systems of an erasure waits for its relay. It names the customer, so
/// it goes sooner than others.
const EVENT_SECONDS: u32 = 86_400;

/// Does the erasure of a ticket.
pub async fn run(state: &AppState, ticket: &Ticket, id: &ErasureId) -> Result<(Progress, String)> {
    let found = accounts::user_document(state, &ticket.tenant_id, &ticket.user_id).await?;
    let known = ErasureRecord::read(state, &ticket.tenant_id, id).await?;
    if known.is_none() && found.is_none() {
        return Ok((Progress::Done, format!("{id} is of nobody")));
    }
    let subject = accounts::pseudonym(state, &ticket.tenant_id, &ticket.user_id).await?;
    let erasure = Erasure { state, ticket, id, subject };
    let user = match found {
        Some((user, document)) => match erasure.begin(user, document.etag).await? {
            Some(user) => Some(user),
            None => return Ok((Progress::Done, format!("{id} is not wanted (yet)"))),
        },
        None => None,
    };
    let (mut record, mut etag) = match known {
        Some(known) => known,
        None => erasure.record(user.as_ref()).await?.open(state, &ticket.tenant_id).await?,
    };
    let now = state.clock.now();
    match record.status {
        ErasureStatus::Running => {
            erasure.remove(user.as_ref(), false).await?;
            erasure.tell().await?;
            record.status = ErasureStatus::Erased;
            record.erased_at = Some(state.clock.now());
            record.write(state, &ticket.tenant_id, etag).await?;
            Ok((Progress::Later, format!("{id} is done; it is looked after once more")))
        }
        ErasureStatus::Erased if now - record.erased_at.unwrap_or(now) < SETTLED => {
            Ok((Progress::Later, format!("{id} is done; it is looked after later")))
        }
        ErasureStatus::Erased => {
            if record.late.is_empty() {
                record.late = erasure.count().await?;
                // Those did not come late; they were left.
                record.late.remove(&format!("documents.{}", outbox::KIND));
                etag = record.write(state, &ticket.tenant_id, etag).await?;
            }
            erasure.remove(user.as_ref(), true).await?;
            record.status = ErasureStatus::Completed;
            record.completed_at = Some(state.clock.now());
            record.write(state, &ticket.tenant_id, etag).await?;
            Ok((Progress::Done, format!("{id} is completed")))
        }
        ErasureStatus::Completed => Ok((Progress::Done, format!("{id} is completed"))),
    }
}

struct Erasure<'a> {
    state: &'a AppState,
    ticket: &'a Ticket,
    id: &'a ErasureId,
    subject: Pseudonym,
}

impl Erasure<'_> {
    fn tenant(&self) -> &TenantId {
        &self.ticket.tenant_id
    }

    fn user(&self) -> &UserId {
        &self.ticket.user_id
    }

    fn partition(&self) -> PartitionKey {
        customer(self.tenant(), self.user().as_str())
    }

    /// Marks the account, from which on nobody can restore it; `None` when it was restored, or has time
    /// left.
    async fn begin(&self, mut user: User, etag: ETag) -> Result<Option<User>> {
        let Some(notice) = user.erasure.as_mut().filter(|notice| notice.id == *self.id) else { return Ok(None) };
        if self.state.clock.now() < notice.due_at {
            return Ok(None);
        }
        if notice.begun {
            return Ok(Some(user));
        }
        notice.begun = true;
        let document = NewDocument::new(user.id.as_str(), &user)?;
        self.state.documents.replace(&CUSTOMERS, &self.partition(), document, Condition::IfMatch(etag)).await?;
        Ok(Some(user))
    }

    async fn record(&self, user: Option<&User>) -> Result<ErasureRecord> {
        Ok(ErasureRecord {
            id: self.id.clone(),
            status: ErasureStatus::Running,
            subject: self.subject.clone(),
            requested_at: user.and_then(|user| Some(user.erasure.as_ref()?.requested_at)),
            started_at: self.state.clock.now(),
            erased_at: None,
            completed_at: None,
            found: self.count().await?,
            late: Counts::new(),
        })
    }

    /// What there is of the customer, by place.
    async fn count(&self) -> Result<Counts> {
        let mut counts = Counts::new();
        let mut add = |place: String, by: u64| *counts.entry(place).or_default() += by;
        let mut continuation = None;
        loop {
            let query = Query { limit: PAGE, continuation, ..Query::default() };
            let page = self.state.documents.query(&CUSTOMERS, Scope::Partition(&self.partition()), query).await?;
            for document in &page.items {
                add(format!("documents.{}", kind(document)?), 1);
            }
            continuation = page.next;
            if continuation.is_none() {
                break;
            }
        }
        for container in BLOB_CONTAINERS {
            let blobs = self.blobs(container).await?.len() as u64;
            if blobs > 0 {
                add(format!("blobs.{container}"), blobs);
            }
        }
        let rows = analytics::count(self.state, &self.subject).await?;
        if rows > 0 {
            add("reports".into(), rows);
        }
        Ok(counts)
    }

    /// Removes all there is. The events in the outbox are left for their relay until the second time, and
    /// the user goes last, since it says what else belongs to it.
    async fn remove(&self, user: Option<&User>, outbox: bool) -> Result<()> {
        if let Some(user) = user {
            accounts::end_all(self.state, self.tenant(), self.user(), EndReason::AccountClosed, None).await?;
            for claim in user.claims(self.tenant()) {
                self.remove_claim(&claim).await?;
            }
        }
        accounts::forget_consents(self.state, self.tenant(), self.user()).await;
        conversation::forget(self.state, self.tenant(), self.user()).await;
        accounts::forget_account(self.state, self.tenant(), self.user()).await;
        forget::remove_tickets(self.state, self.tenant(), self.user()).await?;
        for container in BLOB_CONTAINERS {
            for blob in self.blobs(container).await? {
                self.state.blobs.delete(&blob, Condition::None).await?;
            }
        }
        analytics::forget(self.state, &self.subject).await?;
        self.remove_documents(outbox).await?;
        if user.is_some() {
            self.remove_document(self.user().as_str()).await?;
        }
        Ok(())
    }

    /// Removes a claim in the directory, unless it is another's by now.
    async fn remove_claim(&self, id: &str) -> Result<()> {
        let partition = PartitionKey::of([id]);
        let Some(found) = self.state.documents.read(&DIRECTORY, &partition, id).await? else { return Ok(()) };
        if found.read::<Value>()?["userId"] != self.user().as_str() {
            return Ok(());
        }
        match self.state.documents.delete(&DIRECTORY, &partition, id, Condition::IfMatch(found.etag)).await {
            Err(error) if !is_gone(error.kind()) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The customer's blobs in a container, but for the ticket of this very job.
    async fn blobs(&self, container: &'static str) -> Result<Vec<BlobName>> {
        let own = self.ticket.blob();
        let prefix = jobs::prefix(self.tenant(), self.user());
        let mut found = Vec::new();
        let mut continuation = None;
        loop {
            let page = self.state.blobs.list(container, &prefix, PAGE, continuation).await?;
            found.extend(page.items.into_iter().map(|item| BlobName::new(container, item.path)));
            continuation = page.next;
            if continuation.is_none() {
                found.retain(|blob| container != ACCOUNT_JOBS || *blob != own);
                return Ok(found);
            }
        }
    }

    async fn remove_documents(&self, outbox: bool) -> Result<()> {
        let mut continuation = None;
        loop {
            let query = Query { limit: PAGE, continuation, ..Query::default() };
            let page = self.state.documents.query(&CUSTOMERS, Scope::Partition(&self.partition()), query).await?;
            let mut removed = Vec::new();
            for document in &page.items {
                let is_event = kind(document)? == outbox::KIND;
                if is_event {
                    analytics::forget_event(self.state, &document.id).await?;
                }
                if [ORDER, DRAFT].contains(&kind(document)?.as_str()) {
                    shop::orders::forget(self.state, self.tenant(), self.user(), document).await?;
                }
                // What it left elsewhere goes before it, so that a job that dies finds its way there again.
                reviews::forget(self.state, self.tenant(), &document.read()?).await?;
                if document.id != self.user().as_str() && (outbox || !is_event) {
                    removed.push(document.id.as_str());
                }
            }
            self.remove_all(&removed).await?;
            continuation = page.next;
            if continuation.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes documents, many at a time.
    async fn remove_all(&self, ids: &[&str]) -> Result<()> {
        let deletions: Vec<_> = ids.iter().map(|id| Operation::Delete((*id).to_owned(), Condition::None)).collect();
        if deletions.is_empty() {
            return Ok(());
        }
        match self.state.documents.batch(&CUSTOMERS, &self.partition(), deletions).await {
            Ok(_) => Ok(()),
            // One of them has expired meanwhile.
            Err(error) if is_gone(error.error.kind()) => {
                for id in ids {
                    self.remove_document(id).await?;
                }
                Ok(())
            }
            Err(error) => Err(error.error.into()),
        }
    }

    async fn remove_document(&self, id: &str) -> Result<()> {
        match self.state.documents.delete(&CUSTOMERS, &self.partition(), id, Condition::None).await {
            Err(error) if !is_gone(error.kind()) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Tells other systems, so that they forget as well: from a partition of its own, since the customer's is
    /// empty for good.
    async fn tell(&self) -> Result<()> {
        let event = EventId::twin_of(self.id.as_str()).map_err(Error::internal)?;
        let data = json!({ "erasureId": self.id });
        let now = self.state.clock.now();
        let mut operation = outbox::put(event, "account.erased", self.tenant(), self.user().as_str(), now, data)?;
        if let Operation::Upsert(document) = &mut operation {
            document.ttl = Ttl::Seconds(EVENT_SECONDS);
        }
        let partition = customer(self.tenant(), self.id.as_str());
        self.state.documents.batch(&CUSTOMERS, &partition, vec![operation]).await.map_err(|error| error.error)?;
        Ok(())
    }
}

fn is_gone(kind: PortErrorKind) -> bool {
    matches!(kind, PortErrorKind::NotFound | PortErrorKind::PreconditionFailed)
}

fn kind(document: &Document) -> Result<String> {
    let body: Value = document.read()?;
    Ok(body["kind"].as_str().unwrap_or("unknown").to_owned())
}
