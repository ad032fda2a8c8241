//! Adapters of [`crate::ports::blobs`].

pub mod directory;
pub mod rules;

pub use directory::DirectoryBlobs;
