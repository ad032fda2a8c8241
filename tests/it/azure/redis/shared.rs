//! Two applications on one Redis count as one.

use std::time::Instant;

use crate::api::limits::limited;
use crate::support::redis::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_applications_share_the_limits_of_a_network() {
    let server = Server::start(&[]).await;
    let url = server.url();
    let variables = [("REDIS_URL", url.as_str())];
    let (one, two) = (limited(1, &variables).await, limited(1, &variables).await);
    let began = Instant::now();
    let mut allowed = [0, 0];
    for _ in 0..30 {
        for (app, allowed) in [&one, &two].into_iter().zip(&mut allowed) {
            *allowed += u32::from(app.client().get("/api/v1/products?limit=1").await.status == 200);
        }
    }
    // Each on its own would allow 20. One flows in every three seconds.
    let flowed_in = u32::try_from(began.elapsed().as_secs() / 3).unwrap() + 1;
    let sum: u32 = allowed.iter().sum();
    assert!(sum >= 20, "{allowed:?}");
    assert!(sum < 20 + flowed_in + 10, "{allowed:?} with {flowed_in} that flowed in");
    assert!(allowed.iter().all(|allowed| *allowed > 0), "{allowed:?}");
}
