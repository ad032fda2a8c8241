//! Operating the product: health, its own description, the life of stored data.

mod docs;
mod health;
pub mod lifecycle;
mod metrics;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [health::functions(), metrics::functions(), docs::functions(), lifecycle::functions()]
        .into_iter()
        .flatten()
        .collect()
}
