//! The adapters of Azure's services, beyond what their ports promise.

pub mod sql;
