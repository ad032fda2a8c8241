//! Whether an API key is good, and what it may: from memory, as long as it may be believed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;

use super::Principal;
use super::api_key::{ApiKey, ApiKeyClaim, ApiKeyText, Fingerprint};
use crate::containers::{CUSTOMERS, DIRECTORY, api_keys};
use crate::error::Result;
use crate::ports::Condition;
use crate::ports::clock::Clock;
use crate::ports::documents::{Document, DocumentStore, Operation, PartitionKey};
use crate::ports::spent;
use crate::types::{ApiKeyId, TenantId};

/// How long it is believed that a key is good, or that there is none: what another instance revoked is
/// noticed within this time also when its news is lost.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long a revoked key is remembered: longer than a reading of before can be believed.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);
const MAX_KEYS: u64 = 10_000;

/// Makes the event that tells of the first use of a key.
pub type FirstUse = fn(&TenantId, &ApiKey, DateTime<Utc>) -> Result<Operation>;

/// The keys that this process was called with lately.
pub struct LiveApiKeys {
    documents: Arc<dyn DocumentStore>,
    clock: Arc<dyn Clock>,
    first_use: FirstUse,
    /// `None` for a fingerprint that nobody has.
    known: Cache<Fingerprint, Option<Arc<Known>>>,
    revoked: Cache<ApiKeyId, ()>,
}

struct Known {
    id: ApiKeyId,
    expires_at: Option<DateTime<Utc>>,
    principal: Principal,
}

impl LiveApiKeys {
    pub fn new(documents: Arc<dyn DocumentStore>, clock: Arc<dyn Clock>, first_use: FirstUse) -> Self {
        let known = Cache::builder().max_capacity(MAX_KEYS).time_to_live(BELIEVED).build();
        let revoked = Cache::builder().max_capacity(MAX_KEYS).time_to_live(REMEMBERED).build();
        Self { documents, clock, first_use, known, revoked }
    }

    /// Who calls with a key; `None` when it is unknown, expired or revoked. From memory, or by two point
    /// reads; at most once an hour a use is noted, by a write.
    ///
    /// # Errors
    /// Those of the reads, when nothing is in memory.
    pub async fn authenticate(&self, text: &str) -> Result<Option<Principal>> {
        let Some(key) = ApiKeyText::parse(text) else { return Ok(None) };
        let fingerprint = key.fingerprint();
        let known = match self.known.get(&fingerprint).await {
            Some(known) => known,
            None => {
                // It serves all requests of a minute, so none of them is charged.
                let known = spent::counted(self.find(&fingerprint)).await.0?;
                self.known.insert(fingerprint, known.clone()).await;
                known
            }
        };
        let now = self.clock.now();
        let good = |known: &Arc<Known>| known.id == key.id && known.expires_at.is_none_or(|expiry| now < expiry);
        // A revocation that was told while the documents were read counts.
        Ok(known
            .filter(good)
            .filter(|known| !self.revoked.contains_key(&known.id))
            .map(|known| known.principal.clone()))
    }

    /// What is remembered of a secret must not depend on the id that it came with.
    async fn find(&self, fingerprint: &Fingerprint) -> Result<Option<Arc<Known>>> {
        let id = fingerprint.claim_id();
        let Some(claim) = self.documents.read(&DIRECTORY, &PartitionKey::of([&id]), &id).await? else {
            return Ok(None);
        };
        let claim: ApiKeyClaim = claim.read()?;
        let tenant = claim.tenant_id;
        let found = self.documents.read(&CUSTOMERS, &api_keys(&tenant), claim.key_id.as_str()).await?;
        let Some(document) = found else { return Ok(None) };
        let key: ApiKey = document.read()?;
        if !key.is_of(fingerprint) || !key.is_good(self.clock.now()) {
            return Ok(None);
        }
        let known = Known { id: key.id.clone(), expires_at: key.expires_at, principal: key.principal(&tenant)? };
        if let Err(error) = self.note_use(&tenant, key, document).await {
            tracing::warn!(error = %error.chain(), "the use of an API key was not noted");
        }
        Ok(Some(Arc::new(known)))
    }

    /// Notes the hour. Who changed the record meanwhile wins: the next reading notes it.
    async fn note_use(&self, tenant: &TenantId, mut key: ApiKey, document: Document) -> Result<()> {
        let now = self.clock.now();
        let first = key.last_used_at.is_none();
        if !key.used(now) {
            return Ok(());
        }
        let mut operations = vec![Operation::Replace(key.document(now)?, Condition::IfMatch(document.etag))];
        if first {
            operations.push((self.first_use)(tenant, &key, now)?);
        }
        self.documents.batch(&CUSTOMERS, &api_keys(tenant), operations).await.map_err(|error| error.error)?;
        Ok(())
    }

    /// Notes that a key was revoked, here or on another instance.
    pub async fn revoked(&self, key: &ApiKeyId) {
        self.revoked.insert(key.clone(), ()).await;
    }

    /// Forgets what is believed: news may have been missed.
    pub fn doubt(&self) {
        self.known.invalidate_all();
    }
}
