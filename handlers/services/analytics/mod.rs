//! Analytics: the relay that carries events out of the documents, and the facts for reports.

mod facts;
mod relay;

pub use facts::{Rows, TABLES, about, count, forget, forget_event};

use crate::function::Function;

/// The queue that carries domain events inside the product.
pub const EVENT_QUEUE: &str = "domain-events";

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [relay::functions(), facts::functions()].into_iter().flatten().collect()
}
