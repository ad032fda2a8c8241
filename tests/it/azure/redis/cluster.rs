//! Shards: `REDIS_CLUSTER_POLICY=oss`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pravis::adapters::cache::{FallbackCache, Health, MemoryCache, RedisOptions};
use pravis::ports::cache::Cache;
use pravis::settings::RedisSettings;
use redis::cmd;

use super::{PATIENT, patient, redis as open, settings};
use crate::support::process::eventually;
use crate::support::redis::{Certificates, Cluster};

const TTL: Duration = Duration::from_secs(600);

fn key(number: usize) -> String {
    format!("product {number}")
}

fn value(number: usize) -> Bytes {
    Bytes::from(number.to_string())
}

fn of_cluster(url: &str) -> RedisSettings {
    RedisSettings { cluster: true, ..settings(url) }
}

async fn fill(cache: &dyn Cache) {
    for number in 0..100 {
        cache.set(&key(number), value(number), TTL).await.unwrap();
        assert_eq!(cache.get(&key(number)).await.unwrap(), Some(value(number)));
    }
}

async fn sizes(cluster: &Cluster) -> Vec<u64> {
    let mut sizes = Vec::new();
    for node in &cluster.nodes {
        sizes.push(cmd("DBSIZE").query_async(&mut node.admin("").await).await.unwrap());
    }
    sizes
}

/// Nodes tell their numbers, and the certificate is for a name.
#[tokio::test]
async fn shards_behind_tls_are_reached_by_the_name_of_the_endpoint() {
    let certificates = Certificates::new();
    let cluster = Cluster::start(Some(&certificates)).await;
    let options = RedisOptions { time_limit: PATIENT, roots: Some(certificates.root.clone()) };
    let redis = open(&of_cluster(&cluster.nodes[0].tls_url()), options);
    fill(&redis.cache()).await;
    let sizes = sizes(&cluster).await;
    assert!(sizes.iter().all(|size| *size > 10) && sizes.iter().sum::<u64>() == 100, "{sizes:?}");
}

#[tokio::test]
async fn a_lost_shard_fails_no_request_and_is_used_again() {
    let mut cluster = Cluster::start(None).await;
    let settings = of_cluster(&cluster.nodes[0].url());
    let health = Arc::new(Health::new("redis"));
    let shared = Arc::new(open(&settings, RedisOptions::default()).cache());
    let cache = FallbackCache::new(shared, Arc::new(MemoryCache::new(1 << 20)), health.clone());
    eventually("a cluster in use", async || {
        cache.set("warm", value(0), TTL).await.unwrap();
        (!cache.check().await.is_degraded()).then_some(())
    })
    .await;
    cluster.nodes[2].kill();
    for number in 0..100 {
        cache.set(&key(number), value(number), TTL).await.unwrap();
        assert_eq!(cache.increment(&format!("{} count", key(number)), 1, TTL).await.unwrap(), 1);
        cache.get(&key(number)).await.unwrap();
    }
    assert!(health.status().is_degraded());
    cluster.nodes[2].restart().await;
    let others = patient(&settings).cache();
    eventually("all shards in use again", async || {
        let mut there = 0;
        for number in 0..20 {
            cache.set(&key(number), value(number), TTL).await.unwrap();
            there += usize::from(others.get(&key(number)).await.ok()? == Some(value(number)));
        }
        (there == 20 && !cache.check().await.is_degraded()).then_some(())
    })
    .await;
}
