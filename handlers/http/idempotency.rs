//! `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header): a POST that is sent again
//! with its key is answered again, not done again.
//!
//! A record per caller, function and key is created before the handler runs and holds the answer
//! after it. A record of a request that never ended (the process died) frees its key after
//! [`LOCK`], which is longer than any handler may run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Body, Request, Response};
use crate::containers::{CUSTOMERS, customer};
use crate::error::{Code, Error, Result};
use crate::identity::Caller;
use crate::ports::clock::Clock;
use crate::ports::documents::{Document, DocumentStore, NewDocument, PartitionKey, Ttl};
use crate::ports::{Condition, PortErrorKind};

/// How long a key is held by a request that has not ended.
pub const LOCK: Duration = Duration::from_secs(90);
/// How long an answer is kept.
const KEEP: u32 = 48 * 3600;
const MAX_KEY_CHARS: usize = 255;
/// Answers larger than this are not kept; no function that creates gives such a one.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const KEPT_HEADERS: [HeaderName; 5] =
    [CACHE_CONTROL, CONTENT_TYPE, LOCATION, ETAG, HeaderName::from_static("operation-location")];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    kind: String,
    body_hash: String,
    started_at: DateTime<Utc>,
    answer: Option<StoredAnswer>,
}

/// An answer in the form in which it is kept.
#[derive(Serialize, Deserialize)]
pub struct StoredAnswer {
    status: u16,
    headers: BTreeMap<String, String>,
    /// Base64 of the body.
    body: String,
}

/// What to do with a request that carries a key.
pub enum Decision {
    /// Run the handler, then [`Idempotency::finish`] with the claim.
    Run(Claim),
    /// Answer as before.
    Replay(Response),
}

/// The right to run a request under its key.
pub struct Claim {
    partition: PartitionKey,
    record: Document,
}

/// The rule over a document store.
pub struct Idempotency {
    documents: Arc<dyn DocumentStore>,
    clock: Arc<dyn Clock>,
}

impl Idempotency {
    pub fn new(documents: Arc<dyn DocumentStore>, clock: Arc<dyn Clock>) -> Self {
        Self { documents, clock }
    }

    /// The key of a request, if it carries one.
    ///
    /// # Errors
    /// A field error unless it is 1 to 255 visible characters.
    pub fn key_of(request: &Request) -> Result<Option<String>> {
        let Some(value) = request.headers.get("idempotency-key") else { return Ok(None) };
        match value.to_str().map(str::trim) {
            Ok(key) if (1..=MAX_KEY_CHARS).contains(&key.len()) => Ok(Some(key.to_owned())),
            _ => Err(Error::field("Idempotency-Key", "expected 1 to 255 visible ASCII characters")),
        }
    }

    /// Claims the key for this request, or finds what became of it.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyReused`] for another body, [`Code::RequestInProgress`] while the first one
    /// runs.
    pub async fn begin(&self, function: &str, key: &str, request: &Request) -> Result<Decision> {
        let id = format!("idem_{}", fingerprint(&[function.as_bytes(), key.as_bytes()]));
        let partition = match &request.caller {
            Caller::Known(principal) => customer(&principal.tenant, principal.user.as_str()),
            Caller::Anonymous { tenant } => customer(tenant, &id),
        };
        let body_hash = fingerprint(&[request.query.as_bytes(), &request.body]);
        let fresh = || {
            let record = Record {
                kind: "idempotency".into(),
                body_hash: body_hash.clone(),
                started_at: self.clock.now(),
                answer: None,
            };
            NewDocument::new(id.clone(), &record).map(|document| document.with_ttl(Ttl::Seconds(KEEP)))
        };
        match self.documents.create(&CUSTOMERS, &partition, fresh()?).await {
            Ok(record) => return Ok(Decision::Run(Claim { partition, record })),
            Err(error) if error.kind() == PortErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        let busy = || {
            Error::new(Code::RequestInProgress, "A request with this Idempotency-Key is still running.")
                .with_retry_after(Duration::from_secs(2))
        };
        let Some(found) = self.documents.read(&CUSTOMERS, &partition, &id).await? else { return Err(busy()) };
        let record: Record = found.read()?;
        if record.body_hash != body_hash {
            return Err(Error::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key came with another request before; use a new key.",
            ));
        }
        if let Some(answer) = record.answer {
            return Ok(Decision::Replay(answer.response()?));
        }
        if self.clock.now() - record.started_at < chrono::Duration::seconds(LOCK.as_secs() as i64) {
            return Err(busy());
        }
        match self.documents.replace(&CUSTOMERS, &partition, fresh()?, Condition::IfMatch(found.etag)).await {
            Ok(record) => Ok(Decision::Run(Claim { partition, record })),
            Err(error) if error.kind() == PortErrorKind::PreconditionFailed => Err(busy()),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the answer under the claimed key, or frees the key when there is none to keep: the caller
    /// may mend the request, and we our failure.
    pub async fn finish(&self, claim: Claim, answer: Option<StoredAnswer>) -> Result<()> {
        let Some(kept) = answer else { return self.abandon(claim).await };
        let id = claim.record.id.clone();
        let condition = Condition::IfMatch(claim.record.etag.clone());
        let mut record: Record = claim.record.read()?;
        record.answer = Some(kept);
        let document = NewDocument::new(id, &record)?.with_ttl(Ttl::Seconds(KEEP));
        self.documents.replace(&CUSTOMERS, &claim.partition, document, condition).await?;
        Ok(())
    }

    /// Frees the key of a request that failed.
    pub async fn abandon(&self, claim: Claim) -> Result<()> {
        let condition = Condition::IfMatch(claim.record.etag);
        self.documents.delete(&CUSTOMERS, &claim.partition, &claim.record.id, condition).await?;
        Ok(())
    }
}

impl StoredAnswer {
    /// The form of an answer that is to be kept: a success whose body is not streamed.
    pub fn of(response: &Response) -> Option<Self> {
        let body = match response.body() {
            Body::Full(body) if response.status().is_success() && body.len() <= MAX_ANSWER_BYTES => body,
            _ => return None,
        };
        let headers = KEPT_HEADERS
            .iter()
            .filter_map(|name| Some((name.to_string(), response.headers().get(name)?.to_str().ok()?.to_owned())))
            .collect();
        Some(Self { status: response.status().as_u16(), headers, body: STANDARD.encode(body) })
    }

    fn response(self) -> Result<Response> {
        let body = STANDARD.decode(self.body).map_err(Error::internal)?;
        let mut response = Response::new(Body::Full(body.into()));
        *response.status_mut() = StatusCode::from_u16(self.status).map_err(Error::internal)?;
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).map_err(Error::internal)?;
            response.headers_mut().insert(name, HeaderValue::try_from(value).map_err(Error::internal)?);
        }
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// A hash of parts that no other parts have, safe in a document id.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    URL_SAFE_NO_PAD.encode(context.finish().as_ref())
}
