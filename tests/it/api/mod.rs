//! The HTTP API over real sockets.

mod access;
mod accounts;
mod ground_rules;
