//! Operating the product: health, metrics, caches, its own description, the audit log, and the life of stored data.

mod audit;
mod caches;
mod docs;
mod health;
pub mod lifecycle;
mod metrics;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [
        caches::functions(),
        health::functions(),
        metrics::functions(),
        docs::functions(),
        audit::functions(),
        lifecycle::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
