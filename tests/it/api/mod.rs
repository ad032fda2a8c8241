//! The HTTP API over real sockets.

mod access;
mod accounts;
mod api_keys;
mod audit;
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
mod users;
