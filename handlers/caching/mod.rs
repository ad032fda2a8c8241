//! What is kept so that it need not be read again: in the memory of each process, and for some caches in
//! the Redis that all processes share.
//!
//! Every cache has a row in the [`table`], and a typed front, a [`Cached`], beside the code that reads
//! through it with [`Caches::get_or_load`]. One load runs for each key, whoever waits. What is a little old
//! is shown while it is read anew.
//!
//! A change is told with [`Caches::changed`], by its writer or by the change feed. The key is then deleted
//! from Redis, and every instance hears of it and forgets its own copy ([`News`]). What was read before a
//! change is never kept after it: in the process a change takes the load that is under way off the list of
//! those that may fill, in Redis it ends the lease without which nobody fills
//! ([`Cache::fill`](crate::ports::cache::Cache::fill)).

mod cached;
mod caches;
mod envelope;
mod news;
mod process;
mod scope;
mod shared;
mod status;
pub mod table;

pub use cached::Cached;
pub use caches::Caches;
pub use news::{Change, Message, News};
pub use scope::{Owner, PerCaller, PerTenant, Public, Scope, ScopeKind};
pub use status::{CacheStats, CacheStatus};
pub use table::{CachePolicy, ChangeKind, Levels};
