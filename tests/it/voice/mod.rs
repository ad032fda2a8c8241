//! Voice from end to end: the real program, spoken to over HTTP as a browser would.

mod killed;
mod reconcile;
mod rejected;
pub mod server;
mod shopper;
mod spoken;
pub mod stores;
mod without_engine;
