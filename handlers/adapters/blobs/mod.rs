//! Adapters of [`crate::ports::blobs`].

pub mod azure;
pub mod directory;
pub mod rules;

pub use azure::AzureBlobs;
pub use directory::DirectoryBlobs;
