//! Where things are kept: the document containers with their partition keys and lifetimes, and
//! the blob containers. One place, from which adapters and infrastructure take them.

use crate::ports::documents::{Container, PartitionKey};
use crate::types::TenantId;

const DAY: u32 = 86_400;

/// Everything of one customer: account, consents, voice samples, interactions, outbox.
pub static CUSTOMERS: Container =
    Container { name: "customers", partition_key: &["tenantId", "userId"], default_ttl: None };

/// Unique claims: who owns an email address.
pub static DIRECTORY: Container = Container { name: "directory", partition_key: &["id"], default_ttl: None };

/// Products, categories, policies.
pub static CATALOGUE: Container =
    Container { name: "catalogue", partition_key: &["tenantId", "kind"], default_ttl: None };

/// Quantities and reservations by product.
pub static STOCK: Container = Container { name: "stock", partition_key: &["tenantId", "productId"], default_ttl: None };

/// Client analytics events.
pub static EVENTS: Container =
    Container { name: "events", partition_key: &["tenantId", "bucket"], default_ttl: Some(90 * DAY) };

/// What could not be processed.
pub static DEAD_LETTERS: Container =
    Container { name: "deadletters", partition_key: &["tenantId", "day"], default_ttl: Some(30 * DAY) };

/// Every document container.
pub static DOCUMENT_CONTAINERS: [&Container; 6] = [&CUSTOMERS, &DIRECTORY, &CATALOGUE, &STOCK, &EVENTS, &DEAD_LETTERS];

/// Recordings as they were uploaded.
pub const VOICE_UPLOADS: &str = "voice-uploads";
/// Tickets of voice jobs.
pub const VOICE_JOBS: &str = "voice-jobs";
/// Waveforms and renditions.
pub const VOICE_RESULTS: &str = "voice-results";
/// Synthesised speech, by the hash of what shapes it.
pub const SPEECH: &str = "speech";

/// Every blob container.
pub const BLOB_CONTAINERS: [&str; 4] = [VOICE_UPLOADS, VOICE_JOBS, VOICE_RESULTS, SPEECH];

/// The partition of `CUSTOMERS` that holds everything of one owner: a user, or an anonymous
/// exchange that owns itself.
pub fn customer(tenant: &TenantId, owner: &str) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), owner])
}
