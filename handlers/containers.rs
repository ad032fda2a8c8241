//! Where things are kept: the document containers with their partition keys, lifetimes and indexes, and
//! the blob containers. One place, from which adapters and infrastructure take them.
//!
//! A query that compares or orders by another field than its container indexes works on the embedded
//! store, and on Cosmos DB is dear (a comparison) or refused (an order): declare the field here.

use serde_json::Value;

use crate::ports::documents::{Container, Indexing, OrderIndex, PartitionKey};
use crate::types::TenantId;

const DAY: u32 = 86_400;

/// Nothing but the partition key: documents that are read by id, listed by id, or followed on the
/// change feed.
const BY_ID: Indexing = Indexing::Only { fields: &[], orders: &[] };

/// Everything of one customer: account, consents, voice samples, interactions, outbox.
pub static CUSTOMERS: Container = Container {
    name: "customers",
    partition_key: &["tenantId", "userId"],
    default_ttl: None,
    indexing: Indexing::Only {
        // Every listing is of one kind; timers look for samples that are stuck and for recordings that come
        // out of the archive.
        fields: &["kind", "status", "createdAt", "uploadUntil", "recording.status"],
        orders: &[
            OrderIndex { equal: &["kind"], by: "createdAt" },
            OrderIndex { equal: &["kind", "status"], by: "createdAt" },
        ],
    },
};

/// Unique claims: who owns an email address.
pub static DIRECTORY: Container =
    Container { name: "directory", partition_key: &["id"], default_ttl: None, indexing: BY_ID };

/// Products, categories, policies: read whole, a partition at a time, into the memory of each process.
pub static CATALOGUE: Container =
    Container { name: "catalogue", partition_key: &["tenantId", "kind"], default_ttl: None, indexing: BY_ID };

/// Quantities and reservations by product.
pub static STOCK: Container =
    Container { name: "stock", partition_key: &["tenantId", "productId"], default_ttl: None, indexing: BY_ID };

/// Client analytics events.
pub static EVENTS: Container =
    Container { name: "events", partition_key: &["tenantId", "bucket"], default_ttl: Some(90 * DAY), indexing: BY_ID };

/// What could not be processed.
pub static DEAD_LETTERS: Container = Container {
    name: "deadletters",
    partition_key: &["tenantId", "day"],
    default_ttl: Some(30 * DAY),
    indexing: BY_ID,
};

/// Sweeps through the blobs: the runs under `runs`, and under the name of each run how far its slices are.
pub static SWEEPS: Container = Container {
    name: "sweeps",
    partition_key: &["run"],
    default_ttl: Some(90 * DAY),
    indexing: Indexing::Only {
        fields: &["startedAt"],
        // The last runs first.
        orders: &[OrderIndex { equal: &[], by: "startedAt" }],
    },
};

/// Every document container.
pub static DOCUMENT_CONTAINERS: [&Container; 7] =
    [&CUSTOMERS, &DIRECTORY, &CATALOGUE, &STOCK, &EVENTS, &DEAD_LETTERS, &SWEEPS];

/// The document containers as Azure's APIs take them, for infrastructure: an array of
/// [`Container::definition`].
pub fn containers_json() -> Value {
    DOCUMENT_CONTAINERS.iter().map(|container| container.definition()).collect()
}

/// Recordings as they were uploaded.
pub const VOICE_UPLOADS: &str = "voice-uploads";
/// Tickets of voice jobs.
pub const VOICE_JOBS: &str = "voice-jobs";
/// Waveforms and renditions.
pub const VOICE_RESULTS: &str = "voice-results";
/// Synthesised speech, by the hash of what shapes it.
pub const SPEECH: &str = "speech";

/// Pictures and films of products, under names that never change their content.
pub const MEDIA: &str = "media";
/// What customers asked to be given of their data.
pub const EXPORTS: &str = "exports";
/// Tickets of sweeps through the blobs.
pub const LIFECYCLE_JOBS: &str = "lifecycle-jobs";

/// Every blob container.
pub const BLOB_CONTAINERS: [&str; 7] =
    [VOICE_UPLOADS, VOICE_JOBS, VOICE_RESULTS, SPEECH, MEDIA, EXPORTS, LIFECYCLE_JOBS];

/// The partition of `CUSTOMERS` that holds everything of one owner: a user, or an anonymous
/// exchange that owns itself.
pub fn customer(tenant: &TenantId, owner: &str) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), owner])
}
