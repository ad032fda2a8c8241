//! Two applications over one Redis and one store of documents: a change that one is told of is seen by both,
//! also when Redis restarts meanwhile.

use std::sync::Arc;

use pravis::app::{Application, build_at};
use pravis::caching::{Change, News};
use pravis::containers::CATALOGUE;
use pravis::ports::clock::{Clock, SystemClock};
use pravis::ports::documents::{NewDocument, PartitionKey};
use pravis::services::shop;
use pravis::settings::Settings;
use pravis::state::AppState;
use pravis::types::{Paise, ProductId, TenantId};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::support::process::eventually;
use crate::support::redis::Server;

struct Two {
    nodes: [AppState; 2],
    product: ProductId,
    redis: Server,
    _dir: TempDir,
}

impl Two {
    async fn start() -> Self {
        let redis = Server::start(&[]).await;
        let dir = tempfile::tempdir().unwrap();
        let variables = [("PRAVIS_DATA_DIR", dir.path().to_str().unwrap().to_owned()), ("REDIS_URL", redis.url())];
        let build = async || {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let Application { state, .. } =
                build_at(Settings::from_variables(&variables).unwrap(), clock).await.unwrap();
            state
        };
        let nodes = [build().await, build().await];
        for node in &nodes {
            eventually("that news are heard", async || node.invalidations.is_hearing().then_some(())).await;
        }
        let snapshot = shop::snapshot(&nodes[0], &TenantId::pravis()).await.unwrap();
        let product = snapshot.products()[0].id.clone();
        Self { nodes, product, redis, _dir: dir }
    }

    /// Writes a price, and tells of it as the change feed does: again and again until it is told.
    async fn set_price(&self, paise: u64) {
        let documents = &self.nodes[0].documents;
        let partition = PartitionKey::of(["pravis", "product"]);
        let document = documents.read(&CATALOGUE, &partition, self.product.as_str()).await.unwrap().unwrap();
        let mut body: Map<String, Value> = document.read().unwrap();
        body.insert("pricePaise".into(), paise.into());
        let document = NewDocument::new(self.product.as_str(), &body).unwrap();
        documents.upsert(&CATALOGUE, &partition, document).await.unwrap();
        let change = [Change::catalogue(&TenantId::pravis())];
        eventually("that the change is told", async || self.nodes[0].caches.changed(&change).await.ok()).await;
    }

    async fn price(&self, node: usize) -> Paise {
        let snapshot = shop::snapshot(&self.nodes[node], &TenantId::pravis()).await.unwrap();
        snapshot.get(&self.product).unwrap().price_paise
    }

    async fn both_see(&self, paise: u64) {
        for node in 0..2 {
            let seen = async || (self.price(node).await == Paise(paise)).then_some(());
            eventually("that both see the change", seen).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_is_seen_by_both_and_so_is_one_across_a_restart() {
    let mut two = Two::start().await;
    for price in 1..=20 {
        two.set_price(price * 100).await;
        two.both_see(price * 100).await;
    }
    two.redis.restart().await;
    two.set_price(99_900).await;
    two.both_see(99_900).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_and_caches_share_one_channel() {
    let two = Two::start().await;
    let session = pravis::types::SessionId::generate();
    two.nodes[0].invalidations.publish(News::SessionEnded(session).message()).await.unwrap();
    two.nodes[0].invalidations.publish(bytes::Bytes::from_static(br#"{"laterNews":{}}"#)).await.unwrap();
    two.set_price(77_700).await;
    two.both_see(77_700).await;
}
