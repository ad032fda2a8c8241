//! What the adapters of Azure's services share: who this process is, how calls are sent, and what a
//! failure of the SDK means to a port.

pub mod credential;
pub mod failure;
mod tokens;
pub mod transport;

pub use credential::credential;
pub use transport::AzureTransport;
