//! Rate limits: what is told, who is counted for whom, and what cannot be evaded.

use std::time::Instant;

use http::Method;
use pravis::containers::CATALOGUE;
use pravis::error::Code;
use pravis::ports::documents::NewDocument;
use pravis::tiers::{TierTable, partition};
use pravis::types::{TenantId, TierId};
use serde_json::json;

use crate::support::app::{TestApp, eventually};
use crate::support::client::{Answer, Client};

const PRODUCTS: &str = "/api/v1/products?limit=1";
/// What a network has for each request of the free tier.
const SHOPPERS: u32 = 20;

/// An application that limits, with so many requests a minute on the free tier.
pub async fn limited(requests: u32, variables: &[(&str, &str)]) -> TestApp {
    let on = [("PRAVIS_RATE_LIMITS", "on")];
    let app = TestApp::start_with(&[&on, variables].concat()).await;
    change_free(&app, |free| free.requests_per_minute = requests).await;
    app
}

/// Writes the tier table as an administrator would.
pub async fn change_free(app: &TestApp, change: impl FnOnce(&mut pravis::tiers::Tier)) {
    let mut table = TierTable::built_in().clone();
    change(table.tiers.get_mut(&TierId::FREE).unwrap());
    let (partition, id) = partition(&TenantId::pravis());
    app.state.documents.upsert(&CATALOGUE, &partition, NewDocument::new(id, &table).unwrap()).await.unwrap();
    app.state.tiers.forget(&TenantId::pravis()).await;
}

/// Asks until it is refused; gives how often it was not, and the refusal. More than the quota and what flowed
/// in meanwhile is too much.
pub async fn exhaust(quota: u32, ask: impl AsyncFn() -> Answer) -> (u32, Answer) {
    let began = Instant::now();
    for allowed in 0.. {
        let answer = ask().await;
        if answer.status == 429 {
            let flowed_in = began.elapsed().as_secs_f64() * f64::from(quota) / 60.0;
            assert!(f64::from(allowed) <= f64::from(quota) + flowed_in, "{allowed} of {quota}");
            assert!(allowed >= quota, "{allowed} of {quota}");
            return (allowed, answer);
        }
        assert!(allowed < quota * 20, "it is never refused: {answer:.300}");
    }
    unreachable!()
}

/// Sees that `forged` is refused where `plain` is. A bucket fills all the time, so it is emptied before each
/// try; who has another bucket is refused in none.
pub async fn refused_alike(plain: impl AsyncFn() -> Answer, forged: impl AsyncFn() -> Answer) {
    for _ in 0..5 {
        while plain().await.status != 429 {}
        let answer = forged().await;
        if answer.status == 429 {
            answer.problem(429, Code::TooManyRequests);
            return;
        }
    }
    panic!("the limit is evaded");
}

/// The figure of a parameter in the item of a structured field.
fn figure(field: &str, policy: &str, parameter: &str) -> u64 {
    let item = field.split(", ").find(|item| item.starts_with(&format!("\"{policy}\";"))).expect(field);
    let text = item.split(';').find_map(|part| part.strip_prefix(&format!("{parameter}="))).expect(field);
    text.parse().expect(field)
}

#[tokio::test]
async fn each_answer_tells_what_is_left_and_the_refusal_tells_when_to_come_again() {
    let app = limited(3, &[]).await;
    let customer = app.customer().await;
    let first = customer.get(PRODUCTS).await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), r#""default";q=3;w=60"#);
    assert_eq!(figure(first.header("ratelimit"), "default", "r"), 2);
    assert!((1..=20).contains(&figure(first.header("ratelimit"), "default", "t")));
    let missing = customer.get("/api/v1/products/prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S").await.expect(404);
    assert!(!missing.header("ratelimit").is_empty(), "failures are counted, and told, like successes");
    let refused = loop {
        let answer = customer.get(PRODUCTS).await;
        if answer.status == 429 {
            break answer;
        }
    };
    let problem = refused.problem(429, Code::TooManyRequests);
    let limit = problem.limit.expect("it says which limit");
    assert_eq!((limit.policy.as_str(), limit.quota, limit.window_seconds, limit.remaining), ("default", 3, 60, 0));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(wait, limit.retry_after_seconds);
    assert!((1..=20).contains(&wait) && limit.reset_after_seconds <= 60, "{limit:?}");
    assert!(problem.detail.contains("\"default\"") && problem.detail.contains("3 requests"), "{}", problem.detail);
    assert_eq!(figure(refused.header("ratelimit"), "default", "r"), 0);
}

#[tokio::test]
async fn nobody_evades_a_limit_by_what_they_send_nor_uses_up_that_of_others() {
    let app = limited(3, &[]).await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let plain = async || customer.get(PRODUCTS).await;
    exhaust(3, plain).await;
    for (name, value) in [
        ("x-forwarded-for", "198.51.100.7"),
        ("forwarded", "for=198.51.100.7"),
        ("x-azure-socketip", "198.51.100.7"),
        ("x-azure-clientip", "198.51.100.7"),
        ("cookie", "session=new"),
        ("user-agent", "another"),
        ("x-request-id", "another"),
    ] {
        refused_alike(plain, async || customer.get(PRODUCTS).header(name, value).await).await;
    }
    // Two credentials are none, and what they ask is not answered.
    customer.get(PRODUCTS).header("x-api-key", "prv_nobodys").await.problem(400, Code::MalformedRequest);
    // Neither by another address or kind of request.
    let elsewhere = app.client_at([127, 0, 9, 9]).with_token(customer.token());
    refused_alike(plain, async || elsewhere.get(PRODUCTS).await).await;
    let said = json!({ "text": "help" });
    refused_alike(plain, async || customer.post("/api/v1/voice/command").json(&said).await).await;
    other.get(PRODUCTS).await.expect(200);
    app.client().get(PRODUCTS).await.expect(200);
}

