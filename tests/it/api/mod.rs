//! The HTTP API over real sockets.

mod access;
mod accounts;
mod api_keys;
mod audit;
mod catalogue;
mod commands;
mod contacts;
mod ground_rules;
mod idempotency;
mod killed;
mod login;
mod openapi;
mod operator;
mod oracle;
mod passwords;
mod profile;
pub mod samples;
mod sessions;
mod storefront;
mod users;
