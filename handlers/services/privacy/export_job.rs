//! Makes an export: everything about a customer in one zip file, written to storage as it is gathered.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use super::archive::Archive;
use super::export_model::{self, Export, ExportStatus, KEPT, Slot};
use super::export_pages;
use super::jobs::{Progress, SETTLED, Ticket};
use super::kinds::{Disclosure, KINDS};
use crate::containers::{CUSTOMERS, EXPORTS, VOICE_RESULTS, VOICE_UPLOADS, customer};
use crate::error::{Code, Error, Result};
use crate::ports::blobs::{AccessTier, BlobName, BlobProperties, PutOptions};
use crate::ports::documents::{Filter, Operation, Query, Scope};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::{accounts, analytics, outbox};
use crate::state::AppState;
use crate::types::{EventId, ExportId, TenantId, UserId};

/// Work on an export begins at most this often.
const MAX_ATTEMPTS: u32 = 5;
/// How long whoever works an export has it to themselves without a sign of life.
const LEASE: TimeDelta = TimeDelta::minutes(3);
const PAGE: usize = 100;

/// Makes the export of a ticket that was written at `asked_at`.
pub async fn run(
    state: &AppState,
    ticket: &Ticket,
    id: &ExportId,
    asked_at: DateTime<Utc>,
) -> Result<(Progress, String)> {
    let (tenant, user) = (&ticket.tenant_id, &ticket.user_id);
    let Some((export, etag)) = export_model::read(state, tenant, user, id).await? else {
        remove_files(state, tenant, user, id).await?;
        // The ticket is there before the export is.
        let later = state.clock.now() - asked_at < SETTLED;
        let progress = if later { Progress::Later } else { Progress::Done };
        return Ok((progress, format!("{id} is not there")));
    };
    if export.status.is_final() {
        return Ok((Progress::Done, format!("{id} is {:?}", export.status)));
    }
    if export.working_until.is_some_and(|until| state.clock.now() < until) {
        return Ok((Progress::Later, format!("{id} is being made elsewhere")));
    }
    let Some(mut work) = Work::begin(state, tenant, user, export, etag).await? else {
        return Ok((Progress::Later, format!("{id} is being made elsewhere")));
    };
    if work.export.attempts > MAX_ATTEMPTS {
        work.end(ExportStatus::Failed, None).await?;
        return Ok((Progress::Done, format!("{id} is given up")));
    }
    match work.make().await {
        Ok(stored) => {
            let kept = work.end(ExportStatus::Completed, Some(stored.size)).await?;
            Ok((Progress::Done, format!("{id} is {}", if kept { "made" } else { "not wanted any more" })))
        }
        Err(error) => {
            work.release().await;
            Err(error)
        }
    }
}

/// An export that is being made here and nowhere else.
struct Work<'a> {
    state: &'a AppState,
    tenant: &'a TenantId,
    user: &'a UserId,
    export: Export,
    etag: ETag,
    /// When the last sign of life was given.
    alive_at: DateTime<Utc>,
}

/// A file of an export, for its table of contents.
struct Listed {
    path: String,
    what: &'static str,
    items: usize,
}

