//! Operating the product: health, metrics, caches, and its own description.

mod caches;
mod docs;
mod health;
mod metrics;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [caches::functions(), health::functions(), metrics::functions(), docs::functions()].into_iter().flatten().collect()
}
