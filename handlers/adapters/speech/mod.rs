//! Adapters of [`crate::ports::speech`].

pub mod local;
