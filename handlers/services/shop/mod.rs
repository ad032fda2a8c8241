//! The shop: its catalogue for shoppers, what a shopper's words find in it, and what staff does to it.

pub mod admin;
pub mod answers;
mod changes;
pub mod products;
mod query;
#[cfg(test)]
mod searched;
mod store;
mod view;

pub use store::{sample_catalogue, seed, snapshot, snapshot_and_status};
pub use view::ProductView;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [products::functions(), admin::functions(), changes::functions()].into_iter().flatten().collect()
}
