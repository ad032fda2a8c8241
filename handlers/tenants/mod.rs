//! Tenants: the boutiques that the deployment serves, where their documents are, and whether they may be
//! used. What is known of them is held in memory by each process, for a short time.

mod directory;
mod record;

pub use directory::{TENANTS_READ_MOST, TenantDirectory};
pub use record::{LeftBehind, Movement, Status, Step, Tenant};
