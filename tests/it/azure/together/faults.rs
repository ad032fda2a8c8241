//! Each service fails in each way while customers go on: who does not need it notices nothing, who does is
//! asked to come back, nothing acknowledged is lost, and all is well again by itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pravis::error::Code;
use serde_json::{Value, json};
use ulid::Ulid;

use super::{Program, Services};
use crate::support::app::PASSWORD;
use crate::support::client::{Answer, Client};
use crate::support::faults::{Fault, FaultyService};
use crate::support::process::eventually;

/// The ways in which a service fails that speaks HTTP.
const FAULTS: [Fault; 6] = [
    Fault::Slow(Duration::from_secs(5)),
    Fault::Gone,
    Fault::Reset { after: 40 },
    Fault::Status(429),
    Fault::Status(503),
    Fault::Garbage,
];
/// The same for any other protocol.
const RAW_FAULTS: [Fault; 4] =
    [Fault::Slow(Duration::from_secs(5)), Fault::Gone, Fault::Reset { after: 3 }, Fault::Garbage];

/// How long a request may take that needs a service which fails.
const TIME_LIMIT: Duration = Duration::from_secs(12);
const CROWD: usize = 8;
/// Connections to one service that a crowd of this size may leave open.
const CONNECTIONS: usize = 40;

/// A 503 with the time to wait, told within the time limit.
fn asks_to_wait(answer: &Answer, started: Instant) {
    answer.problem(503, Code::Unavailable);
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{answer:.300}");
    assert!(started.elapsed() < TIME_LIMIT, "after {:?}: {answer:.300}", started.elapsed());
}

/// What needs no service but what is in memory.
async fn browse(client: &Client) {
    for path in ["/api/v1/health/live", "/api/v1/products?category=sarees", "/api/v1/products/featured"] {
        let started = Instant::now();
        client.get(path).await.expect(200);
        assert!(started.elapsed() < Duration::from_secs(2), "{path} after {:?}", started.elapsed());
    }
}

/// Accounts that were acknowledged.
#[derive(Default)]
struct Acknowledged(Vec<String>);

impl Acknowledged {
    /// A crowd registers; gives how many were turned away.
    async fn register(&mut self, program: &Program) -> usize {
        let emails: Vec<String> = (0..CROWD).map(|_| format!("{}@example.in", Ulid::generate())).collect();
        let started = Instant::now();
        let answers = join_all(emails.iter().map(|email| program.register(email))).await;
        let mut refused = 0;
        for (email, answer) in emails.into_iter().zip(answers) {
            if answer.status == 201 {
                self.0.push(email);
            } else {
                asks_to_wait(&answer, started);
                refused += 1;
            }
        }
        refused
    }

    /// Everyone can still sign in.
    async fn check(&self, program: &Program) {
        for email in &self.0 {
            let asked = json!({ "email": email, "password": PASSWORD });
            program.client.post("/api/v1/auth/login").json(&asked).await.expect(200);
        }
    }
}

/// Waits until a customer can do everything again.
async fn well_again(program: &Program, customer: &Client) {
    eventually("a program that is well again", async || {
        let me = customer.get("/api/v1/auth/me").await.status == 200;
        let said = customer.post("/api/v1/voice/command").json(&json!({ "text": "silk sarees" })).await.status == 200;
        let ready = program.client.get("/api/v1/health/ready").await.status == 200;
        (me && said && ready && uploads(customer).await.is_some()).then_some(())
    })
    .await;
}

/// Announces, uploads and completes a recording; gives the sample, `None` when something is in the way.
async fn uploads(customer: &Client) -> Option<String> {
    let asked = json!({ "contentType": "audio/wav" });
    let announced = customer.post("/api/v1/voice/samples").json(&asked).await;
    if announced.status != 201 {
        return None;
    }
    let announced = announced.json();
    let put = reqwest::Client::new()
        .put(announced["uploadUrl"].as_str()?)
        .header("x-ms-blob-type", "BlockBlob")
        .header("content-type", "audio/wav")
        .body(crate::api::samples::hum(0.5));
    if put.send().await.ok()?.status() != 201 {
        return None;
    }
    let id = announced["id"].as_str()?.to_owned();
    let completed = customer.post(&format!("/api/v1/voice/samples/{id}/complete")).await;
    (completed.status == 202).then_some(id)
}

