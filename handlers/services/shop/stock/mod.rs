//! How many pieces there are, and for whom. Each product has a document with its figures, which every change
//! replaces in the version it read, in one transaction with what the order holds: of many that want the last
//! piece one gets it, and a process that dies leaves no half of a change.

mod admin;
mod projection;
mod store;

pub use store::{current, step};

use crate::function::Function;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    [admin::functions(), projection::functions()].into_iter().flatten().collect()
}
