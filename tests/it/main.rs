//! The tests that see the product from outside: its adapters against their ports' contracts, its
//! HTTP API, its triggers. One binary, so that there is one link.

mod api;
mod azure;
mod caching;
mod conformance;
mod functions_host;
mod infrastructure;
mod layers;
mod lifecycle;
mod media;
mod privacy;
mod shop;
mod shop_admin;
mod support;
mod tenants;
mod triggers;
mod voice;
