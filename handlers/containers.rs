//! Where things are kept: the document containers with their partition keys, lifetimes and indexes, and
//! the blob containers. One place, from which adapters and infrastructure take them.
//!
//! A query that compares or orders by another field than its container indexes works on the embedded
//! store, and on Cosmos DB is dear (a comparison) or refused (an order): declare the field here.

use std::sync::LazyLock;

use serde_json::Value;

use crate::ports::documents::{Container, Indexing, OrderIndex, PartitionKey};
use crate::types::TenantId;

const DAY: u32 = 86_400;

/// Nothing but the partition key: documents that are read by id, listed by id, or followed on the
/// change feed.
const BY_ID: Indexing = Indexing::Only { fields: &[], orders: &[] };

/// Everything of one customer: account, consents, cart, orders, voice samples, interactions, outbox. Beside
/// them strangers' carts and, for each tenant, its API keys ([`api_keys`]), who of its people has a role
/// ([`team`]), and its anonymous sales ([`sales`]).
pub static CUSTOMERS: Container = Container {
    name: "customers",
    partition_key: &["tenantId", "userId"],
    default_ttl: None,
    indexing: Indexing::Only {
        // Every listing is of one kind; timers look for samples that are stuck, for recordings that come out of
        // the archive, for accounts whose erasure is due, and for orders that something is open about.
        fields: &["kind", "status", "createdAt", "uploadUntil", "recording.status", "erasure.dueAt", "attentionAt"],
        orders: &[
            OrderIndex { equal: &["kind"], by: "createdAt" },
            OrderIndex { equal: &["kind", "status"], by: "createdAt" },
        ],
    },
};

/// Unique claims: who owns an email address, whose an API key is.
pub static DIRECTORY: Container =
    Container { name: "directory", partition_key: &["id"], default_ttl: None, indexing: BY_ID };

/// The tenants, with their outbox: one partition each. Not named `tenantId`, for these are not a tenant's own
/// documents: they are in the shared database, wherever the tenant is placed. Also where the feeds of dedicated
/// databases were read up to.
pub static TENANTS: Container = Container {
    name: "tenants",
    partition_key: &["tenant"],
    default_ttl: None,
    indexing: Indexing::Only { fields: &["kind"], orders: &[] },
};

/// Products, categories, policies: read whole, a partition at a time, into the memory of each process. Beside
/// them how far the pictures of products are, which is not.
pub static CATALOGUE: Container = Container {
    name: "catalogue",
    partition_key: &["tenantId", "kind"],
    default_ttl: None,
    // A timer looks for pictures that are stuck.
    indexing: Indexing::Only { fields: &["status", "createdAt", "uploadUntil"], orders: &[] },
};

/// Reviews as shoppers read them, and how many stars each product got, by product. Not in `catalogue`, which is
/// read whole and whose changes end what is in memory of it.
pub static REVIEWS: Container = Container {
    name: "reviews",
    partition_key: &["tenantId", "productId"],
    default_ttl: None,
    indexing: Indexing::Only {
        fields: &["part", "at", "rank"],
        // The newest first, or those with most stars.
        orders: &[OrderIndex { equal: &["part"], by: "at" }, OrderIndex { equal: &["part"], by: "rank" }],
    },
};

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

/// The audit log, which is only added to.
pub static AUDIT: Container = Container {
    name: "audit",
    partition_key: &["tenantId", "day"],
    default_ttl: Some(365 * DAY),
    indexing: Indexing::Only {
        fields: &["at", "action", "actor", "subject"],
        orders: &[
            OrderIndex { equal: &[], by: "at" },
            OrderIndex { equal: &["action"], by: "at" },
            OrderIndex { equal: &["actor"], by: "at" },
            OrderIndex { equal: &["subject"], by: "at" },
        ],
    },
};

/// Records of erasures, which name nobody; kept for good.
pub static ERASURES: Container = Container {
    name: "erasures",
    partition_key: &["tenantId"],
    default_ttl: None,
    indexing: Indexing::Only { fields: &[], orders: &[OrderIndex { equal: &[], by: "startedAt" }] },
};

/// Every document container.
pub static DOCUMENT_CONTAINERS: [&Container; 11] = [
    &CUSTOMERS,
    &DIRECTORY,
    &TENANTS,
    &CATALOGUE,
    &STOCK,
    &EVENTS,
    &DEAD_LETTERS,
    &AUDIT,
    &ERASURES,
    &SWEEPS,
    &REVIEWS,
];

/// Those whose documents belong to tenants: what a dedicated database holds.
pub static TENANT_CONTAINERS: LazyLock<Vec<&'static Container>> =
    LazyLock::new(|| DOCUMENT_CONTAINERS.into_iter().filter(|container| container.is_of_tenants()).collect());

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
/// Tickets of what is done for an account: clean-up after a consent, exports, erasure.
pub const ACCOUNT_JOBS: &str = "account-jobs";
/// Copies of customers' data, made for them.
pub const EXPORTS: &str = "exports";
/// Pictures of products in the forms in which they are sent, under names that never change their content.
pub const MEDIA: &str = "media";
/// Pictures as they were uploaded.
pub const MEDIA_UPLOADS: &str = "media-uploads";
/// Tickets of what is done with uploaded pictures.
pub const MEDIA_JOBS: &str = "media-jobs";
/// Tickets of sweeps through the blobs.
pub const LIFECYCLE_JOBS: &str = "lifecycle-jobs";

/// Every blob container.
pub const BLOB_CONTAINERS: [&str; 10] = [
    VOICE_UPLOADS,
    VOICE_JOBS,
    VOICE_RESULTS,
    SPEECH,
    MEDIA,
    MEDIA_UPLOADS,
    MEDIA_JOBS,
    ACCOUNT_JOBS,
    EXPORTS,
    LIFECYCLE_JOBS,
];

/// The partition of `TENANTS` that holds what concerns one tenant.
pub fn tenant(id: &TenantId) -> PartitionKey {
    PartitionKey::of([id.as_str()])
}

/// The partition of `CUSTOMERS` that holds everything of one owner: a user, or an anonymous
/// exchange that owns itself.
pub fn customer(tenant: &TenantId, owner: &str) -> PartitionKey {
    PartitionKey::of([tenant.as_str(), owner])
}

/// The partition of `CUSTOMERS` that holds the API keys of a tenant. No owner has such an id.
pub fn api_keys(tenant: &TenantId) -> PartitionKey {
    customer(tenant, "api-keys")
}

/// The partition of `CUSTOMERS` that holds the sales of customers who are no longer there, which name nobody.
/// No owner has such an id.
pub fn sales(tenant: &TenantId) -> PartitionKey {
    customer(tenant, "sales")
}

/// The partition of `CUSTOMERS` that tells who has a role at a tenant. No owner has such an id.
pub fn team(tenant: &TenantId) -> PartitionKey {
    customer(tenant, "team")
}
