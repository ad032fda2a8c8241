//! Orders: placed once however often they are sent, moved by their customers, the staff, payments and time.
//! An order's document decides; the stock follows it, and a timer sees to it that it does.

mod admin;
mod api;
mod forget;
mod moves;
mod place;
mod reconcile;
mod sent;
mod store;
mod view;
mod webhook;

pub use forget::forget;

use crate::function::Function;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    [api::functions(), admin::functions(), reconcile::functions(), webhook::functions()].into_iter().flatten().collect()
}