impl<'a> Work<'a> {
    /// Takes an export to itself; `None` when another is faster.
    async fn begin(
        state: &'a AppState,
        tenant: &'a TenantId,
        user: &'a UserId,
        export: Export,
        etag: ETag,
    ) -> Result<Option<Self>> {
        let mut work = Self { state, tenant, user, export, etag, alive_at: state.clock.now() };
        work.export.status = ExportStatus::Processing;
        work.export.attempts += 1;
        match work.sign_of_life().await {
            Ok(()) => Ok(Some(work)),
            Err(error) if error.code() == Code::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the export to itself for a while more.
    ///
    /// # Errors
    /// [`Code::Conflict`] when the export was deleted, or taken by another.
    async fn sign_of_life(&mut self) -> Result<()> {
        self.alive_at = self.state.clock.now();
        self.export.working_until = Some(self.alive_at + LEASE);
        self.write().await
    }

    async fn write(&mut self) -> Result<()> {
        let partition = customer(self.tenant, self.user.as_str());
        let condition = Condition::IfMatch(self.etag.clone());
        let document = self.export.document()?;
        match self.state.documents.replace(&CUSTOMERS, &partition, document, condition).await {
            Ok(written) => {
                self.etag = written.etag;
                Ok(())
            }
            Err(error) if matches!(error.kind(), PortErrorKind::PreconditionFailed | PortErrorKind::NotFound) => {
                Err(Error::new(Code::Conflict, "the export was taken by another, or deleted"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn breathe(&mut self) -> Result<()> {
        match self.state.clock.now() - self.alive_at >= LEASE / 3 {
            true => self.sign_of_life().await,
            false => Ok(()),
        }
    }

    /// Lets others try again at once.
    async fn release(&mut self) {
        self.export.working_until = None;
        if let Err(error) = self.write().await {
            tracing::info!(export = %self.export.id, error = %error.chain(), "export not released; it releases itself");
        }
    }

    /// Writes the zip file.
    async fn make(&mut self) -> Result<BlobProperties> {
        let (archive, bytes) = Archive::begin();
        let name = self.export.blob(self.tenant, self.user);
        let options = PutOptions { content_type: Some("application/zip".into()), ..PutOptions::default() };
        let blobs = self.state.blobs.clone();
        let storing = async move { blobs.put(&name, bytes, options).await };
        let (stored, filled) = tokio::join!(storing, self.fill(archive));
        // What went wrong while it was filled is why it was not stored.
        filled?;
        Ok(stored?)
    }

    async fn fill(&mut self, archive: Archive) -> Result<()> {
        let mut listed = Vec::new();
        for (kind, disclosure) in KINDS {
            if let Disclosure::Shown { file, what, fields } = disclosure {
                let items = self.documents(&archive, kind, file, fields).await?;
                listed.push(Listed { path: file.into(), what, items });
            }
        }
        let items = self.reports(&archive).await?;
        let what = "What our reports tell of you under a code; only with your consent to analytics.";
        listed.push(Listed { path: "reports.json".into(), what, items });
        for (container, folder, what) in [
            (VOICE_UPLOADS, "recordings", "Your recordings as they were uploaded, save those that are in the archive."),
            (VOICE_RESULTS, "renditions", "Your recordings in the form that you listen to."),
        ] {
            let items = self.sounds(&archive, container, folder).await?;
            listed.push(Listed { path: format!("{folder}/"), what, items });
        }
        self.contents(&archive, &listed).await?;
        archive.finish().await
    }

    /// Writes all documents of a kind as a JSON array, and gives their number.
    async fn documents(&mut self, archive: &Archive, kind: &str, file: &str, fields: &[&str]) -> Result<usize> {
        let partition = customer(self.tenant, self.user.as_str());
        let mut list = List::begin(archive, file).await?;
        let mut continuation = None;
        loop {
            let filters = vec![Filter::Equal("kind", json!(kind))];
            let query = Query { filters, limit: PAGE, continuation, ..Query::default() };
            let page = self.state.documents.query(&CUSTOMERS, Scope::Partition(&partition), query).await?;
            for document in page.items {
                let mut shown: Map<String, Value> = document.read()?;
                shown.retain(|field, _| fields.contains(&field.as_str()));
                list.add(&Value::Object(shown)).await?;
            }
            self.breathe().await?;
            continuation = page.next;
            if continuation.is_none() {
                return list.end().await;
            }
        }
    }

    async fn reports(&mut self, archive: &Archive) -> Result<usize> {
        let subject = accounts::pseudonym(self.state, self.tenant, self.user).await?;
        let mut list = List::begin(archive, "reports.json").await?;
        let mut last = None;
        loop {
            let page = analytics::about(self.state, &subject, last).await?;
            for row in page.rows {
                list.add(&row).await?;
            }
            self.breathe().await?;
            last = page.next;
            if last.is_none() {
                return list.end().await;
            }
        }
    }

    /// Copies the customer's blobs of a container into a folder, and gives their number.
    async fn sounds(&mut self, archive: &Archive, container: &'static str, folder: &str) -> Result<usize> {
        let prefix = format!("{}/{}/", self.tenant, self.user);
        let mut copied = 0;
        let mut continuation = None;
        loop {
            let page = self.state.blobs.list(container, &prefix, PAGE, continuation).await?;
            for item in page.items {
                // What is in the archive cannot be read for hours; its rendition never goes there.
                if item.properties.tier == AccessTier::Archive {
                    continue;
                }
                let file = format!("{folder}/{}{}", &item.path[prefix.len()..], extension(&item.properties));
                // One that was deleted since it was listed is no more.
                let Some(content) = self.state.blobs.get(&BlobName::new(container, item.path), None).await? else {
                    continue;
                };
                archive.file(file, false).await?;
                let mut stream = content.stream;
                while let Some(chunk) = stream.next().await {
                    archive.write(chunk?).await?;
                    self.breathe().await?;
                }
                copied += 1;
            }
            continuation = page.next;
            if continuation.is_none() {
                return Ok(copied);
            }
        }
    }

    /// Writes the table of contents, for people and for programs.
    async fn contents(&self, archive: &Archive, listed: &[Listed]) -> Result<()> {
        let files: Vec<Value> =
            listed.iter().map(|file| json!({ "path": file.path, "what": file.what, "items": file.items })).collect();
        let withheld: Vec<Value> = KINDS
            .iter()
            .filter_map(|(kind, disclosure)| match disclosure {
                Disclosure::Withheld(why) => Some(json!({ "kind": kind, "why": why })),
                Disclosure::Shown { .. } => None,
            })
            .collect();
        let index = json!({
            "format": "pravis-export", "version": 1, "exportId": self.export.id, "userId": self.user,
            "createdAt": self.state.clock.now(), "files": files, "withheld": withheld,
        });
        archive.file("index.json", true).await?;
        archive.write(serde_json::to_vec_pretty(&index).map_err(Error::internal)?).await?;
        archive.file("index.html", true).await?;
        let rows: Vec<_> = listed.iter().map(|file| (file.path.as_str(), file.what, file.items)).collect();
        archive.write(export_pages::index(self.state.clock.now(), &rows)).await
    }

    /// Writes the end of the export, its slot and the event, all or nothing; `false` when it was deleted
    /// or is another's by now, whereupon the file of this attempt goes.
    async fn end(&mut self, status: ExportStatus, size: Option<u64>) -> Result<bool> {
        let now = self.state.clock.now();
        self.export.status = status;
        self.export.working_until = None;
        self.export.finished_at = Some(now);
        self.export.size_bytes = size;
        self.export.expires_at = size.map(|_| now + KEPT);
        let partition = customer(self.tenant, self.user.as_str());
        let (mut slot, version) = Slot::read(self.state, &partition, now.date_naive()).await?;
        let mut operations = vec![Operation::Replace(self.export.document()?, Condition::IfMatch(self.etag.clone()))];
        if slot.current.as_ref() == Some(&self.export.id) {
            slot.current = None;
            operations.push(slot.put(version)?);
        }
        let kind = match status {
            ExportStatus::Completed => "account.exportReady",
            _ => "account.exportFailed",
        };
        let event = EventId::twin_of(self.export.id.as_str()).map_err(Error::internal)?;
        let data = json!({ "exportId": self.export.id });
        operations.push(outbox::put(event, kind, self.tenant, self.user.as_str(), now, data)?);
        match self.state.documents.batch(&CUSTOMERS, &partition, operations).await {
            Ok(_) => Ok(true),
            Err(error) if error.index == 0 && lost(error.error.kind()) => {
                let name = self.export.blob(self.tenant, self.user);
                self.state.blobs.delete(&name, Condition::None).await?;
                Ok(false)
            }
            Err(error) => Err(error.error.into()),
        }
    }
}

fn lost(kind: PortErrorKind) -> bool {
    matches!(kind, PortErrorKind::PreconditionFailed | PortErrorKind::NotFound)
}

/// What the name of a recording ends with, by what its recorder said it is. Renditions are named whole.
fn extension(properties: &BlobProperties) -> &'static str {
    match properties.content_type.split(';').next().unwrap_or_default().trim() {
        "audio/webm" | "video/webm" => ".webm",
        "audio/mp4" | "video/mp4" | "audio/x-m4a" | "audio/aac" => ".m4a",
        "audio/mpeg" => ".mp3",
        "audio/flac" | "audio/x-flac" => ".flac",
        "audio/wav" | "audio/x-wav" | "audio/wave" => ".wav",
        _ => "",
    }
}

/// A JSON array that is written item by item.
struct List<'a> {
    archive: &'a Archive,
    items: usize,
}

impl<'a> List<'a> {
    async fn begin(archive: &'a Archive, file: &str) -> Result<Self> {
        archive.file(file, true).await?;
        Ok(Self { archive, items: 0 })
    }

    async fn add(&mut self, item: &Value) -> Result<()> {
        let mut text = if self.items == 0 { b"[\n".to_vec() } else { b",\n".to_vec() };
        serde_json::to_writer_pretty(&mut text, item).map_err(Error::internal)?;
        self.items += 1;
        self.archive.write(text).await
    }

    async fn end(self) -> Result<usize> {
        self.archive.write(if self.items == 0 { "[]\n" } else { "\n]\n" }).await?;
        Ok(self.items)
    }
}

/// Removes every file of an export.
pub async fn remove_files(state: &AppState, tenant: &TenantId, user: &UserId, id: &ExportId) -> Result<()> {
    let page = state.blobs.list(EXPORTS, &export_model::folder(tenant, user, id), PAGE, None).await?;
    for item in page.items {
        state.blobs.delete(&BlobName::new(EXPORTS, item.path), Condition::None).await?;
    }
    Ok(())
}
