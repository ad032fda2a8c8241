use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ports::documents::{Container, DocumentStore, Indexing, NewDocument, PartitionKey, Ttl};
use crate::ports::{Continuation, ETag};

/// What the local host remembers, by function.
pub static LEASES: Container =
    Container { name: "leases", partition_key: &["function"], default_ttl: None, indexing: Indexing::Everything };

/// How long it is remembered that a version of a blob was worked.
const RECEIPT_LIFETIME: u32 = 7 * 86_400;

/// What became of a version of a blob.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Failed tries so far.
    pub failures: u32,
    /// Worked, or given up.
    pub settled: bool,
}

#[derive(Serialize, Deserialize)]
struct Place {
    continuation: Continuation,
}

#[derive(Serialize, Deserialize)]
struct LastTick {
    at: DateTime<Utc>,
}

/// The ledger of one function.
pub struct Ledger<'a> {
    documents: &'a dyn DocumentStore,
    partition: PartitionKey,
}

impl<'a> Ledger<'a> {
    pub fn of(documents: &'a dyn DocumentStore, function: &str) -> Self {
        Self { documents, partition: PartitionKey::of([function]) }
    }

    pub async fn receipt(&self, path: &str, etag: &ETag) -> Result<Receipt> {
        let found = self.documents.read(&LEASES, &self.partition, &receipt_id(path, etag)).await?;
        Ok(found.map(|document| document.read()).transpose()?.unwrap_or_default())
    }

    pub async fn keep_receipt(&self, path: &str, etag: &ETag, receipt: &Receipt) -> Result<()> {
        let document = NewDocument::new(receipt_id(path, etag), receipt)?.with_ttl(Ttl::Seconds(RECEIPT_LIFETIME));
        self.documents.upsert(&LEASES, &self.partition, document).await?;
        Ok(())
    }

    pub async fn place(&self) -> Result<Option<Continuation>> {
        let found = self.documents.read(&LEASES, &self.partition, "place").await?;
        Ok(found.map(|document| document.read::<Place>()).transpose()?.map(|place| place.continuation))
    }

    pub async fn keep_place(&self, continuation: Continuation) -> Result<()> {
        self.documents.upsert(&LEASES, &self.partition, NewDocument::new("place", &Place { continuation })?).await?;
        Ok(())
    }

    pub async fn last_tick(&self) -> Result<Option<DateTime<Utc>>> {
        let found = self.documents.read(&LEASES, &self.partition, "tick").await?;
        Ok(found.map(|document| document.read::<LastTick>()).transpose()?.map(|tick| tick.at))
    }

    pub async fn keep_tick(&self, at: DateTime<Utc>) -> Result<()> {
        self.documents.upsert(&LEASES, &self.partition, NewDocument::new("tick", &LastTick { at })?).await?;
        Ok(())
    }
}

fn receipt_id(path: &str, etag: &ETag) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{path}\n{etag}").as_bytes()).as_ref())
}
