//! What staff does to the catalogue. Each write is checked field by field, stands in one transactional batch with
//! its history and its event, and is seen by shoppers on all instances once the change feed tells of it.

mod categories;
mod draft;
mod entries;
mod fields;
mod history;
mod import;
mod list;
mod policies;
mod products;
mod shelf;
mod view;

use crate::function::Function;

/// The rows of the registry for the catalogue's staff.
pub fn functions() -> Vec<Function> {
    [
        products::functions(),
        list::functions(),
        history::functions(),
        import::functions(),
        categories::functions(),
        policies::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
