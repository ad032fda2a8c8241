//! Processes that go on writing while a tenant is moved: nothing that was acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pravis::containers::{CUSTOMERS, customer};
use pravis::ports::PortErrorKind;
use pravis::ports::documents::{DocumentStore, NewDocument};
use pravis::services::tenants::{Mover, Waits};
use pravis::types::{Placement, TenantId};
use serde_json::{Value, json};

use super::stores::{Deployment, dedicated};

const LIFE: Duration = Duration::from_millis(300);
const WRITERS: usize = 6;

/// What a writer saw.
#[derive(Default)]
struct Seen {
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

async fn write(
    process: Arc<dyn DocumentStore>,
    tenant: TenantId,
    writer: usize,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
) {
    let partition = customer(&tenant, &format!("usr_{writer}"));
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        n += 1;
        let document = NewDocument::new("counter", &json!({ "n": n })).unwrap();
        match process.upsert(&CUSTOMERS, &partition, document).await {
            Ok(_) => {
                seen.acknowledged.store(n, Ordering::SeqCst);
                // What was acknowledged is read at once.
                let found = process.read(&CUSTOMERS, &partition, "counter").await.unwrap().unwrap();
                assert_eq!(found.read::<Value>().unwrap()["n"], n, "writer {writer}");
            }
            Err(error) => {
                assert_eq!(error.kind(), PortErrorKind::Unavailable, "{error:?}");
                seen.refused.fetch_add(1, Ordering::SeqCst);
                n -= 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_while_a_tenant_moves_there_and_back() {
    let deployment = Deployment::on_sqlite();
    let tenant = deployment.tenant("gadwal").await;
    deployment.fill(&tenant, 50).await;
    let processes: Vec<Arc<dyn DocumentStore>> =
        (0..3).map(|_| Arc::new(deployment.process(LIFE)) as Arc<dyn DocumentStore>).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let seen: Vec<Arc<Seen>> = (0..WRITERS).map(|_| Arc::default()).collect();
    let mut writers = tokio::task::JoinSet::new();
    for (n, seen) in seen.iter().enumerate() {
        let process = processes[n % processes.len()].clone();
        writers.spawn(write(process, tenant.clone(), n, seen.clone(), stop.clone()));
    }
    let settle = || tokio::time::sleep(Duration::from_millis(200));
    let waits = Waits { fence: LIFE * 4, ..deployment.mover().waits };
    let mut before = vec![0; WRITERS];
    for to in [dedicated(), Placement::Shared] {
        settle().await;
        Mover { waits, ..deployment.mover() }.run(&tenant, &to).await.unwrap();
        let acknowledged = || seen.iter().map(|seen| seen.acknowledged.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let at_the_switch = acknowledged();
        // All write again once their processes know.
        crate::support::app::eventually("writes in the other database", || {
            let now = acknowledged();
            std::future::ready(now.iter().zip(&at_the_switch).all(|(now, then)| now > then).then_some(()))
        })
        .await;
        assert!(acknowledged().iter().zip(&before).all(|(now, before)| now > before));
        before = acknowledged();
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let fresh = deployment.process(LIFE);
    for (n, seen) in seen.iter().enumerate() {
        assert!(seen.refused.load(Ordering::SeqCst) > 0, "writer {n} was never refused");
        let partition = customer(&tenant, &format!("usr_{n}"));
        let found = fresh.read(&CUSTOMERS, &partition, "counter").await.unwrap().unwrap();
        assert_eq!(found.read::<Value>().unwrap()["n"], seen.acknowledged.load(Ordering::SeqCst), "writer {n}");
    }
}
