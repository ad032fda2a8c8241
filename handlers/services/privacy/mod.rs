//! What customers decide about their data: consents and what follows from withdrawing one, copies of
//! all of it, and the end of an account.
//!
//! What takes longer than a request is a job, fired by a small ticket in `ACCOUNT_JOBS`. A ticket stays until
//! its work is done for good and a timer fires it again until then, so that a job may be delivered twice or
//! die anywhere.

mod archive;
mod clean_up;
mod consents;
mod erasure;
mod erasure_job;
mod erasure_record;
mod export_job;
mod export_model;
mod export_pages;
mod exports;
mod jobs;
mod kinds;

pub use kinds::{Disclosure, KINDS, disclosure};

use crate::function::Function;

/// This module's rows of the registry.
pub fn functions() -> Vec<Function> {
    [consents::functions(), exports::functions(), erasure::functions(), jobs::functions()]
        .into_iter()
        .flatten()
        .collect()
}