#[tokio::test]
async fn strangers_share_the_count_of_their_network() {
    let app = limited(1, &[]).await;
    let (one, neighbour, far) =
        (app.client_at([127, 0, 1, 1]), app.client_at([127, 0, 1, 2]), app.client_at([127, 0, 2, 1]));
    let customer = app.customer().await;
    let customer_there = app.client_at([127, 0, 1, 1]).with_token(customer.token());
    let turn = std::sync::atomic::AtomicUsize::new(0);
    exhaust(SHOPPERS, async || {
        let clients = [&one, &neighbour];
        clients[turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2].get(PRODUCTS).await
    })
    .await;
    let plain = async || one.get(PRODUCTS).await;
    for client in [&one, &neighbour] {
        for (name, value) in [("x-forwarded-for", "198.51.100.7"), ("x-api-key", "prv_nobodys")] {
            refused_alike(plain, async || client.get(PRODUCTS).header(name, value).await).await;
        }
        // A credential that is none counts for the network, and gets no further.
        let nobody = client.with_token("nonsense");
        refused_alike(plain, async || nobody.get(PRODUCTS).await).await;
    }
    far.get(PRODUCTS).await.expect(200);
    customer_there.get(PRODUCTS).await.expect(200);
    // Where something is left, it is told what is wrong, and counted.
    let told = far.with_token("nonsense").get(PRODUCTS).await;
    told.problem(401, Code::InvalidToken);
    assert!(figure(told.header("ratelimit"), "default", "r") < u64::from(SHOPPERS));
}

#[tokio::test]
async fn what_costs_more_has_a_narrower_limit_of_its_own() {
    let app = limited(6, &[]).await;
    let customer = app.customer().await;
    let said = json!({ "text": "help" });
    let command = async || customer.post("/api/v1/voice/command").json(&said).await;
    let first = command().await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), r#""voice";q=2;w=60, "default";q=6;w=60"#);
    assert_eq!(figure(first.header("ratelimit"), "voice", "r"), 1);
    let refused = loop {
        let answer = command().await;
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(refused.problem(429, Code::TooManyRequests).limit.unwrap().policy, "voice");
    customer.get(PRODUCTS).await.expect(200);
}

#[tokio::test]
async fn accounts_are_opened_slowly_from_one_network_and_nobody_else_waits_for_it() {
    let app = limited(60, &[]).await;
    let register = async |client: &Client| client.post("/api/v1/auth/register").json(&json!({})).await;
    let (one, far) = (app.client_at([127, 0, 3, 1]), app.client_at([127, 0, 4, 1]));
    for _ in 0..30 {
        register(&one).await.problem(422, Code::ValidationFailed);
    }
    // One flows in every two minutes.
    let mut answer = register(&one).await;
    if answer.status == 422 {
        answer = register(&one).await;
    }
    let limit = answer.problem(429, Code::TooManyRequests).limit.unwrap();
    assert_eq!((limit.policy.as_str(), limit.quota, limit.window_seconds), ("registration", 30, 3600));
    register(&far).await.problem(422, Code::ValidationFailed);
    let login = one.post("/api/v1/auth/login").json(&json!({ "email": "nobody@example.in", "password": "x" })).await;
    login.problem(401, Code::InvalidCredentials);
    assert_eq!(login.header("ratelimit-policy"), r#""credentials";q=300;w=60"#);
}

#[tokio::test]
async fn preflights_probes_and_descriptions_are_not_counted() {
    let app = limited(1, &[]).await;
    let client = app.client_at([127, 0, 5, 1]);
    for _ in 0..3 * SHOPPERS {
        let preflight = client
            .call(Method::OPTIONS, "/api/v1/products")
            .header("origin", "http://localhost:3000")
            .header("access-control-request-method", "GET");
        assert!(preflight.await.expect(204).header("ratelimit").is_empty());
        assert!(client.get("/api/v1/health/live").await.expect(200).header("ratelimit").is_empty());
    }
    client.get("/api/openapi.json").await.expect(200);
    let first = client.get(PRODUCTS).await.expect(200);
    assert_eq!(figure(first.header("ratelimit"), "default", "r"), u64::from(SHOPPERS) - 1);
}

#[tokio::test]
async fn a_tier_that_grows_counts_at_once() {
    let app = limited(2, &[]).await;
    let customer = app.customer().await;
    exhaust(2, async || customer.get(PRODUCTS).await).await;
    change_free(&app, |free| free.requests_per_minute = 200).await;
    // What is empty is so still, but fills a hundred times as fast.
    let allowed = eventually("a request that is allowed", async || {
        let answer = customer.get(PRODUCTS).await;
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(allowed.await.header("ratelimit-policy"), r#""default";q=200;w=60"#);
    // What is off is off.
    let unlimited = TestApp::start_with(&[("PRAVIS_RATE_LIMITS", "off")]).await;
    assert!(unlimited.client().get(PRODUCTS).await.expect(200).header("ratelimit-policy").is_empty());
}
