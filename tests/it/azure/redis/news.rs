//! Subscribers whose connection is cut, or whose Redis goes away, hangs or is not there yet.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use pravis::adapters::cache::RedisInvalidations;
use pravis::ports::cache::{Heard, Invalidations};
use tokio::time::timeout;

use super::{CLUSTER, cluster, patient, settings};
use crate::support::process::{PATIENCE, eventually};
use crate::support::redis::Server;

fn message(text: &'static str) -> Heard {
    Heard::Message(Bytes::from_static(text.as_bytes()))
}

async fn next(stream: &mut BoxStream<'static, Heard>) -> Heard {
    timeout(PATIENCE, stream.next()).await.expect("something is heard").expect("the stream goes on")
}

async fn publish(news: &RedisInvalidations, text: &'static str) {
    eventually("a message that is published", async || news.publish(Bytes::from_static(text.as_bytes())).await.ok())
        .await;
}

async fn hearing(news: &RedisInvalidations, expected: bool) {
    eventually("a change of the subscription", async || (news.is_hearing() == expected).then_some(())).await;
}

/// What is heard before the next message, which must be `text`.
async fn gaps_before(stream: &mut BoxStream<'static, Heard>, text: &'static str) -> usize {
    let mut gaps = 0;
    loop {
        match next(stream).await {
            Heard::Gap => gaps += 1,
            heard => {
                assert_eq!(heard, message(text));
                return gaps;
            }
        }
    }
}

#[tokio::test]
async fn a_subscriber_whose_connection_is_cut_hears_a_gap_and_then_what_is_new() {
    let server = Server::start(&[]).await;
    let news = patient(&settings(&server.url())).invalidations();
    let other = patient(&settings(&server.url())).invalidations();
    let mut stream = news.subscribe().await.unwrap();
    hearing(&news, true).await;
    while let Ok(heard) = timeout(Duration::ZERO, stream.next()).await {
        assert_eq!(heard, Some(Heard::Gap));
    }
    publish(&other, "before").await;
    assert_eq!(gaps_before(&mut stream, "before").await, 0);
    server.cut("pubsub").await;
    assert_eq!(next(&mut stream).await, Heard::Gap, "told at once");
    assert_eq!(next(&mut stream).await, Heard::Gap, "told again when everything is heard");
    publish(&other, "after").await;
    assert_eq!(next(&mut stream).await, message("after"));
}

#[tokio::test]
async fn a_subscriber_outlives_a_restart() {
    let mut server = Server::start(&[]).await;
    let news = patient(&settings(&server.url())).invalidations();
    let mut stream = news.subscribe().await.unwrap();
    hearing(&news, true).await;
    server.kill();
    hearing(&news, false).await;
    news.publish(Bytes::from_static(b"to nobody")).await.unwrap_err();
    server.restart().await;
    hearing(&news, true).await;
    publish(&news, "back").await;
    // Of the loss, of the message that could not be published, and of the return.
    assert!(gaps_before(&mut stream, "back").await >= 3);
}

#[tokio::test]
async fn who_subscribes_before_redis_is_there_hears_a_gap_first() {
    let mut server = Server::start(&[]).await;
    server.kill();
    let news = patient(&settings(&server.url())).invalidations();
    let mut stream = news.subscribe().await.unwrap();
    assert_eq!(next(&mut stream).await, Heard::Gap);
    server.restart().await;
    assert_eq!(next(&mut stream).await, Heard::Gap);
    publish(&news, "first").await;
    assert_eq!(gaps_before(&mut stream, "first").await, 0);
}

#[tokio::test]
async fn a_redis_that_hangs_is_noticed_although_nothing_is_published() {
    let server = Server::start(&[]).await;
    let news = patient(&settings(&server.url())).invalidations();
    let mut stream = news.subscribe().await.unwrap();
    hearing(&news, true).await;
    server.freeze();
    hearing(&news, false).await;
    server.thaw();
    hearing(&news, true).await;
    publish(&news, "back").await;
    assert!(gaps_before(&mut stream, "back").await >= 2);
}

#[tokio::test]
async fn the_stream_ends_with_the_adapter_and_so_does_its_connection() {
    let server = Server::start(&[]).await;
    let news = patient(&settings(&server.url())).invalidations();
    let mut stream = news.subscribe().await.unwrap();
    hearing(&news, true).await;
    drop(news);
    while timeout(PATIENCE, stream.next()).await.expect("an end").is_some() {}
    let mut admin = server.admin("").await;
    eventually("that nobody is subscribed", async || {
        let subscribed: (String, u64) =
            redis::cmd("PUBSUB").arg(&["NUMSUB", "pravis:invalidations"]).query_async(&mut admin).await.unwrap();
        (subscribed.1 == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_nodes_of_a_cluster_are_heard() {
    let news = cluster().await.invalidations();
    let mut stream = news.subscribe().await.unwrap();
    hearing(&news, true).await;
    for node in &CLUSTER.get().unwrap().nodes {
        let through_this_node = patient(&settings(&node.url())).invalidations();
        publish(&through_this_node, "from a node").await;
        gaps_before(&mut stream, "from a node").await;
    }
}
