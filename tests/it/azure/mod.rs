//! What is particular to the adapters of Azure's services; their ports' contracts are in `conformance`.

pub mod redis;
