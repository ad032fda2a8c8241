//! Adapters of [`crate::ports::blobs`].
