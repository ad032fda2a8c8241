//! The Pravis Boutique API.

#![forbid(unsafe_code)]

pub mod adapters;
pub mod audio;
pub mod error;
pub mod identity;
pub mod ports;
pub mod seed;
pub mod types;
pub mod understanding;
