//! The shop: its catalogue for shoppers, what a shopper's words find in it, what staff does to it, its stock, carts
//! and orders.

pub mod admin;
pub mod answers;
pub mod cart;
mod changes;
mod enquiry;
pub mod media;
pub mod orders;
pub mod products;
mod query;
pub mod reviews;
#[cfg(test)]
mod searched;
pub mod stock;
mod store;
mod view;

pub use store::{sample_catalogue, seed, snapshot, snapshot_and_status};
pub use view::ProductView;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [
        products::functions(),
        media::functions(),
        reviews::functions(),
        admin::functions(),
        changes::functions(),
        stock::functions(),
        cart::functions(),
        orders::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
