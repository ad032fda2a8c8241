//! What the product does, by service. Each declares its functions; services never name an adapter.

pub mod accounts;
pub mod analytics;
mod dedicated;
mod links;
pub mod news;
pub mod ops;
mod outbox;
pub mod privacy;
pub mod shop;
pub mod tenants;
pub mod voice;

use crate::function::Function;

/// Every function of the product.
pub fn functions() -> Vec<Function> {
    [
        shop::functions(),
        accounts::functions(),
        tenants::functions(),
        privacy::functions(),
        voice::functions(),
        analytics::functions(),
        ops::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
