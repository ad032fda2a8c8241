//! What is particular to the adapters of Azure's services, as their emulators and doubles stand in for
//! them; their ports' contracts are in `conformance`.

mod cosmos;
mod identity;
pub mod redis;
pub mod sql;
mod storage;
mod together;
