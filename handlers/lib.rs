//! The Pravis Boutique API.

#![forbid(unsafe_code)]

pub mod audio;
pub mod seed;
pub mod types;
pub mod understanding;
