//! Carts: of customers, and of strangers until they sign in.

mod api;
mod guest;
mod merge;
mod spoken;
mod store;
mod view;

pub use api::{CartHeaders, choose, find, once};
pub use guest::GuestCartId;
pub use spoken::{apply, known};
pub use store::{Owner, change, give_up, read, take_out};
pub use view::{CartView, comes_in, summary_of, view_of};

use crate::error::{Code, Error};
use crate::function::Function;
use crate::ordering::cart::CartRefusal;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    [api::functions(), merge::functions()].into_iter().flatten().collect()
}

/// What a refusal means to the caller.
pub(super) fn explain(refusal: CartRefusal) -> Error {
    match refusal {
        CartRefusal::TooManyPieces { .. } => Error::field("quantity", refusal.to_string()),
        CartRefusal::TooManyLines => Error::new(Code::Conflict, refusal.to_string()),
        CartRefusal::NoSuchLine => Error::not_found(refusal.to_string()),
    }
}
