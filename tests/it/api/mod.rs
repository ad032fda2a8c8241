//! The HTTP API over real sockets.

mod access;
mod accounts;
mod api_keys;
mod audit;
mod caching;
mod catalogue;
mod commands;
mod contacts;
mod front_door;
mod ground_rules;
mod idempotency;
mod killed;
pub mod limits;
mod login;
mod openapi;
mod operator;
mod oracle;
mod passwords;
mod profile;
mod remembered;
mod reviews;
pub mod samples;
mod searches;
mod sessions;
mod storefront;
mod tiers;
mod users;
