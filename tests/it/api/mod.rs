//! The HTTP API over real sockets.

mod access;
mod accounts;
mod catalogue;
mod commands;
mod front_door;
mod ground_rules;
mod idempotency;
pub mod limits;
mod openapi;
mod oracle;
mod passwords;
mod profile;
pub mod samples;
mod sessions;
mod storefront;
mod tiers;
