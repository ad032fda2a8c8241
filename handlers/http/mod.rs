//! What handlers speak: requests that are already authenticated and read, responses, and the
//! ground rules of the API, each in one place. Nothing here knows warp.

pub mod caching;
pub mod compression;
pub mod conditional;
pub mod cors;
pub mod idempotency;
mod pagination;
pub mod problem;
mod request;
mod response;

pub use pagination::{ListQuery, cursor_from, cursor_of};
pub use problem::Problem;
pub use request::{Client, Request};
pub use response::{Body, Response, json, json_with, no_store, stream};
