use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ports::PortResult;
use crate::ports::cache::Cache;

/// The most keys that are noted. Beyond them the shared cache may show what was replaced or deleted while
/// it was away, until the end of its lifetime.
const MAX_OWED: usize = 10_000;

/// The keys under which the shared cache may hold what is out of date, because it was away when they were
/// set or deleted.
#[derive(Default)]
pub(super) struct Owed {
    keys: Mutex<BTreeSet<String>>,
    /// Their number, so that in good times nobody takes the lock.
    count: AtomicUsize,
    paying: AtomicBool,
}

impl Owed {
    pub(super) fn note(&self, key: &str) {
        let mut keys = self.keys();
        if keys.len() < MAX_OWED && keys.insert(key.to_owned()) && keys.len() == MAX_OWED {
            tracing::warn!("no more than {MAX_OWED} keys are noted that change while the shared cache is away");
        }
        self.count.store(keys.len(), Ordering::Release);
    }

    /// Deletes what is out of date under `key`, in the shared cache and what stood in for it here.
    pub(super) async fn pay(&self, key: &str, shared: &dyn Cache, local: &dyn Cache) -> PortResult<()> {
        if self.count.load(Ordering::Acquire) == 0 || !self.keys().contains(key) {
            return Ok(());
        }
        shared.delete(key).await?;
        local.delete(key).await?;
        let mut keys = self.keys();
        keys.remove(key);
        self.count.store(keys.len(), Ordering::Release);
        Ok(())
    }

    /// Deletes all that is out of date, in a task of its own, until the shared cache fails again.
    pub(super) fn pay_all(self: &Arc<Self>, shared: &Arc<dyn Cache>, local: &Arc<dyn Cache>) {
        if self.count.load(Ordering::Acquire) == 0 || self.paying.swap(true, Ordering::AcqRel) {
            return;
        }
        let (owed, shared, local) = (self.clone(), shared.clone(), local.clone());
        tokio::spawn(async move {
            loop {
                let Some(key) = owed.keys().first().cloned() else { break };
                if owed.pay(&key, &*shared, &*local).await.is_err() {
                    break;
                }
            }
            owed.paying.store(false, Ordering::Release);
        });
    }

    fn keys(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
