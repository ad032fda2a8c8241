//! What the adapters of Azure's services do beyond their ports' contracts.

mod identity;
