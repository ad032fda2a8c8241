//! The adapters of Azure's services beyond their ports' contracts: faults, keys, topology.

mod cosmos;