fn not_leaking(services: &[&FaultyService]) {
    for service in services {
        assert!(service.connections() <= CONNECTIONS, "{} connections are open", service.connections());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_documents_shoppers_browse_and_nothing_acknowledged_is_lost() {
    let services = Services::prepared().await;
    let program = services.program().await;
    let customer = program.customer().await;
    let mut acknowledged = Acknowledged::default();
    for fault in FAULTS {
        services.to_cosmos.set(fault);
        let refused = tokio::join!(acknowledged.register(&program), browse(&program.client)).0;
        assert!(refused > 0, "{fault:?} has to be noticed");
        let started = Instant::now();
        asks_to_wait(&customer.get("/api/v1/users/me/consents").await, started);
        services.to_cosmos.set(Fault::None);
        well_again(&program, &customer).await;
        not_leaking(&[&services.to_cosmos]);
    }
    assert_eq!(acknowledged.register(&program).await, 0);
    acknowledged.check(&program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_blobs_everything_but_recordings_goes_on() {
    let services = Services::prepared().await;
    let program = services.program().await;
    let customer = program.customer().await;
    let mut completed = Vec::new();
    for fault in FAULTS {
        let announced = customer.post("/api/v1/voice/samples").json(&json!({ "contentType": "audio/wav" })).await;
        let id = announced.expect(201).json()["id"].as_str().unwrap().to_owned();
        services.to_blobs.set(fault);
        browse(&program.client).await;
        customer.get("/api/v1/auth/me").await.expect(200);
        customer.post("/api/v1/voice/command").json(&json!({ "text": "silk sarees" })).await.expect(200);
        let started = Instant::now();
        let path = format!("/api/v1/voice/samples/{id}/complete");
        let answers = join_all((0..CROWD).map(|_| customer.post(&path).into_future())).await;
        for answer in &answers {
            // Storage may take longer than that, so a slow one is waited for: nothing was uploaded.
            let waited = fault == FAULTS[0] && answer.status == 409 && started.elapsed() < TIME_LIMIT;
            if !waited {
                asks_to_wait(answer, started);
            }
        }
        services.to_blobs.set(Fault::None);
        well_again(&program, &customer).await;
        completed.push(eventually("an upload", async || uploads(&customer).await).await);
        not_leaking(&[&services.to_blobs]);
    }
    for id in completed {
        eventually("the end of a recording", async || {
            let sample = customer.get(&format!("/api/v1/voice/samples/{id}")).await.expect(200).json();
            matches!(sample["status"].as_str(), Some("completed" | "rejected" | "failed")).then_some(())
        })
        .await;
    }
}

/// The state of a component in the health of the program.
async fn component(program: &Program, name: &str) -> Value {
    program.client.get("/api/v1/health").await.json()["components"][name]["status"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_waits_for_cache_reports_queues_or_vault() {
    let services = Services::prepared().await;
    let program = services.program().await;
    let customer = program.customer().await;
    let mut acknowledged = Acknowledged::default();
    for fault in RAW_FAULTS {
        for service in [&services.to_redis, &services.to_sql, &services.to_queues] {
            service.set(fault);
        }
        services.vault.fail(crate::support::loopback::Fault::Gone);
        assert_eq!(acknowledged.register(&program).await, 0, "{fault:?}");
        browse(&program.client).await;
        for _ in 0..5 {
            customer.get("/api/v1/auth/me").await.expect(200);
        }
        assert!(uploads(&customer).await.is_some(), "{fault:?}");
        eventually("health that tells", async || {
            let told = [component(&program, "cache").await, component(&program, "reporting").await];
            (told == ["degraded", "degraded"]).then_some(())
        })
        .await;
        assert_eq!(component(&program, "documents").await, "healthy");
        for service in [&services.to_redis, &services.to_sql, &services.to_queues] {
            service.set(Fault::None);
        }
        services.vault.fail(None);
        eventually("health without a complaint", async || {
            let told = [component(&program, "cache").await, component(&program, "reporting").await];
            (told == ["healthy", "healthy"]).then_some(())
        })
        .await;
        not_leaking(&[&services.to_redis, &services.to_sql, &services.to_queues]);
    }
    acknowledged.check(&program).await;
    // What was told while reports and queues were away has arrived: a fact for each recording.
    let stores = services.stores();
    eventually("a fact for each recording", async || {
        (crate::triggers::stories::facts(&stores).await.len() >= RAW_FAULTS.len()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_away_for_a_minute_and_comes_back() {
    let services = Services::prepared().await;
    let program = services.program().await;
    let customer = program.customer().await;
    let sample = uploads(&customer).await.unwrap();
    let mut acknowledged = Acknowledged::default();
    assert_eq!(acknowledged.register(&program).await, 0);
    let all = [&services.to_cosmos, &services.to_blobs, &services.to_queues, &services.to_redis, &services.to_sql];
    let before: BTreeMap<usize, usize> = all.iter().map(|service| service.connections()).enumerate().collect();
    all.iter().for_each(|service| service.set(Fault::Gone));
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(60) {
        browse(&program.client).await;
        acknowledged.register(&program).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    all.iter().for_each(|service| service.set(Fault::None));
    let back = Instant::now();
    well_again(&program, &customer).await;
    println!("well again {:?} after the return", back.elapsed());
    acknowledged.check(&program).await;
    eventually("the end of the recording", async || {
        let sample = customer.get(&format!("/api/v1/voice/samples/{sample}")).await.expect(200).json();
        matches!(sample["status"].as_str(), Some("completed" | "rejected" | "failed")).then_some(())
    })
    .await;
    for (service, before) in all.iter().zip(before.values()) {
        assert!(
            service.connections() <= before + CONNECTIONS,
            "{} connections, {before} before",
            service.connections()
        );
    }
}
