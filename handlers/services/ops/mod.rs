//! Operating the product: health, metrics, its own description, and the audit log.

mod audit;
mod docs;
mod health;
mod metrics;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [health::functions(), metrics::functions(), docs::functions(), audit::functions()].into_iter().flatten().collect()
}
