//! Voice: recordings become answers, texts become speech.
//!
//! A recording goes straight to storage by a signed URL; a small ticket then fires the job, which
//! measures, recognises, understands and answers. A job may be delivered twice or die anywhere: it
//! writes its end in one transactional batch under identifiers derived from the sample's, so the
//! end state is the same.

mod command;
pub mod conversation;
pub mod forget;
mod history;
mod jobs;
mod model;
mod permissions;
mod pipeline;
mod restore;
pub mod retention;
mod samples;
mod source;
mod speech;
mod storage_events;
mod store;
mod transcribe;
mod usage;

use crate::function::Function;

/// This service's rows of the registry.
pub fn functions() -> Vec<Function> {
    [
        samples::functions(),
        transcribe::functions(),
        command::functions(),
        speech::functions(),
        history::functions(),
        jobs::functions(),
        restore::functions(),
        storage_events::functions(),
        usage::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
