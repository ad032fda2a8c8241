//! Pictures of products: uploaded by staff straight to storage, by a signed address; checked and made into sizes
//! and formats by a job that a small ticket fires; listed in the document of their product; and sent under names
//! that are the hashes of their bytes.
//!
//! A job may be delivered twice or die anywhere. What it writes is named by its content, what it enters into the
//! product is known by the picture's id, and its end is written only in the version that it began with.

mod claims;
mod jobs;
mod listed;
mod manage;
mod model;
mod renditions;
mod serve;
mod store;
mod uploads;

pub use claims::{Shown, claim_of_upload};
pub use model::is_picture;

use crate::function::Function;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    [uploads::functions(), manage::functions(), serve::functions(), jobs::functions()].into_iter().flatten().collect()
}
