//! The sample catalogue and policies that a new data directory starts with.
