//! Operating the product: health and its own description.

mod docs;
mod health;
mod metrics;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [health::functions(), metrics::functions(), docs::functions()].into_iter().flatten().collect()
}
