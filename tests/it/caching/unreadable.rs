//! What is shown of what cannot be read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pravis::caching::{CachePolicy, CacheStatus, Cached, Caches, ChangeKind, Levels, PerTenant, ScopeKind};
use pravis::error::{Code, Result};
use pravis::types::TenantId;
use tokio::sync::Semaphore;

use super::caches;
use super::levels::{Source, advance, changed, shared, template};
use crate::support::clock::ManualClock;

static LASTING: CachePolicy = CachePolicy {
    name: "lasting",
    scope: ScopeKind::Tenant,
    levels: Levels::ProcessAndShared,
    stale_if_error: Duration::from_secs(3600),
    invalidated_by: &[ChangeKind::Catalogue],
    ..template()
};

static CACHED: Cached<PerTenant, u64> = Cached::shared_as_json(&LASTING, |_| 8);

async fn lasting(caches: &Caches, source: &Arc<Source>) -> Result<(u64, CacheStatus)> {
    let source = source.clone();
    let got = caches.get_or_load(&CACHED, &TenantId::pravis(), "", move || source.number()).await;
    got.map(|(number, status)| (*number, status))
}

#[tokio::test]
async fn what_changed_is_shown_as_it_was_only_while_it_cannot_be_read() {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&LASTING], shared(), &clock);
    let get = || lasting(&caches, &source);
    get().await.unwrap();
    source.set(1);
    source.fails.store(true, Ordering::SeqCst);
    caches.changed(&changed()).await.unwrap();
    assert_eq!(get().await.unwrap(), (0, CacheStatus::Stale));
    source.fails.store(false, Ordering::SeqCst);
    advance(&clock, Duration::from_secs(5));
    assert_eq!(get().await.unwrap(), (1, CacheStatus::Miss));
    // Of another process's change that this one may have missed, the same holds.
    source.fails.store(true, Ordering::SeqCst);
    caches.doubt();
    let after = get().await.unwrap();
    assert_eq!(after.0, 1, "{after:?}");
}

/// Begins a load, ends it by `event` and lets it come to its end with 7; then nothing can be read any more.
async fn overtaken_by(event: impl AsyncFnOnce(&Caches)) -> Result<(u64, CacheStatus)> {
    let (clock, source) = (Arc::new(ManualClock::new()), Arc::new(Source::default()));
    let caches = caches(&[&LASTING], None, &clock);
    let (reading, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = {
        let (caches, reading, go_on) = (caches.clone(), reading.clone(), go_on.clone());
        let load = move || async move {
            reading.add_permits(1);
            let _ = go_on.acquire().await;
            Ok(7)
        };
        tokio::spawn(async move { *caches.get_or_load(&CACHED, &TenantId::pravis(), "", load).await.unwrap().0 })
    };
    reading.acquire().await.unwrap().forget();
    event(&caches).await;
    go_on.add_permits(1);
    assert_eq!(slow.await.unwrap(), 7);
    source.fails.store(true, Ordering::SeqCst);
    lasting(&caches, &source).await
}

#[tokio::test]
async fn what_a_change_overtook_is_shown_while_nothing_newer_can_be_read() {
    let overtaken = overtaken_by(async |caches| caches.changed(&changed()).await.unwrap()).await;
    assert_eq!(overtaken.unwrap(), (7, CacheStatus::Stale));
    assert_eq!(overtaken_by(async |caches| caches.doubt()).await.unwrap(), (7, CacheStatus::Stale));
    let cleared = overtaken_by(async |caches| assert!(caches.clear("lasting").await.unwrap())).await;
    assert_eq!(cleared.unwrap_err().code(), Code::Unavailable);
}
