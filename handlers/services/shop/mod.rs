//! The shop: its catalogue for shoppers, and what a shopper's words find in it.

pub mod answers;
mod changes;
pub mod products;
pub mod reviews;
mod store;
mod view;

pub use store::{sample_catalogue, seed, snapshot, snapshot_and_status};
pub use view::ProductView;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [products::functions(), reviews::functions(), changes::functions()].into_iter().flatten().collect()
}
