//! What customers decide about their data: consents and what follows from withdrawing one.
//!
//! What takes longer than a request is a job, fired by a small ticket in `ACCOUNT_JOBS`. A ticket stays until
//! its work is done for good and a timer fires it again until then, so that a job may be delivered twice or
//! die anywhere.

mod clean_up;
mod consents;
mod jobs;

use crate::function::Function;

/// This module's rows of the registry.
pub fn functions() -> Vec<Function> {
    [consents::functions(), jobs::functions()].into_iter().flatten().collect()
}
