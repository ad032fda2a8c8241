//! Reviews in their authors' partitions, each write with the event that tells of it.

use serde_json::{Value, json};

use super::model::{Gone, Review};
use crate::audit::Origin;
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::ports::documents::{Document, NewDocument, Operation, Ttl};
use crate::ports::{Condition, ETag, PortErrorKind};
use crate::services::outbox;
use crate::state::AppState;
use crate::types::{EventId, ProductId, ReviewId, TenantId, UserId};

/// How often a change is put upon what others wrote meanwhile.
pub(super) const TURNS: usize = 5;
/// How long what is left of a deleted review stays: longer than any event of it is under way.
pub(super) const GONE_SECONDS: u32 = 30 * 86_400;

/// Events of reviews. Their data says whose review of which product it is, and never a word of it.
pub(super) const SUBMITTED: &str = "review.submitted";
pub(super) const CHANGED: &str = "review.changed";
pub(super) const APPROVED: &str = "review.approved";
pub(super) const REJECTED: &str = "review.rejected";
pub(super) const DELETED: &str = "review.deleted";

/// What is where an author's review of a product belongs.
pub(super) enum Place {
    Empty,
    /// There was one.
    Left {
        version: u64,
        etag: ETag,
    },
    Held {
        review: Box<Review>,
        etag: ETag,
    },
}

impl Place {
    /// The version of what is there; 0 where nothing is.
    pub fn version(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Left { version, .. } => *version,
            Self::Held { review, .. } => review.version,
        }
    }

    fn put(&self, document: NewDocument) -> Operation {
        match self {
            Self::Empty => Operation::Create(document),
            Self::Left { etag, .. } | Self::Held { etag, .. } => {
                Operation::Replace(document, Condition::IfMatch(etag.clone()))
            }
        }
    }
}

/// Whose partition it is.
#[derive(Clone, Copy)]
pub(super) struct Author<'a> {
    pub tenant: &'a TenantId,
    pub user: &'a UserId,
}

/// What there is under a review's id. One point read.
pub(super) async fn read(state: &AppState, author: Author<'_>, id: &ReviewId) -> Result<Place> {
    let partition = customer(author.tenant, author.user.as_str());
    match state.documents.read(&CUSTOMERS, &partition, id.as_str()).await? {
        None => Ok(Place::Empty),
        Some(document) => place(&document),
    }
}

/// What a document under a review's id says.
pub(super) fn place(document: &Document) -> Result<Place> {
    let etag = document.etag.clone();
    let gone: Gone = document.read()?;
    match gone.kind == Gone::KIND {
        true => Ok(Place::Left { version: gone.version, etag }),
        false => Ok(Place::Held { review: Box::new(document.read()?), etag }),
    }
}

/// Who tells of a change, and how.
pub(super) struct Told<'a> {
    pub kind: &'static str,
    /// Whoever acts where it is not the author.
    pub actor: Option<&'a str>,
    pub origin: Option<&'a Origin>,
}

impl Told<'_> {
    /// By the author, or by the program for them.
    pub fn plainly(kind: &'static str) -> Self {
        Self { kind, actor: None, origin: None }
    }
}

/// Writes a review in the place of what was read there, with its event; `None` when others were faster.
pub(super) async fn write(
    state: &AppState,
    author: Author<'_>,
    place: &Place,
    review: &Review,
    told: &Told<'_>,
) -> Result<Option<Document>> {
    let document = place.put(NewDocument::new(review.id.as_str(), review)?);
    let event = event(state, author, &review.id, &review.product_id, review.version, told)?;
    batch(state, author, vec![document, event]).await
}

/// Deletes the review that was read; `false` when others were faster.
pub(super) async fn remove(state: &AppState, author: Author<'_>, review: &Review, etag: ETag) -> Result<bool> {
    let version = review.version + 1;
    let gone = NewDocument::new(review.id.as_str(), &Gone { kind: Gone::KIND.to_owned(), version })?;
    let gone = Operation::Replace(gone.with_ttl(Ttl::Seconds(GONE_SECONDS)), Condition::IfMatch(etag));
    let event = event(state, author, &review.id, &review.product_id, version, &Told::plainly(DELETED))?;
    Ok(batch(state, author, vec![gone, event]).await?.is_some())
}

fn event(
    state: &AppState,
    author: Author<'_>,
    id: &ReviewId,
    product: &ProductId,
    version: u64,
    told: &Told<'_>,
) -> Result<Operation> {
    let mut data = json!({ "userId": author.user, "reviewId": id, "productId": product, "version": version });
    if let (Value::Object(fields), Some(actor)) = (&mut data, told.actor) {
        fields.insert("actor".into(), actor.into());
    }
    let now = state.clock.now();
    outbox::put_from(told.origin, EventId::generate(), told.kind, author.tenant, id.as_str(), now, data)
}

async fn batch(state: &AppState, author: Author<'_>, operations: Vec<Operation>) -> Result<Option<Document>> {
    let partition = customer(author.tenant, author.user.as_str());
    match state.documents.batch(&CUSTOMERS, &partition, operations).await {
        Ok(written) => {
            let document = written.into_iter().next().flatten();
            document.map(Some).ok_or_else(|| Error::internal("a batch gave no document that it wrote"))
        }
        Err(error) => match error.error.kind() {
            PortErrorKind::PreconditionFailed | PortErrorKind::Conflict | PortErrorKind::NotFound => Ok(None),
            _ => Err(error.error.into()),
        },
    }
}

/// What is told when others win every turn.
pub(super) fn too_often() -> Error {
    Error::new(Code::Unavailable, "The review changes too often at this moment; please try again.")
}

pub(super) fn no_review() -> Error {
    Error::not_found("There is no such review.")
}
