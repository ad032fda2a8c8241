//! The Pravis Boutique API: shopping by voice for a handloom boutique, as one program whose functions
//! Azure Functions fires, or which fires them itself.
//!
//! Data flows one way: a host ([`server`], [`host`]) fires a function of the [`registry`], whose
//! handler in [`services`] speaks [`http`] and the domain ([`understanding`], [`catalogue`], [`audio`],
//! [`pictures`], [`ordering`], [`identity`], [`lifecycle`]) and reaches the outside world through [`ports`], behind which stand the
//! [`adapters`] that [`app`] chose from the [`settings`].

#![forbid(unsafe_code)]

pub mod adapters;
pub mod app;
pub mod audio;
pub mod audit;
pub mod caching;
pub mod catalogue;
pub mod cli;
pub mod containers;
pub mod error;
pub mod function;
pub mod host;
pub mod http;
pub mod identity;
pub mod infrastructure;
pub mod lifecycle;
pub mod ordering;
pub mod panics;
pub mod pictures;
pub mod ports;
pub mod registry;
pub mod seed;
pub mod server;
pub mod services;
pub mod settings;
pub mod state;
pub mod telemetry;
pub mod tenants;
pub mod tiers;
pub mod types;
pub mod understanding;
