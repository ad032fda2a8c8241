//! The HTTP API over real sockets.

mod access;
mod accounts;
mod caching;
mod catalogue;
mod commands;
mod ground_rules;
mod idempotency;
mod openapi;
mod oracle;
mod passwords;
mod profile;
pub mod samples;
mod sessions;
mod storefront;
