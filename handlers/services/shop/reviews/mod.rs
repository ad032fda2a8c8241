//! Reviews of products: written by customers, decided on by staff, shown to everybody.
//!
//! The author's copy is the truth: a document in their own partition, changed together with an event in the
//! outbox. What shoppers read is a projection in the product's partition of the container `reviews`, beside
//! which a summary counts the stars; both are written in one batch, and only for a version later than the one
//! that is shown. So events may come twice, late and in any order. The product's own figures follow the
//! summary.

mod decisions;
mod events;
mod figures;
mod model;
mod own;
mod projection;
mod public;
mod purchases;
mod store;
mod words;

pub use projection::forget;

use crate::function::Function;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    [public::functions(), own::functions(), decisions::functions(), events::functions()].into_iter().flatten().collect()
}
