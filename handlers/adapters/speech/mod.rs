//! Adapters of [`crate::ports::speech`].

pub mod local;

pub use local::LocalSpeech;
